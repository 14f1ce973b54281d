"""Adds what is deployed but has no traffic: workloads, and services where the graph shows services."""

from __future__ import annotations

from collections.abc import Iterable

from graph.cluster import Cluster, Workload, name_of, namespace_of
from graph.params import GraphOptions
from graph.traffic import SERVICE, UNKNOWN, Place, TrafficMap


def apply(
    traffic_map: TrafficMap, cluster: Cluster, workloads: Iterable[Workload], options: GraphOptions, home: str
) -> None:
    """`home` is the name of the cluster that the metrics give to it."""
    places = []
    if options.inject_service_nodes:
        places += [
            Place(cluster=home, service_namespace=namespace_of(service), service=name_of(service))
            for service in cluster.services
            if namespace_of(service) in options.namespaces
        ]
    if options.graph_type != SERVICE:
        places += [
            Place(home, workload.namespace, workload.name, workload.app or UNKNOWN, workload.version or UNKNOWN)
            for workload in workloads
        ]
    for place in places:
        before = len(traffic_map.nodes)
        node = traffic_map.node(place, options.graph_type)
        if len(traffic_map.nodes) > before:
            node.marks["isIdle"] = True
