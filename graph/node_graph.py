"""The zoomed view: one node in the middle, what sends to it and what it sends to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graph.traffic import NODE_SERVICE, Node, TrafficMap


@dataclass(frozen=True)
class Focus:
    """The node to look at; fields that are empty do not matter."""

    namespace: str
    app: str = ""
    version: str = ""
    workload: str = ""
    service: str = ""

    def matches(self, node: Node) -> bool:
        if node.namespace != self.namespace:
            return False
        if self.service:
            return node.node_type == NODE_SERVICE and node.service == self.service
        wanted = (("app", self.app), ("version", self.version), ("workload", self.workload))
        return node.node_type != NODE_SERVICE and all(getattr(node, name) == value for name, value in wanted if value)


def zoom(traffic_map: TrafficMap, focus: Callable[[Node], bool]) -> TrafficMap:
    """What is one step around the nodes in focus. A service node in between is not a step of its own."""
    centre = {node.id for node in traffic_map.nodes.values() if focus(node)}
    services = {identity for identity, node in traffic_map.nodes.items() if node.node_type == NODE_SERVICE}
    before, after = set(centre), set(centre)
    for _ in range(2):
        for edge in traffic_map.edges():
            if edge.target in before and (edge.target in centre or edge.target in services):
                before.add(edge.source)
            if edge.source in after and (edge.source in centre or edge.source in services):
                after.add(edge.target)
    part = TrafficMap({identity: traffic_map.nodes[identity] for identity in sorted(before | after)})
    for node in part.nodes.values():
        node.edges = {
            key: edge
            for key, edge in node.edges.items()
            if (edge.source in before and edge.target in before) or (edge.source in after and edge.target in after)
        }
    return part
