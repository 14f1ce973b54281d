"""What a canary says of a look: a line for people, an object for programs. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from c756.canary.judge import quantile, totals, wilson
from c756.canary.terms import Block, Counts, Verdict

Z = 1.96
"""Intervals are of 95 %."""


def numbers(counts: Counts, bounds: Sequence[float]) -> dict[str, Any]:
    """What one version did, for JSON. The bound of an open bucket is null."""
    low, high = wilson(counts.failed, counts.requests, Z)
    found: dict[str, Any] = {
        "requests": counts.requests,
        "failed": counts.failed,
        "refused": counts.refused,
        "errorRate": counts.failed / counts.requests if counts.requests else None,
        "errorRateInterval": [low, high],
        "meanMillis": round(counts.mean, 2) if counts.served else None,
    }
    for name, share in (("p50Millis", 0.5), ("p99Millis", 0.99)):
        bucket = quantile(counts, bounds, share) if counts.served else None
        found[name] = None if bucket is None else [bucket[0], None if math.isinf(bucket[1]) else bucket[1]]
    return found


def version_text(version: str, counts: Counts, bounds: Sequence[float]) -> str:
    """What one version did, for people."""
    if not counts.requests:
        return f"{version}: no request"
    low, high = wilson(counts.failed, counts.requests, Z)
    text = (
        f"{version}: {counts.requests} requests, {counts.failed / counts.requests:.1%} errors ({low:.1%} to {high:.1%})"
    )
    if counts.served:
        under, over = quantile(counts, bounds)
        text += f", mean {counts.mean:.0f} ms, P99 " + (
            f"over {under:g} ms" if math.isinf(over) else f"{under:g} to {over:g} ms"
        )
    return text


def look_text(
    step: str, blocks: Sequence[Block], bounds: Sequence[float], names: tuple[str, str], verdict: Verdict
) -> str:
    """One look in one line."""
    canary, stable = totals(blocks)
    return " | ".join(
        (
            step,
            version_text(names[0], canary, bounds),
            version_text(names[1], stable, bounds),
            f"{verdict.kind}: {verdict.why}",
        )
    )


def look_object(
    step: str, weight: int, blocks: Sequence[Block], bounds: Sequence[float], names: tuple[str, str], verdict: Verdict
) -> dict[str, Any]:
    """One look for programs."""
    canary, stable = totals(blocks)
    return {
        "event": "look",
        "step": step,
        "weight": weight,
        names[0]: numbers(canary, bounds),
        names[1]: numbers(stable, bounds),
        "verdict": str(verdict.kind),
        "why": verdict.why,
        "missing": verdict.missing,
        "waitSeconds": None if math.isinf(verdict.wait) else round(verdict.wait),
    }
