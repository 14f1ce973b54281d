"""Rows of Prometheus to a traffic map.

1. Rows come in the order of belief (queries.py). A row whose labels were seen before, for the same metric, is another
   reporter's word for the same requests: it is skipped.
2. Rows with broken labels (known from pods that start or stop) are skipped.
3. The response code is made one for all protocols: `-` where there was no answer, the gRPC status where it says more.
4. The destination is completed: the cluster from the source where it is unknown.
5. The row becomes one edge; with service nodes on, and a workload behind the service, it becomes two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from graph.params import GraphOptions
from graph.protocols import NO_RESPONSE
from graph.queries import ENDS, TrafficQuery
from graph.rows import Row
from graph.traffic import NODE_SERVICE, UNKNOWN, Place, ServiceName, TrafficMap, add_traffic, identify, known

_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+(:\d+)?")
_NEEDED = tuple(label for label in ENDS if not label.endswith("_cluster"))


def build(answers: Iterable[tuple[TrafficQuery, Iterable[Row]]], options: GraphOptions) -> TrafficMap:
    """The traffic map of all answers, which stand in the order of belief."""
    traffic_map = TrafficMap()
    seen: set[tuple[str, ...]] = set()
    for query, rows in answers:
        for row in rows:
            # 1.
            identity = (query.metric, *(f"{name}={row.labels[name]}" for name in sorted(row.labels)))
            if identity in seen:
                continue
            seen.add(identity)
            _add(traffic_map, query, row, options)
    return traffic_map


def _add(traffic_map: TrafficMap, query: TrafficQuery, row: Row, options: GraphOptions) -> None:
    labels = row.labels
    protocol = "tcp" if query.metric.startswith("istio_tcp_") else labels.get("request_protocol", "")
    if protocol not in query.protocols:
        return
    # 2.
    ends = read_ends(labels)
    if ends is None:
        return
    source, target = ends
    # 3.
    code = response_code(protocol, labels)
    flags, host = labels.get("response_flags", "-"), labels["destination_service"]

    # 5.
    def connect(start: Place, end: Place) -> None:
        source_node = traffic_map.node(start, options.graph_type)
        target_node = traffic_map.node(end, options.graph_type)
        if known(end.service):
            target_node.destination_services.add(ServiceName(end.cluster, end.service_namespace, end.service))
        edge = traffic_map.edge(source_node, target_node, protocol)
        add_traffic(source_node, target_node, edge, row.value, code, flags, host if known(host) else "")

    if has_service_node(target, options):
        middle = service_of(target)
        connect(source, middle)
        connect(middle, target)
    else:
        connect(source, target)


def read_ends(labels: Mapping[str, str]) -> tuple[Place, Place] | None:
    """Source and destination of a row, or None if its labels make no sense."""
    if any(label not in labels for label in _NEEDED):
        return None
    source = source_of(labels)
    target = Place(
        cluster=labels.get("destination_cluster") or UNKNOWN,
        namespace=labels["destination_workload_namespace"],
        workload=labels["destination_workload"],
        app=labels["destination_canonical_service"],
        version=labels["destination_canonical_revision"],
        service_namespace=labels["destination_service_namespace"],
        service=labels["destination_service_name"],
    )
    # 2. A namespace without workload and app; an address instead of a service.
    if known(source.namespace) and not known(source.workload) and not known(source.app):
        return None
    host = labels["destination_service"]
    if not known(target.workload) and host == target.service and _ADDRESS.fullmatch(host):
        return None
    return source, complete(source, target)


def source_of(labels: Mapping[str, str]) -> Place:
    return Place(
        cluster=labels.get("source_cluster") or UNKNOWN,
        namespace=labels["source_workload_namespace"],
        workload=labels["source_workload"],
        app=labels["source_canonical_service"],
        version=labels["source_canonical_revision"],
    )


def complete(source: Place, target: Place) -> Place:
    """4. Istio does not know the cluster of a destination without sidecar: it is taken to be the source's."""
    if known(target.cluster) or not known(source.cluster) or not known(target.service_namespace):
        return target
    return Place(**{**target.__dict__, "cluster": source.cluster})


def response_code(protocol: str, labels: Mapping[str, str]) -> str:
    if protocol == "tcp":
        return NO_RESPONSE
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
