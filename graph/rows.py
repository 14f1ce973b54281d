"""What Prometheus answers, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One sample of an instant query."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """One series of a range query: (unix seconds, value) pairs, oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]
