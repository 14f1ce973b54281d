"""Marks roots: nodes that send and do not receive."""

from __future__ import annotations

from collections.abc import Sequence

from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.traffic import TrafficMap


class TrafficGenerator(Appender):
    name = "trafficGenerator"
    always = True
    finalizer = True

    def append(self, traffic_map: TrafficMap, _given: Given) -> Sequence[Advice]:
        targets = {edge.target for edge in traffic_map.edges()}
        for node in traffic_map.nodes.values():
            if node.edges and node.id not in targets:
                node.marks["isRoot"] = True
        return ()
