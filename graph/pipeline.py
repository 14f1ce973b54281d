"""From a request to the graph's JSON.

1. plan: which queries the options need. All are independent, so they can run side by side.
2. (the caller asks Prometheus and the Kubernetes API: source.py)
3. build: the traffic map from the rows (telemetry.py).
4. append: each appender alters the map, in an order that matters: ServiceEntries first, since they replace nodes; then
   dead nodes, so that nothing is done for them; then times and sizes, operations, idle nodes; badges last, on all
   that is left.
5. finalize: outsiders, roots, the reduction to services, the zoom.
6. JSON (jsonform.py), and why it is empty if it is (empty.py).

Steps 1 and 3 to 6 are pure functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph import empty, finalize, jsonform, node_graph, queries, telemetry
from graph.appenders import aggregate_node, dead_node, decorations, idle_node, istio, service_entry, sidecars
from graph.cluster import Cluster
from graph.errors import Advice
from graph.params import GraphOptions
from graph.queries import TrafficQuery, ValueQuery
from graph.rows import Row
from graph.traffic import SERVICE, Node, TrafficMap, known

Rows = Mapping[str, Sequence[Row]]
"""Answers by the text of the query."""


@dataclass(frozen=True)
class Plan:
    """The queries of one request."""

    traffic: tuple[TrafficQuery, ...]
    response_times: tuple[ValueQuery, ...]
    throughputs: tuple[ValueQuery, ...]
    aggregates: tuple[str, ...]

    def texts(self) -> list[str]:
        """Every query once."""
        texts = [query.promql for query in self.traffic]
        texts += [query.promql for query in (*self.response_times, *self.throughputs)]
        return list(dict.fromkeys([*texts, *self.aggregates]))


def plan(options: GraphOptions) -> Plan:
    """1. What to ask Prometheus."""
    wanted = options.appenders
    requests = "requests" in (options.rate_http, options.rate_grpc)
    return Plan(
        traffic=tuple(queries.traffic(options)),
        response_times=tuple(queries.response_times(options)) if "responseTime" in wanted and requests else (),
        throughputs=tuple(queries.throughputs(options)) if "throughput" in wanted and requests else (),
        aggregates=tuple(queries.aggregates(options)) if "aggregateNode" in wanted and requests else (),
    )


def traffic_map(
    options: GraphOptions,
    asked: Plan,
    rows: Rows,
    cluster: Cluster | None,
    focus: Callable[[Node], bool] | None = None,
    default_cluster_name: str = "Kubernetes",
) -> tuple[TrafficMap, list[Advice]]:
    """3. to 5. The map, and what a person should know. `cluster` is None where the Kubernetes API is out of reach."""
    # 3.
    result = telemetry.build(((query, rows[query.promql]) for query in asked.traffic), options)
    advice: list[Advice] = []
    # 4.
    wanted, namespaces = options.appenders, options.namespaces
    workloads = cluster.workloads(namespaces) if cluster else []
    if cluster and "serviceEntry" in wanted:
        service_entry.apply(result, cluster, namespaces, options.graph_type)
    if cluster and "deadNode" in wanted:
        dead_node.apply(result, cluster.workloads(cluster.loaded), cluster.loaded)
    decorations.response_times(result, _answers(asked.response_times, rows), options)
    decorations.throughputs(result, _answers(asked.throughputs, rows), options)
    if asked.aggregates:
        found = [row for promql in asked.aggregates for row in rows[promql]]
        advice += aggregate_node.apply(result, found, options)
    if cluster and "idleNode" in wanted and focus is None:
        idle_node.apply(result, cluster, workloads, options, home_cluster(result, namespaces, default_cluster_name))
    if cluster and "sidecarsCheck" in wanted:
        sidecars.apply(result, workloads)
        advice += empty.without_sidecar(workloads)
    if cluster and "istio" in wanted:
        istio.apply(result, cluster, cluster.workloads(cluster.loaded), namespaces)
    # 5.
    finalize.mark_outside(result, namespaces, cluster.namespaces if cluster else None)
    finalize.mark_roots(result)
    if options.graph_type == SERVICE:
        result = finalize.reduce_to_services(result)
        finalize.mark_roots(result)
    if focus is not None:
        result = node_graph.zoom(result, focus)
    return result, advice


def to_json(options: GraphOptions, result: TrafficMap) -> dict[str, Any]:
    """6. Kiali's JSON."""
    return {
        "timestamp": options.query_time,
        "duration": options.duration,
        "graphType": options.graph_type,
        "elements": jsonform.elements(result, options),
    }


def home_cluster(result: TrafficMap, namespaces: Sequence[str], default: str) -> str:
    """The name that the metrics give to the cluster of these namespaces."""
    names = Counter(
        node.cluster for node in result.nodes.values() if node.namespace in namespaces and known(node.cluster)
    )
    return min(names, key=lambda name: (-names[name], name)) if names else default


def _answers(asked: Iterable[ValueQuery], rows: Rows) -> list[tuple[ValueQuery, Sequence[Row]]]:
    return [(query, rows[query.promql]) for query in asked]
