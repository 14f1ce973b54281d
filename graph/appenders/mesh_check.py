"""Marks workloads that have pods outside the mesh: pods without a sidecar, and not in ambient mode."""

from __future__ import annotations

from collections.abc import Sequence

from graph import empty
from graph.appenders.base import Appender, Given, runs
from graph.errors import Advice
from graph.traffic import NODE_APP, NODE_WORKLOAD, TrafficMap


class MeshCheck(Appender):
    name = "meshCheck"
    needs_cluster = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        """Returns a warning that names the pods."""
        outside = [one for one in given.own_workloads if one.without_sidecar and not one.is_gateway]
        ambient = [one for one in given.workloads if one.is_ambient]
        for node in traffic_map.nodes.values():
            if node.node_type not in (NODE_APP, NODE_WORKLOAD):
                continue
            if any(runs(node, one) for one in ambient) or "isWaypoint" in node.marks:
                node.marks["isAmbient"] = True
            elif any(runs(node, one) for one in outside):
                node.marks["isOutOfMesh"] = True
        return empty.without_sidecar(given.own_workloads)
