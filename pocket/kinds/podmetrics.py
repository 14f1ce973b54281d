"""The kind PodMetrics: its defaults, rules and columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pocket.kinds.columns import NAME, Column, at
from pocket.kinds.strategy import Strategy
from pocket.objects import Obj


def _sum(resource: str, unit: str) -> Callable[[Obj, datetime], str]:
    """Of all containers of a PodMetrics."""
    return lambda obj, _: f"{sum(int(part['usage'][resource].removesuffix(unit)) for part in obj['containers'])}{unit}"


STRATEGY = Strategy(
    "PodMetrics",
    columns=(
        NAME,
        Column("CPU", _sum("cpu", "n")),
        Column("Memory", _sum("memory", "Ki")),
        Column("Window", at("window")),
    ),
)
