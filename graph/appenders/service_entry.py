"""Hosts outside the mesh: all that one ServiceEntry names become one node, called after the ServiceEntry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from graph.appenders.base import Appender, Given
from graph.cluster import Obj, name_of, namespace_of
from graph.errors import Advice
from graph.traffic import EGRESS_CLUSTERS, NODE_SERVICE, Edge, Node, Place, TrafficMap, add_rate, known, merge_edge


class ServiceEntry(Appender):
    """Replaces the service nodes that ServiceEntries stand for. Their edges and rates are added up."""

    name = "serviceEntry"
    needs_cluster = True

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        entries = sorted(given.cluster.service_entries, key=lambda entry: (namespace_of(entry), name_of(entry)))
        askers: dict[str, list[Node]] = {}
        for node in traffic_map.nodes.values():
            for edge in node.edges.values():
                askers.setdefault(edge.target, []).append(node)
        for node in sorted(traffic_map.nodes.values(), key=lambda node: node.id):
            if node.node_type != NODE_SERVICE or node.service in EGRESS_CLUSTERS or "isInjected" in node.marks:
                continue
            # A host outside the mesh is in no namespace: what counts is whether who asks may see the entry.
            seekers = sorted(askers.get(node.id, ()), key=lambda seeker: seeker.id)
            seekers += [node] if known(node.cluster) and known(node.namespace) else []
            for seeker in seekers:
                entry = find(entries, node.service, (seeker.namespace,))
                if entry is not None:
                    _replace(traffic_map, node, entry, seeker, given)
                    break
        return ()


def find(entries: Iterable[Obj], host: str, namespaces: Sequence[str]) -> Obj | None:
    """The ServiceEntry that names a host and that one of the namespaces may see.

    Istio reports the host as the entry spells it, wildcards included; inside the mesh it may cut the domain off.
    """
    for entry in entries:
        spec = entry.get("spec", {})
        if not exported(entry, namespaces):
            continue
        for named in spec.get("hosts") or ():
            inside = spec.get("location") == "MESH_INTERNAL"
            if named == host or (inside and str(named).split(".")[0] == host):
                return entry
    return None


def exported(entry: Obj, namespaces: Sequence[str]) -> bool:
    targets = entry.get("spec", {}).get("exportTo") or ["*"]
    home = namespace_of(entry)
    return any(target == "*" or (target == "." and home in namespaces) or target in namespaces for target in targets)


def _replace(traffic_map: TrafficMap, old: Node, entry: Obj, seeker: Node, given: Given) -> None:
    own = given.options.namespaces
    home = seeker.namespace if seeker.namespace in own else own[0]
    place = Place(cluster=seeker.cluster, service_namespace=home, service=name_of(entry))
    del traffic_map.nodes[old.id]
    new = traffic_map.node(place, given.options.graph_type)
    spec = entry.get("spec", {})
    new.marks["isServiceEntry"] = {
        "hosts": [str(host) for host in spec.get("hosts") or ()],
        "location": spec.get("location") or "MESH_EXTERNAL",
        "namespace": seeker.namespace,
    }
    new.destination_services |= old.destination_services
    for name, rate in old.rates.items():
        add_rate(new.rates, name, rate)
    for node in traffic_map.nodes.values():
        _redirect(node, old.id, new.id)
    for edge in old.edges.values():
        _put(new, replace(edge, source=new.id))


def _redirect(node: Node, old: str, new: str) -> None:
    for key in [key for key in node.edges if key[0] == old]:
        _put(node, replace(node.edges.pop(key), target=new))


def _put(node: Node, edge: Edge) -> None:
    key = edge.target, edge.protocol
    if key in node.edges:
        merge_edge(node.edges[key], edge)
    else:
        node.edges[key] = edge
