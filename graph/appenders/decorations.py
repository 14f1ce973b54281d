"""Response times and throughput on edges: both are rows keyed by the two ends of an edge."""

from __future__ import annotations

import math
from collections.abc import Iterable

from graph.params import GraphOptions
from graph.queries import ENDS, ValueQuery
from graph.rows import Row
from graph.telemetry import has_service_node, read_ends, service_of
from graph.traffic import UNKNOWN, TrafficMap, identify

Answers = Iterable[tuple[ValueQuery, Iterable[Row]]]
_SOURCE = {label: UNKNOWN for label in ENDS if label.startswith("source_")}


def response_times(traffic_map: TrafficMap, answers: Answers, options: GraphOptions) -> None:
    """Sets milliseconds. The first answer for an edge wins: the receivers', which does not count the network."""
    found: dict[tuple[str, str, str], float] = {}
    for key, value in _values(answers, options):
        found.setdefault(key, value)
    for edge in traffic_map.edges():
        edge.response_time = found.get((edge.source, edge.target, edge.protocol), edge.response_time)


def throughputs(traffic_map: TrafficMap, answers: Answers, options: GraphOptions) -> None:
    """Sets bytes per second; the rows of one edge add up."""
    found: dict[tuple[str, str, str], float] = {}
    for key, value in _values(answers, options):
        found[key] = found.get(key, 0.0) + value
    for edge in traffic_map.edges():
        edge.throughput = found.get((edge.source, edge.target, edge.protocol), edge.throughput)


def _values(answers: Answers, options: GraphOptions) -> Iterable[tuple[tuple[str, str, str], float]]:
    kind = options.graph_type
    for query, rows in answers:
        for row in rows:
            ends = read_ends({**_SOURCE, **row.labels} if query.by_destination else row.labels)
            if ends is None or not math.isfinite(row.value):
                continue
            source, target = ends
            start = service_of(target) if has_service_node(target, options) else source
            if query.by_destination and start is source:
                continue  # no service node stands before it after all: the row does not say who asked
            protocol = row.labels.get("request_protocol", "")
            yield (identify(start, kind)[0], identify(target, kind)[0], protocol), row.value
