"""Badges: what Istio's objects say about a node; and the app of service nodes, so that they stand in its box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graph.cluster import Cluster, Obj, Workload, is_host_of, labels_of, namespace_of
from graph.traffic import NODE_APP, NODE_SERVICE, NODE_WORKLOAD, Node, TrafficMap, known


def apply(traffic_map: TrafficMap, cluster: Cluster, workloads: Iterable[Workload], namespaces: Sequence[str]) -> None:
    """Marks nodes of the asked-for namespaces; gateways also outside them."""
    gateways = [workload for workload in workloads if workload.is_gateway]
    for node in traffic_map.nodes.values():
        if node.namespace in namespaces:
            if node.node_type == NODE_SERVICE:
                _label(node, cluster)
                for virtual_service in of_service(cluster, node.namespace, node.service):
                    _route(node, virtual_service)
            if _breaks_circuits(node, cluster.destination_rules):
                node.marks["hasCB"] = True
        if node.node_type in (NODE_APP, NODE_WORKLOAD):
            _gateway(node, gateways, cluster.gateways)


def of_service(cluster: Cluster, namespace: str, service: str) -> list[Obj]:
    """The VirtualServices that route to a service: whose hosts name it, or, behind a gateway, whose destinations do."""
    return [
        virtual_service
        for virtual_service in cluster.virtual_services
        if any(
            is_host_of(host, namespace_of(virtual_service), namespace, service) for host in hosts_of(virtual_service)
        )
        or any(
            is_host_of(destination.get("host", ""), namespace_of(virtual_service), namespace, service)
            for destination in destinations(virtual_service)
        )
    ]


def hosts_of(virtual_service: Obj) -> list[str]:
    return [str(host) for host in virtual_service.get("spec", {}).get("hosts") or ()]


def destinations(virtual_service: Obj) -> list[dict[str, Any]]:
    """Every destination of every route."""
    spec = virtual_service.get("spec", {})
    return [
        target.get("destination") or {}
        for kind in ("http", "tcp", "tls")
        for route in spec.get(kind) or ()
        for target in route.get("route") or ()
    ]


def _label(node: Node, cluster: Cluster) -> None:
    service = cluster.service(node.namespace, node.service)
    if service is None or node.app:
        return
    selector = service.get("spec", {}).get("selector") or {}
    node.app = labels_of(service).get("app") or selector.get("app") or ""


def _route(node: Node, virtual_service: Obj) -> None:
    info = node.marks.setdefault("hasVS", {"hostnames": []})
    info["hostnames"] = sorted({*info["hostnames"], *hosts_of(virtual_service)})
    spec = virtual_service.get("spec", {})
    http, tcp = spec.get("http") or (), [*(spec.get("tcp") or ()), *(spec.get("tls") or ())]
    marks = {
        "hasTrafficShifting": any(splits(route) for route in http),
        "hasTCPTrafficShifting": any(splits(route) for route in tcp),
        "hasFaultInjection": any(route.get("fault") for route in http),
        "hasRequestRouting": any(route.get("match") for route in http),
        "hasRequestTimeout": any(route.get("timeout") for route in http),
        "hasMirroring": any(route.get("mirror") or route.get("mirrors") for route in http),
    }
    node.marks.update({name: True for name, found in marks.items() if found})


def splits(route: Obj) -> bool:
    """Does a route give more than one destination a share? A weight of 0 is no share."""
    targets = route.get("route") or ()
    return len(targets) > 1 and sum(1 for target in targets if target.get("weight", 0) > 0) > 1


def _breaks_circuits(node: Node, rules: Iterable[Obj]) -> bool:
    services = (
        {(node.namespace, node.service)}
        if node.node_type == NODE_SERVICE
        else {(service.namespace, service.name) for service in node.destination_services}
    )
    for rule in rules:
        spec = rule.get("spec", {})
        if not any(is_host_of(spec.get("host", ""), namespace_of(rule), *service) for service in services):
            continue
        policies = [spec.get("trafficPolicy")]
        policies += [
            subset.get("trafficPolicy")
            for subset in spec.get("subsets") or ()
            if node.node_type == NODE_SERVICE or subset.get("labels", {}).get("version") == node.version
        ]
        if any(policy and (policy.get("connectionPool") or policy.get("outlierDetection")) for policy in policies):
            return True
    return False


def _gateway(node: Node, gateways: Iterable[Workload], objects: Iterable[Obj]) -> None:
    for workload in gateways:
        same = workload.name == node.workload if known(node.workload) else workload.app == node.app
        if not same or workload.namespace != node.namespace:
            continue
        hosts = {
            str(host)
            for gateway in objects
            if (gateway["spec"].get("selector") or {}).items() <= dict(workload.labels).items()
            for server in gateway["spec"].get("servers") or ()
            for host in server.get("hosts") or ()
        }
        node.marks["isGateway"] = {"ingressInfo": {"hostnames": sorted(hosts)}}
