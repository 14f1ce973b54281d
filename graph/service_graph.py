"""The service graph: workloads are taken out, so that services send to services."""

from __future__ import annotations

from dataclasses import replace

from graph.protocols import PROTOCOLS
from graph.traffic import NODE_SERVICE, Edge, Node, TrafficMap, add_rate, merge_edge


def reduce_to_services(traffic_map: TrafficMap) -> TrafficMap:
    """What a workload sends is sent by the service before it. Roots that ask a service stay, to show the beginning.

    A workload behind two services sends from both of them: who asked it for what is not in the metrics.
    What each node sends is summed anew from the edges that are left, so that percentages of it add up to 100.
    """
    services = {identity for identity, node in traffic_map.nodes.items() if node.node_type == NODE_SERVICE}

    def asks(node: Node) -> list[Edge]:
        return [edge for edge in node.edges.values() if edge.target in services]

    sending: dict[str, list[Edge]] = {}
    for identity, node in traffic_map.nodes.items():
        if identity in services:
            behind = [edge.target for edge in node.edges.values() if edge.target not in services]
            workloads = [traffic_map.nodes[name] for name in sorted(set(behind))]
            sending[identity] = asks(node) + [edge for workload in workloads for edge in asks(workload)]
        elif "isRoot" in node.marks and asks(node):
            sending[identity] = asks(node)
    reduced = TrafficMap()
    for identity, edges in sending.items():
        node = reduced.nodes[identity] = replace(traffic_map.nodes[identity], edges={})
        node.rates = {name: rate for name, rate in node.rates.items() if name not in _OUT}
        for edge in edges:
            merge_edge(
                node.edges.setdefault((edge.target, edge.protocol), Edge(identity, edge.target, edge.protocol)), edge
            )
        for edge in node.edges.values():
            protocol = PROTOCOLS[edge.protocol]
            add_rate(node.rates, protocol.node_out, edge.rates.get(protocol.total, 0.0))
    return reduced


_OUT = {protocol.node_out for protocol in PROTOCOLS.values()}
