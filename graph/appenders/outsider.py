"""Marks nodes of other namespaces, and those that nobody can look into."""

from __future__ import annotations

from collections.abc import Sequence

from graph.appenders.base import Appender, Given
from graph.appenders.idle_node import home_cluster
from graph.errors import Advice
from graph.traffic import EGRESS_CLUSTERS, NODE_SERVICE, NODE_UNKNOWN, UNKNOWN, TrafficMap


class Outsider(Appender):
    name = "outsider"
    always = True
    finalizer = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        """Without the Kubernetes API every namespace counts as one that can be looked into."""
        namespaces = given.options.namespaces
        home = home_cluster(traffic_map, namespaces, given.cluster_name)
        for node in traffic_map.nodes.values():
            nowhere = node.node_type == NODE_SERVICE and node.namespace == UNKNOWN
            if node.node_type == NODE_UNKNOWN or nowhere or node.service in EGRESS_CLUSTERS:
                node.marks["isInaccessible"] = True
                continue
            if node.namespace != UNKNOWN and node.namespace not in namespaces:
                node.marks["isOutside"] = True
            if given.reachable and (node.cluster != home or node.namespace not in given.cluster.namespaces):
                node.marks["isInaccessible"] = True
        return ()
