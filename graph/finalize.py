"""The last touches to a traffic map: what is outside, what is a root, and the service graph."""

from __future__ import annotations

from collections.abc import Collection

from graph.traffic import EGRESS_CLUSTERS, NODE_SERVICE, NODE_UNKNOWN, UNKNOWN, TrafficMap, merge_edge


def mark_outside(traffic_map: TrafficMap, namespaces: Collection[str], accessible: Collection[str] | None) -> None:
    """Marks nodes of other namespaces, and those that nobody can look into. `accessible` None means: all are."""
    for node in traffic_map.nodes.values():
        nowhere = node.node_type == NODE_SERVICE and (node.namespace, node.service) == (UNKNOWN, UNKNOWN)
        if node.node_type == NODE_UNKNOWN or nowhere or node.service in EGRESS_CLUSTERS:
            node.marks["isInaccessible"] = True
        elif node.namespace != UNKNOWN and node.namespace not in namespaces:
            node.marks["isOutside"] = True
            if accessible is not None and node.namespace not in accessible:
                node.marks["isInaccessible"] = True


def mark_roots(traffic_map: TrafficMap) -> None:
    """A root sends and does not receive."""
    targets = {edge.target for edge in traffic_map.edges()}
    for node in traffic_map.nodes.values():
        if node.edges and node.id not in targets:
            node.marks["isRoot"] = True


def reduce_to_services(traffic_map: TrafficMap) -> TrafficMap:
    """The service graph: what a workload sends is sent by the service before it. Roots stay, to show the beginning.

    A workload behind two services sends from both of them: who asked it for what is not in the metrics.
    """
    reduced = TrafficMap()
    for identity, node in traffic_map.nodes.items():
        if node.node_type == NODE_SERVICE or node.marks.get("isRoot"):
            reduced.nodes[identity] = node
    outgoing = {identity: list(node.edges.values()) for identity, node in traffic_map.nodes.items()}
    for identity, node in reduced.nodes.items():
        node.edges = {}
        behind = [edge for edge in outgoing[identity] if edge.target in reduced.nodes]
        if node.node_type == NODE_SERVICE:
            workloads = sorted({edge.target for edge in outgoing[identity]} - set(reduced.nodes))
            behind += [edge for workload in workloads for edge in outgoing[workload] if edge.target in reduced.nodes]
        for edge in behind:
            ours = traffic_map.edge(node, reduced.nodes[edge.target], edge.protocol)
            merge_edge(ours, edge)
    return reduced
