"""Removes what is no longer there: nodes without traffic whose workload is gone, and services that nobody asks.

Such nodes come with idle edges: Prometheus remembers pods that were deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.protocols import PROTOCOLS
from graph.traffic import EGRESS_CLUSTERS, NODE_AGGREGATE, NODE_SERVICE, NODE_UNKNOWN, Node, TrafficMap, known


class DeadNode(Appender):
    name = "deadNode"
    needs_cluster = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        """Repeats until nothing is dead: a node may lose its last edge to another's death."""
        # Of namespaces that were not read nothing is known, so nothing there is dead.
        judged = given.cluster.loaded
        pods = {(workload.namespace, workload.name): workload.pods for workload in given.workloads}
        while dead := {node.id for node in traffic_map.nodes.values() if _is_dead(node, pods, judged)}:
            traffic_map.remove(dead)
        for node in traffic_map.nodes.values():
            if not has_traffic(node) and pods.get((node.namespace, node.workload)) == 0:
                node.marks["isDead"] = True
        return ()


def has_traffic(node: Node) -> bool:
    return any(
        node.rates.get(protocol.node_in, 0) > 0 or node.rates.get(protocol.node_out, 0) > 0
        for protocol in PROTOCOLS.values()
    )


def _is_dead(node: Node, pods: dict[tuple[str, str], int], judged: Collection[str]) -> bool:
    if has_traffic(node) or node.node_type == NODE_AGGREGATE:
        return False
    if node.node_type == NODE_SERVICE:
        return not node.edges and "isServiceEntry" not in node.marks and node.service not in EGRESS_CLUSTERS
    if node.node_type == NODE_UNKNOWN:
        return True
    if not known(node.workload) or node.namespace not in judged:
        return False  # an app without versions has no workload that could be missing
    return (node.namespace, node.workload) not in pods
