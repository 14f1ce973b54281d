"""The few forms of PromQL that the graph asks, evaluated over counters that grow evenly (world.py).

So golden files need no Prometheus; test_real_prometheus.py checks that the real one answers the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from graph.rows import Row
from tests.graph.world import BUCKETS, STATES, Counter, Flow, counters

_ROUND = re.compile(r"round\((?P<sum>sum\(rate\(.+\)\) by \(.+?\))(?P<positive> > 0)?, 0\.001\)")
_SUM = re.compile(r"sum\(rate\((?P<metric>\w+)\{(?P<selector>.*)\}\[\d+s\]\)\) by \((?P<labels>.+?)\)")
_QUANTILE = re.compile(r"histogram_quantile\((?P<quantile>[\d.]+), (?P<sum>sum\(rate\(.+)\) > 0")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')


def answer(promql: str, flows: Iterable[Flow]) -> list[Row]:
    """The rows of one of the graph's queries."""
    series = list(counters(list(flows)))
    if found := _ROUND.fullmatch(promql):
        rows = [Row(row.labels, math.floor(row.value / 0.001 + 0.5) * 0.001) for row in _sum(found["sum"], series)]
        return [row for row in rows if row.value > 0 or not found["positive"]]
    if found := _QUANTILE.fullmatch(promql):
        return _quantiles(float(found["quantile"]), _sum(found["sum"], series))
    if " / " in promql:
        over, under = promql.removesuffix(" > 0").split(" / ")
        counts = {key(row.labels): row.value for row in _sum(under, series)}
        return [Row(row.labels, row.value / counts[key(row.labels)]) for row in _sum(over, series)]
    return [row for row in _sum(promql.removesuffix(" > 0"), series) if row.value > 0]


def key(labels: Iterable[str]) -> tuple[object, ...]:
    return tuple(sorted(dict(labels).items()))  # type: ignore[arg-type]


def _sum(promql: str, series: Iterable[Counter]) -> list[Row]:
    found = _SUM.fullmatch(promql)
    assert found, promql
    matchers = [(name, how, value.replace("\\\\", "\\")) for name, how, value in _MATCHER.findall(found["selector"])]
    labels = found["labels"].split(", ")
    sums: dict[tuple[object, ...], float] = {}
    for one in series:
        if one.metric == found["metric"] and all(
            _fits(one.labels.get(name, ""), how, value) for name, how, value in matchers
        ):
            group = key({label: one.labels[label] for label in labels if label in one.labels})
            sums[group] = sums.get(group, 0.0) + one.rate
    return [Row(dict(group), rate) for group, rate in sums.items()]  # type: ignore[arg-type]


def _fits(label: str, how: str, value: str) -> bool:
    equal = label == value if how in ("=", "!=") else re.fullmatch(value, label) is not None
    return equal != how.startswith("!")


def _quantiles(quantile: float, buckets: Iterable[Row]) -> list[Row]:
    """As Prometheus: linear within the bucket."""
    groups: dict[tuple[object, ...], dict[float, float]] = {}
    for row in buckets:
        rest = {name: value for name, value in row.labels.items() if name != "le"}
        groups.setdefault(key(rest), {})[float(row.labels["le"])] = row.value
    rows = []
    for group, counts in groups.items():
        if counts[math.inf] == 0:
            continue  # Prometheus says NaN, which is not above 0
        wanted = quantile * counts[math.inf]
        below, start = 0.0, 0.0
        for bound in BUCKETS:
            if counts[bound] >= wanted:
                value = (
                    BUCKETS[-2]
                    if math.isinf(bound)
                    else start + (bound - start) * (wanted - below) / (counts[bound] - below)
                )
                rows.append(Row(dict(group), value))  # type: ignore[arg-type]
                break
            below, start = counts[bound], bound
    return rows


def rows(texts: Iterable[str], state: str) -> dict[str, list[Row]]:
    return {text: answer(text, STATES[state]) for text in texts}
