"""What each version answered, from the counters of the sidecars. Pure.

Counters are read as they were scraped, not through `increase()`: that invents fractions at the ends of its window, and
it loses a whole series' beginning, so that the first failures of a new version would not count.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from c756.canary.terms import Block, Counts


@dataclass(frozen=True)
class Series:
    """One time series: labels, and (seconds, value) in order."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


REQUESTS = "istio_requests_total"
BUCKET = "istio_request_duration_milliseconds_bucket"
SUM = "istio_request_duration_milliseconds_sum"


def selector(service: str, namespace: str, reporter: str) -> str:
    """What to ask Prometheus for. Scrapes by Prometheus itself come from outside the mesh."""
    return (
        f'{{__name__=~"{REQUESTS}|{BUCKET}|{SUM}",reporter="{reporter}",destination_service_name="{service}",'
        f'destination_service_namespace="{namespace}",source_workload!="unknown"}}'
    )


def bounds(series: Iterable[Series]) -> tuple[float, ...]:
    """The upper ends of the histogram's buckets in milliseconds, +Inf apart."""
    found = {float(one.labels["le"]) for one in series if "le" in one.labels}
    return tuple(sorted(found - {math.inf}))


def newest(series: Iterable[Series]) -> float | None:
    """When the newest sample was taken; None where there is none."""
    return max((one.samples[-1][0] for one in series if one.samples), default=None)


def increments(series: Sequence[Series], start: float) -> Iterable[tuple[Series, float, float]]:
    """What each series rose by, and when: only between scrapes that both are after the start.

    A counter that is smaller than before was reset, and has risen from 0. One that was not there when its pod was
    scraped last has risen from 0, too. With a pod that was never scraped before, the first scrape tells nothing.
    """
    scrapes: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for one in series:
        scrapes[_target(one)] += [at for at, _ in one.samples if at >= start]
    times = {target: sorted(set(found)) for target, found in scrapes.items()}
    for one in series:
        after = [(at, value) for at, value in one.samples if at >= start]
        if not after:
            continue
        seen_before = len(after) < len(one.samples)
        if not seen_before and times[_target(one)][0] < after[0][0]:
            yield one, after[0][0], after[0][1]
        for (_, before), (at, value) in itertools.pairwise(after):
            if value != before:
                yield one, at, value - before if value > before else value


def blocks(series: Sequence[Series], start: float, look: float, number: int, canary: str, stable: str) -> list[Block]:
    """The first `number` intervals of `look` seconds after the start."""
    ends = bounds(series)
    found: list[dict[str, _Tally]] = [defaultdict(lambda: _Tally(len(ends))) for _ in range(number)]
    for one, at, rise in increments(series, start):
        index = math.ceil((at - start) / look) - 1
        if 0 <= index < number:
            found[index][one.labels.get("destination_version", "unknown")].add(one, rise, ends)
    return [
        Block(
            tallies[canary].counts(),
            tallies[stable].counts(),
            sum(tally.requests for version, tally in tallies.items() if version not in (canary, stable)),
        )
        for tallies in found
    ]


class _Tally:
    """One version in one interval."""

    def __init__(self, size: int) -> None:
        self.requests = self.failed = self.refused = 0
        self._within = [0.0] * size
        self._served = self._millis = 0.0

    def add(self, series: Series, rise: float, ends: Sequence[float]) -> None:
        name, code = series.labels["__name__"], series.labels.get("response_code", "0")
        failed = code[:1] in ("5", "0")
        if name == REQUESTS:
            self.requests += round(rise)
            self.failed += round(rise) if failed else 0
            self.refused += round(rise) if code[:1] == "4" else 0
        elif failed:
            return  # a failure is fast or slow for reasons of its own
        elif name == SUM:
            self._millis += rise
        elif (end := float(series.labels["le"])) == math.inf:
            self._served += rise
        else:
            self._within[ends.index(end)] += rise

    def counts(self) -> Counts:
        slower = tuple(max(0, round(self._served - within)) for within in self._within)
        return Counts(self.requests, self.failed, self.refused, round(self._served), slower, self._millis)


def _target(series: Series) -> tuple[str, ...]:
    return tuple(series.labels.get(name, "") for name in ("namespace", "pod", "instance", "job"))
