"""Average and quantiles of response times from the histograms of both reporters.

Asked one by one, Prometheus would add up all buckets anew for each quantile and each reporter. So it is asked once for
the sums by bucket and reporter, and the rest is done here, as its own `histogram_quantile` does it. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from graph.rows import Row, Series

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
NAMES = ("avg", *QUANTILES)

Buckets = Mapping[float, float]
"""Requests per second that took at most so many milliseconds; the last bound is infinite."""


def quantile(share: float, buckets: Buckets) -> float:
    """The time below which this share of the requests stays, NaN without requests.

    The rule of Prometheus' histogram_quantile: linear within a bucket, the first of which begins at 0; what lies beyond
    the last finite bound counts as that bound. Counts that fall, as rates of separate series may, are levelled.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or not math.isinf(bounds[-1]):
        return math.nan
    counts: list[float] = []
    for bound in bounds:
        counts.append(max(buckets[bound], counts[-1] if counts else 0.0))
    if counts[-1] <= 0:
        return math.nan
    rank = share * counts[-1]
    at = next((index for index, count in enumerate(counts[:-1]) if count >= rank), len(bounds) - 1)
    if at == len(bounds) - 1:
        return bounds[-2]
    start, below = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - below
    return start + (bounds[at] - start) * ((rank - below) / inside if inside > 0 else 0.0)


def times(buckets: Buckets, milliseconds: float) -> dict[str, float]:
    """Average and quantiles; `milliseconds`: what all requests of a second took together. Empty without requests."""
    count = buckets.get(math.inf, 0.0)
    if count <= 0:
        return {}
    found = {"avg": milliseconds / count, **{name: quantile(share, buckets) for name, share in QUANTILES.items()}}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def of_rows(buckets: Iterable[Row], durations: Iterable[Row], first: str) -> dict[str, float]:
    """From instant queries; the times of the reporter `first` where it has any, else those of the other."""
    instant = [(Series(row.labels, ((0.0, row.value),)) for row in rows) for rows in (buckets, durations)]
    found = of_series(instant[0], instant[1], first)
    return {name: points[0][1] for name, points in found.items() if points}


def of_series(
    buckets: Iterable[Series], durations: Iterable[Series], first: str
) -> dict[str, list[tuple[float, float]]]:
    """The same from range queries: for each name its points, oldest first."""
    counted: dict[str, dict[float, dict[float, float]]] = {}
    for one in buckets:
        by_time = counted.setdefault(one.labels.get("reporter", ""), {})
        for at, value in one.points:
            by_time.setdefault(at, {})[float(one.labels["le"])] = value
    summed = {one.labels.get("reporter", ""): dict(one.points) for one in durations}
    result: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
    order = [first, *sorted(set(counted) - {first})]
    for at in sorted({at for by_time in counted.values() for at in by_time}):
        for name, value in _believed(order, counted, summed, at).items():
            result[name].append((at, value))
    return result


def _believed(
    order: Sequence[str],
    counted: Mapping[str, Mapping[float, Buckets]],
    summed: Mapping[str, Mapping[float, float]],
    at: float,
) -> dict[str, float]:
    for reporter in order:
        found = times(counted.get(reporter, {}).get(at, {}), summed.get(reporter, {}).get(at, 0.0))
        if found:
            return found
    return {}
