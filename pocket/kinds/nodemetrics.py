"""The kind NodeMetrics: its defaults, rules and columns."""

from __future__ import annotations

from pocket.kinds.columns import NAME, Column, at
from pocket.kinds.strategy import Strategy

STRATEGY = Strategy(
    "NodeMetrics",
    columns=(
        NAME,
        Column("CPU", at("usage", "cpu")),
        Column("Memory", at("usage", "memory")),
        Column("Window", at("window")),
    ),
)
