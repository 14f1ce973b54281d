"""From a request to the graph's JSON.

1. plan: which queries the options need. All are independent, so they can run side by side.
2. (the caller asks Prometheus and the Kubernetes API: graphs.py)
3. build: the traffic map from the rows (telemetry.py).
4. append: each appender alters the map, in order (appenders/order.py); a service graph is reduced to its services.
5. JSON (jsonform.py), and why it is empty if it is (empty.py).

Steps 1 and 3 to 5 are pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from graph import jsonform, queries, service_graph, telemetry
from graph.appenders import order
from graph.appenders.base import Appender, Given, Rows
from graph.cluster import Cluster
from graph.errors import Advice
from graph.params import GraphOptions
from graph.queries import TrafficQuery
from graph.traffic import SERVICE, TrafficMap


@dataclass(frozen=True)
class Plan:
    """What one request asks of Prometheus."""

    options: GraphOptions
    traffic: tuple[TrafficQuery, ...]
    appenders: tuple[Appender, ...]

    def texts(self) -> list[str]:
        """Every query once."""
        texts = [query.promql for query in self.traffic]
        return list(dict.fromkeys([*texts, *(text for one in self.appenders for text in one.asks(self.options))]))


def plan(options: GraphOptions, cluster: Cluster | None = None) -> Plan:
    """1. What to ask Prometheus.

    Namespaces that are young or in ambient mode are asked about differently, so the plan may be another one as soon as
    the cluster is known.
    """
    ambient: list[str] = []
    if cluster is not None:
        ages = [age for name in options.namespaces if (age := _age(cluster, name, options.query_time)) > 0]
        options = replace(options, lifetime=min([options.lifetime, *ages]))
        if options.ambient != "none":
            ambient = [name for name in options.namespaces if cluster.is_ambient(name)]
    appenders = [one for one in order.wanted(options) if cluster is not None or not one.needs_cluster]
    return Plan(options, tuple(queries.traffic(options, ambient)), tuple(appenders))


def _age(cluster: Cluster, namespace: str, at: int) -> int:
    """Seconds that a namespace had existed at a time; 0 where that is not known."""
    created = cluster.created.get(namespace)
    return at - int(datetime.fromisoformat(created).timestamp()) if created else 0


def traffic_map(
    asked: Plan, rows: Rows, cluster: Cluster | None, cluster_name: str = "Kubernetes"
) -> tuple[TrafficMap, list[Advice]]:
    """3. and 4. The map, and what a person should know. `cluster` is None where the Kubernetes API is out of reach."""
    given = Given(asked.options, rows, cluster or Cluster(), cluster is not None, cluster_name)
    waypoints = {(one.namespace, one.name) for one in given.workloads if one.is_waypoint}
    if asked.options.ambient == "none":
        waypoints = set()
    result = telemetry.build(((query, rows[query.promql]) for query in asked.traffic), asked.options, waypoints)
    advice = [one for appender in asked.appenders for one in appender.append(result, given)]
    if asked.options.graph_type == SERVICE and asked.options.focus is None:
        result = service_graph.reduce_to_services(result)
    return result, advice


def to_json(options: GraphOptions, result: TrafficMap) -> dict[str, Any]:
    """5. Kiali's JSON."""
    return {
        "timestamp": options.query_time,
        "duration": options.duration,
        "graphType": options.graph_type,
        "elements": jsonform.elements(result, options),
    }
