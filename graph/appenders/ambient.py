"""Waypoint proxies of the ambient mesh: hidden, or shown with the ways to and from them as one (Kiali's ambient.go)."""

from __future__ import annotations

from collections.abc import Sequence

from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.traffic import Node, TrafficMap


class Ambient(Appender):
    name = "ambient"
    finalizer = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        waypoints = [node for node in traffic_map.nodes.values() if "isWaypoint" in node.marks]
        if not waypoints:
            return ()
        proxies = {node.id for node in waypoints}
        for node in traffic_map.nodes.values():
            gateway = node.marks.get("isGateway") or {}
            if "gatewayAPIInfo" in gateway and any(edge.target in proxies for edge in node.edges.values()):
                node.marks["hasIngressWaypoint"] = True
        if given.options.waypoints:
            _join(traffic_map, waypoints)
        else:
            _hide(traffic_map, waypoints)
        return ()


def _join(traffic_map: TrafficMap, waypoints: Sequence[Node]) -> None:
    """The edge to a waypoint takes up the one that comes back, so that it is drawn once."""
    proxies = {waypoint.id for waypoint in waypoints}
    for waypoint in waypoints:
        waypoint.marks.pop("isOutOfMesh", None)
        for edge in waypoint.edges.values():
            edge.marks["waypoint"] = {"direction": "from"}
    for node in traffic_map.nodes.values():
        for edge in node.edges.values():
            if edge.target not in proxies:
                continue
            waypoint = traffic_map.nodes[edge.target]
            edge.marks["waypoint"] = {"direction": "to"}
            back = [key for key in waypoint.edges if key[0] == node.id]
            if back:
                edge.returning = waypoint.edges.pop(back[-1])


def _hide(traffic_map: TrafficMap, waypoints: Sequence[Node]) -> None:
    """Takes the waypoints away, and what has no edge any more without them."""
    proxies = {node.id for node in waypoints}
    lonely = {edge.target for node in waypoints for edge in node.edges.values()}
    lonely |= {
        node.id
        for node in traffic_map.nodes.values()
        if "isIdle" not in node.marks and any(edge.target in proxies for edge in node.edges.values())
    }
    traffic_map.remove(proxies)
    reached = {edge.target for edge in traffic_map.edges()}
    traffic_map.remove(
        {name for name in lonely - reached if name in traffic_map.nodes and not traffic_map.nodes[name].edges}
    )
