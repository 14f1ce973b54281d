"""Rows of Prometheus to a traffic map.

1. Rows with broken labels (known from pods that start or stop) are skipped.
2. The destination is made whole: the hop to an egress gateway, the cluster from the source where it is unknown.
3. The response code is made one for all protocols: `-` where there was no answer, the gRPC status where it says more.
4. Rows come in the order of belief (queries.py). A row of which ends, code, flags and host were seen before, for the
   same metric, is another reporter's word for the same requests: it is skipped.
5. The row becomes one edge; with service nodes on, and a workload behind the service, it becomes two. Waypoint proxies
   (ambient mesh) are workloads in every graph, and no service stands between them and others.

The rules are those of Kiali's graph/telemetry/istio (istio.go, util/util.go).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from graph.params import GraphOptions
from graph.protocols import NO_RESPONSE
from graph.queries import ENDS, TrafficQuery
from graph.rows import Row
from graph.traffic import NODE_SERVICE, UNKNOWN, Place, ServiceName, TrafficMap, add_traffic, identify, known

_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(:\d+)?")
_NEEDED = frozenset(label for label in ENDS if not label.endswith("_cluster"))
_EGRESS = "istio-egressgateway"
_EGRESS_NAMESPACE = "istio-system"
_EGRESS_HOST = f"{_EGRESS}.{_EGRESS_NAMESPACE}.svc.cluster.local"

Waypoints = Collection[tuple[str, str]]
"""Namespaces and names of the workloads that are waypoint proxies."""


def build(
    answers: Iterable[tuple[TrafficQuery, Iterable[Row]]], options: GraphOptions, waypoints: Waypoints = ()
) -> TrafficMap:
    """The traffic map of all answers, which stand in the order of belief."""
    traffic_map = TrafficMap()
    seen: set[tuple[object, ...]] = set()
    for query, rows in answers:
        for row in rows:
            _add(traffic_map, query, row, options, waypoints, seen)
    return traffic_map


def _add(
    traffic_map: TrafficMap,
    query: TrafficQuery,
    row: Row,
    options: GraphOptions,
    waypoints: Waypoints,
    seen: set[tuple[object, ...]],
) -> None:
    labels = row.labels
    protocol = query.protocol or labels.get("request_protocol", "")
    needed = {"": ("response_code", "response_flags"), "tcp": ("response_flags",)}.get(query.protocol, ())
    if protocol not in query.protocols or any(label not in labels for label in needed):
        return
    # 1. and 2.
    ends = read_ends(labels)
    if ends is None:
        return
    source, target = ends
    # 3.
    code = "" if query.protocol else response_code(protocol, labels)
    flags, host = labels.get("response_flags", ""), labels["destination_service"]
    # 4.
    identity = query.metric, protocol, source, target, code, flags, host
    if identity in seen:
        return
    seen.add(identity)
    # 5.
    passed = False
    if (source.namespace, source.workload) in waypoints:
        source, passed = source._replace(app=""), True
        traffic_map.node(source, options.graph_type).marks["isWaypoint"] = True
    if (target.namespace, target.workload) in waypoints:
        target, passed = target._replace(app=""), True
        traffic_map.node(target, options.graph_type).marks["isWaypoint"] = True

    def connect(start: Place, end: Place) -> None:
        source_node = traffic_map.node(start, options.graph_type)
        target_node = traffic_map.node(end, options.graph_type)
        if known(end.service):
            target_node.destination_services.add(ServiceName(end.cluster, end.service_namespace, end.service))
        edge = traffic_map.edge(source_node, target_node, protocol)
        add_traffic(source_node, target_node, edge, row.value, code, flags, host)

    if has_service_node(target, options) and not passed:
        middle = service_of(target)
        traffic_map.node(middle, options.graph_type).marks["isInjected"] = True
        connect(source, middle)
        connect(middle, target)
    else:
        connect(source, target)


def read_ends(labels: Mapping[str, str]) -> tuple[Place, Place] | None:
    """Source and destination of a row, or None if its labels make no sense."""
    if not labels.keys() >= _NEEDED:
        return None
    source = source_of(labels)
    # 1. A namespace without workload and app, or in no cluster.
    nameless = not known(source.workload) and not known(source.app)
    in_no_cluster = "source_cluster" in labels and not known(source.cluster)
    if known(source.namespace) and (nameless or in_no_cluster):
        return None
    target = _target_of(labels, source)
    # 1. An address instead of a service.
    host = labels["destination_service"]
    if not known(target.workload) and host == target.service and _ADDRESS.fullmatch(host):
        return None
    if known(target.service_namespace) and not known(target.cluster) and "destination_cluster" in labels:
        return None
    return source, target


def source_of(labels: Mapping[str, str]) -> Place:
    return Place(
        cluster=labels.get("source_cluster") or UNKNOWN,
        namespace=labels["source_workload_namespace"],
        workload=labels["source_workload"],
        app=labels["source_canonical_service"],
        version=labels["source_canonical_revision"],
    )


def _target_of(labels: Mapping[str, str], source: Place) -> Place:
    """2. The destination, as whole as it can be known."""
    if labels["destination_service"] == labels["destination_service_name"] == _EGRESS_HOST:
        return Place(
            source.cluster, _EGRESS_NAMESPACE, _EGRESS, _EGRESS, "latest", _EGRESS_NAMESPACE, _EGRESS
        )  # the hop to it names nothing but its host (Kiali issue 2999)
    target = Place(
        cluster=labels.get("destination_cluster") or UNKNOWN,
        namespace=labels["destination_workload_namespace"],
        workload=labels["destination_workload"],
        app=labels["destination_canonical_service"],
        version=labels["destination_canonical_revision"],
        service_namespace=labels["destination_service_namespace"],
        service=labels["destination_service_name"],
    )
    # Istio does not know the cluster of a destination without sidecar: it is taken to be the source's (issue 29373).
    if not known(target.cluster) and known(source.cluster) and known(target.service_namespace):
        return target._replace(cluster=source.cluster)
    return target


def response_code(protocol: str, labels: Mapping[str, str]) -> str:
    code = labels.get("response_code", "")
    if code == "0":
        return NO_RESPONSE
    status = labels.get("grpc_response_status", "")
    return code if protocol != "grpc" or code[:1] in ("4", "5") or not status else status


def has_service_node(target: Place, options: GraphOptions) -> bool:
    """Does a service node stand before this destination?"""
    if not options.inject_service_nodes or not known(target.service) or target.service == "PassthroughCluster":
        return False
    return identify(target, options.graph_type)[1] != NODE_SERVICE


def service_of(target: Place) -> Place:
    """The service node before a destination."""
    return Place(cluster=target.cluster, service_namespace=target.service_namespace, service=target.service)
