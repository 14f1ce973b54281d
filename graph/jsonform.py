"""A traffic map to Kiali's JSON.

1. One element for each node and each edge, with rates as strings.
2. Boxes: first around the nodes of one app, then of one namespace, then of one cluster; a box needs two members.
3. Everything sorted, boxes before what is in them, so that two answers can be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from graph.params import GraphOptions
from graph.protocols import PROTOCOLS, Protocol
from graph.traffic import APP, NODE_AGGREGATE, NODE_BOX, UNKNOWN, VERSIONED_APP, Edge, Node, TrafficMap, known

Json = dict[str, Any]
_BOX_ORDER = {"cluster": 0, "namespace": 1, "app": 2, "": 3}


def elements(traffic_map: TrafficMap, options: GraphOptions) -> Json:
    """`{"nodes": [...], "edges": [...]}` as Kiali has it."""
    # 1.
    nodes = [node_data(node) for node in traffic_map.nodes.values()]
    edges = [edge_data(edge, traffic_map.nodes[edge.source]) for edge in traffic_map.edges()]
    # 2.
    if "app" in options.box_by or options.graph_type in (APP, VERSIONED_APP):
        nodes += box(nodes, "app", _app_of)
    if "namespace" in options.box_by:
        nodes += box(nodes, "namespace", _namespace_of, at_least=2)
    if "cluster" in options.box_by:
        nodes += box(nodes, "cluster", _cluster_of, at_least=2)
    # 3.
    nodes.sort(key=_node_order)
    edges.sort(key=lambda data: (data["source"], data["target"], data["traffic"]["protocol"]))
    return {"nodes": [{"data": data} for data in nodes], "edges": [{"data": data} for data in edges]}


def hashed(identity: str) -> str:
    """Ids in the JSON are opaque and the same for the same node in every answer."""
    return hashlib.sha256(identity.encode()).hexdigest()


def node_data(node: Node) -> Json:
    data: Json = {
        "id": hashed(node.id),
        "nodeType": node.node_type,
        "cluster": node.cluster,
        "namespace": node.namespace,
    }
    for name in ("workload", "app", "version", "service", "aggregate"):
        if getattr(node, name):
            data[name] = getattr(node, name)
    if node.destination_services:
        data["destServices"] = [service._asdict() for service in sorted(node.destination_services)]
    traffic = [
        {"protocol": protocol.name, "rates": rates}
        for protocol in PROTOCOLS.values()
        if (rates := _rates(node.rates, protocol.node_rates()))
    ]
    if traffic:
        data["traffic"] = traffic
    data["healthData"] = None
    data.update(sorted(node.marks.items()))
    return data


def edge_data(edge: Edge, source: Node) -> Json:
    source_id, target_id = hashed(edge.source), hashed(edge.target)
    data: Json = {
        "id": hashed(f"{source_id}.{target_id}.{edge.protocol}"),
        "source": source_id,
        "target": target_id,
        "traffic": {"protocol": edge.protocol},
    }
    protocol = PROTOCOLS[edge.protocol]
    total = edge.rates.get(protocol.total, 0.0)
    if total > 0:
        data["traffic"]["rates"] = _edge_rates(edge, protocol, source)
        data["traffic"]["responses"] = {
            code: {
                kind: {name: percent(rate, total) for name, rate in sorted(rates.items())}
                for kind, rates in (
                    ("flags", edge.responses.flags[code]),
                    ("hosts", edge.responses.hosts.get(code, {})),
                )
                if rates
            }
            for code in sorted(edge.responses.flags)
        }
    if edge.response_time is not None:
        data["responseTime"] = f"{edge.response_time:.0f}"
    if edge.throughput is not None:
        data["throughput"] = f"{edge.throughput:.0f}"
    if edge.mtls_percent is not None:
        data["isMTLS"] = f"{edge.mtls_percent:.0f}"
    data.update(sorted(edge.marks.items()))
    if edge.returning is not None:
        data["waypoint"] = {**edge.marks["waypoint"], "fromEdge": edge_data(edge.returning, source)}
    return data


def _edge_rates(edge: Edge, protocol: Protocol, source: Node) -> dict[str, str]:
    total = edge.rates[protocol.total]
    rates = _rates(edge.rates, protocol.edge_rates())
    errors = sum(edge.rates.get(name, 0.0) for name in protocol.errors)
    if protocol.percent_error and errors > 0:
        rates[protocol.percent_error] = percent(errors, total)
    sent = source.rates.get(protocol.node_out, 0.0)
    if protocol.percent_request and sent > 0:
        rates[protocol.percent_request] = percent(total, sent)
    return rates


def _rates(rates: dict[str, float], names: Iterable[str]) -> dict[str, str]:
    return {name: number(rates[name]) for name in names if name in rates}


def number(rate: float) -> str:
    """Two decimals; more where the first digit that counts stands later, up to five."""
    decimals = 2
    while decimals < 5 and 0 < rate < 10**-decimals:
        decimals += 1
    return f"{rate:.{decimals}f}"


def percent(part: float, whole: float) -> str:
    return f"{part / whole * 100:.1f}"


def box(
    nodes: list[Json], by: str, group_of: Callable[[Json], tuple[str, ...] | None], at_least: int = 1
) -> list[Json]:
    """Boxes around the nodes of one group; sets the members' `parent`. No boxes if there are fewer groups than that."""
    groups: dict[tuple[str, ...], list[Json]] = {}
    for data in nodes:
        group = group_of(data)
        if group is not None and "parent" not in data:
            groups.setdefault(group, []).append(data)
    boxes: list[Json] = []
    if len(groups) < at_least:
        return boxes
    for group, members in groups.items():
        if len(members) < 2:
            continue
        cluster, namespace, app = (*group, "", "")[:3]
        data = {
            "id": hashed("_".join(("box", *group))),
            "nodeType": NODE_BOX,
            "cluster": cluster,
            "namespace": namespace,
        }
        if app:
            data["app"] = app
            for mark in ("isOutOfMesh", "isInaccessible", "isOutside"):
                if any(member.get(mark) for member in members):
                    data[mark] = True
        data |= {"healthData": None, "isBox": by}
        for member in members:
            member["parent"] = data["id"]
        boxes.append(data)
    return boxes


def _app_of(data: Json) -> tuple[str, ...] | None:
    app = data.get("app", "")
    inside = known(app) and data["nodeType"] not in (NODE_BOX, NODE_AGGREGATE)
    return (data["cluster"], data["namespace"], app) if inside else None


def _namespace_of(data: Json) -> tuple[str, ...] | None:
    return None if data["namespace"] == UNKNOWN else (data["cluster"], data["namespace"])


def _cluster_of(data: Json) -> tuple[str, ...] | None:
    return None if data["cluster"] == UNKNOWN else (data["cluster"],)


def _node_order(data: Json) -> tuple[Any, ...]:
    names = ("cluster", "namespace", "app", "version", "service", "workload", "aggregate", "id")
    return (_BOX_ORDER[data.get("isBox", "")], *(data.get(name, "") for name in names))
