"""The side panel: what one node, one edge or a whole namespace does, and whether its weights are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graph import changes, details, routing
from graph.appenders.istio import of_service, routing_to
from graph.cluster import Cluster, name_of, namespace_of
from graph.details import Alternatives, Selection, Window
from graph.servers import Servers

Json = dict[str, Any]


def window(servers: Servers, end: int, duration: int, points: int) -> Window:
    return details.window(end, duration, points, servers.scrape_interval())


def node_details(servers: Servers, selection: Selection, window: Window) -> Json:
    cluster, advice = servers.cluster([selection.namespace] if selection.namespace else [])
    selection = _with_hosts(selection, cluster)
    answer = _details(servers, "node", details.node_directions(selection), window)
    answer["routing"] = _routing(servers, selection, cluster, window) if cluster else None
    answer["warnings"] = [one.as_json() for one in advice]
    return answer


def edge_details(servers: Servers, source: Selection, target: Selection, window: Window) -> Json:
    namespaces = [selection.namespace for selection in (source, target) if selection.namespace]
    cluster, advice = servers.cluster(namespaces)
    source, target = _with_hosts(source, cluster), _with_hosts(target, cluster)
    answer = _details(servers, "edge", details.edge_directions(source, target), window)
    return answer | {"routing": None, "warnings": [one.as_json() for one in advice]}


def graph_details(servers: Servers, namespaces: Sequence[str], window: Window) -> Json:
    answer = _details(servers, "graph", details.graph_directions(namespaces), window)
    return answer | {"routing": None, "warnings": []}


def _details(servers: Servers, kind: str, directions: Mapping[str, Alternatives], window: Window) -> Json:
    asked = {}
    for name, matching in directions.items():
        first = "destination" if name == "in" else "source"
        totals = details.totals_queries(matching, window.duration)
        series = details.series_queries(matching, window.rate_window)
        shown = {part: text for part, text in series.items() if part not in ("buckets", "durations")}
        asked[name] = (
            first,
            {**shown, **details.times_queries(matching, window.rate_window, first)},
            totals,
            servers.instant(totals.values(), window.end),
            series,
            servers.range(series.values(), window),
        )
    return {
        "kind": kind,
        "timestamp": window.end,
        "duration": window.duration,
        "step": window.step,
        "directions": {
            name: details.direction_json(
                {part: instant[text].result() for part, text in totals.items()},
                {part: ranged[text].result() for part, text in series.items()},
                shown,
                window.duration,
                first,
            )
            for name, (first, shown, totals, instant, series, ranged) in asked.items()
        },
    }


def _routing(servers: Servers, selection: Selection, cluster: Cluster, window: Window) -> Json | None:
    """The routes of a service; of an app or a workload: those of the service whose pods it has."""
    service = selection.service if selection.node_type == "service" else _service_of(selection, cluster)
    if not service:
        return None
    return weights(servers, cluster, selection.namespace, service, window.end, window.duration)


def weights(servers: Servers, cluster: Cluster, namespace: str, service: str, end: int, duration: int) -> Json | None:
    """The routes of a service beside the requests that each version got, as far as the routes are as old."""
    start = end - duration
    shortest = math.ceil(4 * servers.scrape_interval())
    since = routing.observe_since(cluster, namespace, service, start, end, shortest)
    promql = routing.observed_query(namespace, service, end - since)
    observed = routing.observed(servers.prometheus().query(promql, end), cluster)
    return routing.describe(cluster, namespace, service, observed, start, since)


def all_weights(servers: Servers, namespaces: Sequence[str], end: int, duration: int) -> list[Json]:
    """Configured weights beside observed shares, of every service whose routes split."""
    cluster, _ = servers.cluster(namespaces)
    found: list[Json] = []
    if cluster is None:
        return found
    for service in cluster.services:
        namespace, name = namespace_of(service), name_of(service)
        if namespace not in namespaces or not routing_to(cluster, namespace, name):
            continue
        described = weights(servers, cluster, namespace, name, end, duration)
        split = routing.shares(described) if described else []
        if split:
            found.append({"namespace": namespace, "service": name, "versions": split})
    return found


def changes_within(servers: Servers, namespaces: Sequence[str], end: int, duration: int) -> list[Json]:
    """What was changed in the cluster; empty where the Kubernetes API is out of reach, which the graph tells.

    It is asked often, so that it reads no more than it needs.
    """
    found = servers.records(namespaces)
    return [one.as_json() for one in changes.within(*found, namespaces, end - duration, end)]


def _with_hosts(selection: Selection, cluster: Cluster | None) -> Selection:
    """A ServiceEntry is known to the metrics by its hosts."""
    if cluster is None or selection.node_type != "service" or cluster.service(selection.namespace, selection.service):
        return selection
    for entry in cluster.service_entries:
        if name_of(entry) == selection.service and namespace_of(entry) == selection.namespace:
            return replace(selection, hosts=tuple(str(host) for host in entry["spec"].get("hosts") or ()))
    return selection


def _service_of(selection: Selection, cluster: Cluster) -> str | None:
    """The service with a VirtualService whose selector picks the app's pods."""
    if not selection.app:
        return None
    for service in cluster.services:
        selector = service.get("spec", {}).get("selector") or {}
        if namespace_of(service) == selection.namespace and selector.get("app") == selection.app:
            name = name_of(service)
            if of_service(cluster, selection.namespace, name):
                return name
    return None
