"""What the demo measures and how it judges it: counts of requests per version, and binomial bounds. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A true share leaves this many standard deviations once in 16,000 measurements: no false alarm in practice, and
# still narrow enough to tell 10 % from 20 % after a few seconds of load.
SIGMAS = 4.0


@dataclass(frozen=True)
class Counts:
    """Requests through the ingress gateway so far, by version and by whether they failed with 5xx."""

    good: Mapping[str, int]
    failed: Mapping[str, int]

    def since(self, earlier: Counts) -> Counts:
        """What has come since an earlier count."""
        return Counts(
            {version: count - earlier.good.get(version, 0) for version, count in self.good.items()},
            {version: count - earlier.failed.get(version, 0) for version, count in self.failed.items()},
        )

    def of(self, version: str) -> int:
        return self.good.get(version, 0) + self.failed.get(version, 0)

    @property
    def total(self) -> int:
        return sum(self.good.values()) + sum(self.failed.values())

    def __str__(self) -> str:
        versions = sorted({*self.good, *self.failed})
        return ", ".join(
            f"{version}: {self.of(version)} requests, {self.failed.get(version, 0)} failed" for version in versions
        )


def counts_of(series: Iterable[Mapping[str, Any]], whose: str = "destination_version") -> Counts:
    """Counts from the rows of a Prometheus instant query on `istio_requests_total`, by that label."""
    good: dict[str, int] = {}
    failed: dict[str, int] = {}
    for row in series:
        labels = row["metric"]
        target = failed if labels.get("response_code", "0")[:1] in ("5", "0") else good
        version = labels.get(whose) or "unknown"
        target[version] = target.get(version, 0) + round(float(row["value"][1]))
    return Counts(good, failed)


@dataclass(frozen=True)
class Traffic:
    """Requests so far: from the gateway to s2; by the sidecars of s2 all that came in, the reads among it (the rest is
    asked for by Prometheus, mostly), and what went on to db, by the version that sent it.
    """

    gateway: Counts
    into_s2: Counts
    reads: Counts
    into_db: Counts

    def since(self, earlier: Traffic) -> Traffic:
        """What has come since an earlier count."""
        return Traffic(
            self.gateway.since(earlier.gateway),
            self.into_s2.since(earlier.into_s2),
            self.reads.since(earlier.reads),
            self.into_db.since(earlier.into_db),
        )


def traffic_of(gateway: Iterable[Mapping[str, Any]], of_s2: Iterable[Mapping[str, Any]]) -> Traffic:
    """From the rows of two queries: what the gateway counts, and what the sidecars of s2 count."""
    rows = list(of_s2)
    into = [row for row in rows if row["metric"]["reporter"] == "destination"]
    reads = [row for row in into if row["metric"]["source_app"] == "istio-ingressgateway"]
    out = [row for row in rows if row["metric"]["reporter"] == "source"]
    return Traffic(counts_of(gateway), counts_of(into), counts_of(reads), counts_of(out, "source_version"))


def bounds(expected: float, number: int) -> tuple[float, float]:
    """Between which shares a measurement of `number` requests lies if `expected` (0 to 1) is true."""
    if number == 0:
        return (0.0, 1.0)
    margin = SIGMAS * math.sqrt(expected * (1 - expected) / number)
    return (max(0.0, expected - margin), min(1.0, expected + margin))


@dataclass(frozen=True)
class Finding:
    """One expectation, what was measured, and whether the two agree."""

    what: str
    expected: str
    measured: str
    holds: bool


def share(what: str, expected: float, part: int, whole: int, least: int = 30) -> Finding:
    """Is part/whole what was expected, within binomial error? Fewer than `least` requests prove nothing, so fail."""
    low, high = bounds(expected, whole)
    measured = part / whole if whole else 0.0
    span = f"{expected:.0%}" if low == high else f"{expected:.0%} ({low:.1%} to {high:.1%})"
    return Finding(what, span, f"{measured:.1%} ({part} of {whole})", whole >= least and low <= measured <= high)


def fewer(what: str, part: int, whole: int) -> Finding:
    """Are there some, and not as many as of the whole?"""
    return Finding(what, "fewer", f"{part} of {whole}", 0 < part < whole)


def none_of(what: str, count: int, detail: str = "") -> Finding:
    """Nothing of that should have happened."""
    return Finding(what, "0", f"{count}{f' {detail}' if detail else ''}", count == 0)
