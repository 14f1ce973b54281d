"""Adds what is deployed but has no traffic: workloads, and services where the graph shows services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from graph.appenders.base import Appender, Given
from graph.cluster import Cluster, name_of, namespace_of
from graph.errors import Advice
from graph.traffic import SERVICE, UNKNOWN, Place, TrafficMap, known


class IdleNode(Appender):
    """Not in zoomed graphs, which are of one node."""

    name = "idleNode"
    needs_cluster = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        options = given.options
        if options.focus is not None:
            return ()
        home = home_cluster(traffic_map, options.namespaces, given.cluster_name)
        places = []
        if options.inject_service_nodes:
            places += [
                Place(cluster=home, service_namespace=namespace, service=name)
                for namespace, name in services(given.cluster)
                if namespace in options.namespaces
            ]
        if options.graph_type != SERVICE:
            places += [
                Place(home, workload.namespace, workload.name, workload.app or UNKNOWN, workload.version or UNKNOWN)
                for workload in given.own_workloads
            ]
        for place in places:
            before = len(traffic_map.nodes)
            node = traffic_map.node(place, options.graph_type)
            if len(traffic_map.nodes) > before:
                node.marks["isIdle"] = True
        return ()


def services(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Namespace and name of every Service, and of every host of a ServiceEntry that is not a Service's name."""
    known_services = {(namespace_of(service), name_of(service)) for service in cluster.services}
    yield from sorted(known_services)
    for entry in cluster.service_entries:
        for host in entry.get("spec", {}).get("hosts") or ():
            name, _, rest = str(host).partition(".")
            if (rest.split(".")[0], name) not in known_services:
                yield namespace_of(entry), str(host)


def home_cluster(traffic_map: TrafficMap, namespaces: Sequence[str], default: str) -> str:
    """The name that the metrics give to the cluster of these namespaces."""
    names = Counter(
        node.cluster for node in traffic_map.nodes.values() if node.namespace in namespaces and known(node.cluster)
    )
    return min(names, key=lambda name: (-names[name], name)) if names else default
