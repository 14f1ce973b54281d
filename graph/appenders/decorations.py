"""Response times and throughput on edges: both are rows keyed by the two ends of an edge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from graph import queries
from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.params import GraphOptions
from graph.queries import ENDS, ValueQuery
from graph.telemetry import has_service_node, read_ends, service_of
from graph.traffic import UNKNOWN, TrafficMap, identify

_SOURCE = {label: UNKNOWN for label in ENDS if label.startswith("source_")}


class ResponseTime(Appender):
    """Sets milliseconds. The first answer for an edge wins: the receivers', which does not count the network."""

    name = "responseTime"

    def asks(self, options: GraphOptions) -> Sequence[str]:
        return [query.promql for query in self._queries(options)]

    def _queries(self, options: GraphOptions) -> list[ValueQuery]:
        return queries.response_times(options) if "requests" in (options.rate_http, options.rate_grpc) else []

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        found: dict[tuple[str, str, str], float] = {}
        for key, value in _values(self._queries(given.options), given):
            found.setdefault(key, value)
        for edge in traffic_map.edges():
            edge.response_time = found.get((edge.source, edge.target, edge.protocol), edge.response_time)
        return ()


class Throughput(Appender):
    """Sets bytes per second of HTTP; the rows of one edge add up."""

    name = "throughput"

    def asks(self, options: GraphOptions) -> Sequence[str]:
        return [query.promql for query in self._queries(options)]

    def _queries(self, options: GraphOptions) -> list[ValueQuery]:
        return queries.throughputs(options) if options.rate_http == "requests" else []

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        found: dict[tuple[str, str, str], float] = {}
        for key, value in _values(self._queries(given.options), given):
            found[key] = found.get(key, 0.0) + value
        for edge in traffic_map.edges():
            if edge.protocol == "http":
                edge.throughput = found.get((edge.source, edge.target, edge.protocol), edge.throughput)
        return ()


def _values(asked: Sequence[ValueQuery], given: Given) -> Iterable[tuple[tuple[str, str, str], float]]:
    options = given.options
    kind = options.graph_type
    for query in asked:
        for row in given.rows[query.promql]:
            ends = read_ends({**_SOURCE, **row.labels} if query.by_destination else row.labels)
            if ends is None or not math.isfinite(row.value):
                continue
            source, target = ends
            start = service_of(target) if has_service_node(target, options) else source
            if query.by_destination and start is source:
                continue  # no service node stands before it after all: the row does not say who asked
            protocol = row.labels.get("request_protocol", "")
            yield (identify(start, kind)[0], identify(target, kind)[0], protocol), row.value
