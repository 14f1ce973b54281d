"""The traffic map: nodes, and edges between them, with what flows over them.

Identities follow Kiali (its graph/graph.go): a workload of a versioned app graph is known by its workload name,
so that labels that change do not split it; `unknown` is what Istio writes where it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from graph.protocols import NO_RESPONSE, PROTOCOLS

UNKNOWN = "unknown"
APP, SERVICE, WORKLOAD, VERSIONED_APP = "app", "service", "workload", "versionedApp"
GRAPH_TYPES = (VERSIONED_APP, APP, WORKLOAD, SERVICE)
NODE_APP, NODE_SERVICE, NODE_WORKLOAD, NODE_UNKNOWN, NODE_AGGREGATE, NODE_BOX = (
    "app",
    "service",
    "workload",
    "unknown",
    "aggregate",
    "box",
)
EGRESS_CLUSTERS = ("PassthroughCluster", "BlackHoleCluster")


def known(text: str) -> bool:
    """Is it a name, and not empty or `unknown`?"""
    return text not in ("", UNKNOWN)


class ServiceName(NamedTuple):
    cluster: str
    namespace: str
    name: str


class Place(NamedTuple):
    """One end of a series: what its labels say of the source or the destination."""

    cluster: str = UNKNOWN
    namespace: str = ""  # of the workload
    workload: str = ""
    app: str = ""
    version: str = ""
    service_namespace: str = ""
    service: str = ""


@dataclass
class Responses:
    """Rates by response code, and within it by flags and by host."""

    flags: dict[str, dict[str, float]] = field(default_factory=dict)  # every code has an entry here
    hosts: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, code: str, flags: str, host: str, rate: float) -> None:
        for table, name in ((self.flags, flags), (self.hosts, host)):
            by_name = table.setdefault(code or NO_RESPONSE, {})
            if name:
                by_name[name] = by_name.get(name, 0.0) + rate

    def merge(self, other: Responses) -> None:
        for mine, theirs in ((self.flags, other.flags), (self.hosts, other.hosts)):
            for code, rates in theirs.items():
                by_name = mine.setdefault(code, {})
                for name, rate in rates.items():
                    by_name[name] = by_name.get(name, 0.0) + rate


@dataclass
class Edge:
    """Traffic of one protocol from one node to another."""

    source: str  # node id
    target: str
    protocol: str
    rates: dict[str, float] = field(default_factory=dict)
    responses: Responses = field(default_factory=Responses)
    response_time: float | None = None  # milliseconds
    throughput: float | None = None  # bytes per second
    mtls_percent: float | None = None
    marks: dict[str, Any] = field(default_factory=dict)
    """Further JSON fields of the edge, under Kiali's names (sourcePrincipal, healthStatus ...)."""
    returning: Edge | None = None
    """Of an edge to a waypoint proxy: what comes back from it."""


@dataclass
class Node:
    id: str
    node_type: str
    cluster: str
    namespace: str
    workload: str = ""
    app: str = ""
    version: str = ""
    service: str = ""
    aggregate: str = ""  # `request_operation=read`
    rates: dict[str, float] = field(default_factory=dict)
    destination_services: set[ServiceName] = field(default_factory=set)
    marks: dict[str, Any] = field(default_factory=dict)
    """Further JSON fields of the node, under Kiali's names (isIdle, hasVS ...)."""
    edges: dict[tuple[str, str], Edge] = field(default_factory=dict)
    """What it sends, by (target id, protocol)."""


@dataclass
class TrafficMap:
    nodes: dict[str, Node] = field(default_factory=dict)

    def edges(self) -> Iterator[Edge]:
        for node in self.nodes.values():
            yield from node.edges.values()

    def node(self, place: Place, graph_type: str) -> Node:
        """The node at a place; made if it is new."""
        identity, node_type = identify(place, graph_type)
        if identity not in self.nodes:
            self.nodes[identity] = make_node(identity, node_type, place, graph_type)
        return self.nodes[identity]

    def edge(self, source: Node, target: Node, protocol: str) -> Edge:
        """The edge between two nodes; made if it is new."""
        return source.edges.setdefault((target.id, protocol), Edge(source.id, target.id, protocol))

    def remove(self, identities: set[str]) -> None:
        """Takes nodes away, and every edge that leads to one of them."""
        for identity in identities:
            self.nodes.pop(identity, None)
        for node in self.nodes.values():
            node.edges = {key: edge for key, edge in node.edges.items() if edge.target in self.nodes}


@lru_cache(maxsize=8192)
def identify(place: Place, graph_type: str) -> tuple[str, str]:
    """The id and the type of the node that stands for a place."""
    namespace = place.namespace if known(place.namespace) else place.service_namespace or UNKNOWN
    if not known(place.workload) and not known(place.app) and not known(place.service):
        if namespace == UNKNOWN and place.service == "":
            return f"{place.cluster}_unknown_source", NODE_UNKNOWN
        # A request that asked for something nobody offers: one such node for each namespace.
        return f"svc_{place.cluster}_{namespace}_unknown", NODE_SERVICE
    where = f"{place.cluster}_{namespace}"
    if graph_type in (VERSIONED_APP, APP) and known(place.app):
        if graph_type == VERSIONED_APP and known(place.workload):
            return f"vapp_{where}_{place.workload}", NODE_APP
        if graph_type == VERSIONED_APP and known(place.version) and place.version != "latest":
            return f"vapp_{where}_{place.app}_{place.version}", NODE_APP
        return f"app_{where}_{place.app}", NODE_APP
    if known(place.workload):
        return f"wl_{where}_{place.workload}", NODE_WORKLOAD
    # An app of which no workload and no service is known is a service without a name.
    return f"svc_{where}_{place.service if known(place.service) else UNKNOWN}", NODE_SERVICE


def make_node(identity: str, node_type: str, place: Place, graph_type: str) -> Node:
    """A node without traffic, with the fields that mean something for its type."""
    namespace = place.namespace if known(place.namespace) else place.service_namespace or UNKNOWN
    if node_type == NODE_UNKNOWN:
        return Node(identity, node_type, place.cluster, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
    if node_type == NODE_SERVICE:
        return Node(identity, node_type, place.cluster, namespace, service=place.service or UNKNOWN)
    if node_type == NODE_WORKLOAD:
        app, version = (text if known(text) else "" for text in (place.app, place.version))
        return Node(identity, node_type, place.cluster, namespace, place.workload, app, version)
    if graph_type == VERSIONED_APP:
        return Node(identity, node_type, place.cluster, namespace, place.workload, place.app, place.version or UNKNOWN)
    return Node(identity, node_type, place.cluster, namespace, app=place.app)


def add_rate(rates: dict[str, float], name: str, rate: float) -> None:
    if rate > 0:
        rates[name] = rates.get(name, 0.0) + rate


def add_traffic(
    source: Node | None, target: Node | None, edge: Edge, rate: float, code: str, flags: str, host: str
) -> None:
    """Counts one series on an edge, and at its ends unless they are None. Nothing flows on an idle edge."""
    if rate <= 0:
        return
    protocol = PROTOCOLS[edge.protocol]
    add_rate(edge.rates, protocol.total, rate)
    if source:
        add_rate(source.rates, protocol.node_out, rate)
    if target:
        add_rate(target.rates, protocol.node_in, rate)
    counted_in = protocol.class_of(code)
    if counted_in:
        add_rate(edge.rates, counted_in[0], rate)
        if target:
            add_rate(target.rates, counted_in[1], rate)
    edge.responses.add(code, flags, host, rate)


def merge_edge(into: Edge, other: Edge) -> None:
    """Adds up two edges that became one. Quantiles cannot be added up: the response time goes, unless one was idle."""
    had_traffic = bool(into.rates)
    for name, rate in other.rates.items():
        add_rate(into.rates, name, rate)
    into.responses.merge(other.responses)
    if not had_traffic:
        into.response_time, into.mtls_percent = other.response_time, other.mtls_percent
    elif other.rates:
        into.response_time = None
        both = [percent for percent in (into.mtls_percent, other.mtls_percent) if percent is not None]
        into.mtls_percent = min(both) if len(both) == 2 else None  # as much as is true of each
    for name, value in other.marks.items():
        into.marks.setdefault(name, value)
    if other.throughput is not None:
        into.throughput = (into.throughput or 0.0) + other.throughput
