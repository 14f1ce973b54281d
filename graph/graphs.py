"""The graph: asks both servers, and has the map and the JSON made from the answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from graph import canary, empty, pipeline
from graph.cluster import Cluster
from graph.errors import Advice
from graph.params import GraphOptions
from graph.servers import Servers
from graph.traffic import TrafficMap

Json = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A traffic map, and how it came about."""

    map: TrafficMap
    cluster: Cluster | None
    advice: tuple[Advice, ...]
    millis: dict[str, int]  # that each step took


def graph(servers: Servers, options: GraphOptions) -> Json:
    """Kiali's JSON, and under `c756` what Kiali does not say. Raises GraphError."""
    found = traffic_map(servers, options)
    began = time.monotonic()
    answer = pipeline.to_json(options, found.map)
    millis = {**found.millis, "build": found.millis["build"] + _since(began)}
    reason = None if empty.has_traffic(found.map) else _why_empty(servers, options, found.cluster)
    services = found.cluster.virtual_services if found.cluster else ()
    told = (*canary.under_way(services, time.time()), *found.advice)
    answer["c756"] = {
        "empty": reason.as_json() if reason else None,
        "warnings": [one.as_json() for one in told if reason is None or one.reason != reason.reason],
        "millis": millis,
    }
    return answer


def traffic_map(servers: Servers, options: GraphOptions) -> Found:
    """The map behind the JSON. Raises GraphError."""
    began = time.monotonic()
    running = servers.instant(pipeline.plan(options).texts(), options.query_time)
    cluster, advice = servers.cluster(options.namespaces)
    kubernetes_millis = _since(began)
    asked = pipeline.plan(options, cluster)  # namespaces may turn out to be young, or ambient
    running |= servers.instant((text for text in asked.texts() if text not in running), options.query_time)
    rows = {text: running[text].result() for text in asked.texts()}
    millis = {"prometheus": _since(began), "kubernetes": kubernetes_millis}
    began = time.monotonic()
    result, more = pipeline.traffic_map(asked, rows, cluster, servers.settings.cluster_name)
    return Found(result, cluster, (*advice, *more), {**millis, "build": _since(began)})


def _why_empty(servers: Servers, options: GraphOptions, cluster: Cluster | None) -> Advice:
    namespace_query = empty.namespace_query(options.namespaces)
    rows = servers.rows([empty.UP, empty.KNOWN_TARGETS, empty.ISTIO, namespace_query], options.query_time)
    counts = {text: int(found[0].value) if found else 0 for text, found in rows.items()}
    scrapes = empty.Scrapes(
        targets_up=counts[empty.UP] if rows[empty.KNOWN_TARGETS] else None,
        istio_series=counts[empty.ISTIO],
        namespace_series=counts[namespace_query],
    )
    workloads = cluster.workloads(options.namespaces) if cluster else []
    return empty.why(options.namespaces, options.duration, cluster, workloads, scrapes)


def _since(began: float) -> int:
    """Whole milliseconds since a monotonic time."""
    return round((time.monotonic() - began) * 1000)
