"""How much of an edge's traffic is mutual TLS, and who is at its ends: from the receivers' labels.

`connection_security_policy` says what the connection was, the principals say whose identity the two proxies have shown
each other. The names of what is set are Kiali's: isMTLS, sourcePrincipal, destPrincipal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from graph import queries
from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.params import GraphOptions
from graph.telemetry import has_service_node, read_ends, service_of
from graph.traffic import TrafficMap, identify

MUTUAL_TLS = "mutual_tls"
_PRINCIPALS = ("source_principal", "destination_principal")


class SecurityPolicy(Appender):
    name = "securityPolicy"

    def asks(self, options: GraphOptions) -> Sequence[str]:
        return queries.security(options)

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        kind = given.options.graph_type
        rates: dict[tuple[str, str], dict[bool, float]] = {}
        principals: dict[tuple[str, str], tuple[str, str]] = {}
        for row in (row for promql in self.asks(given.options) for row in given.rows[promql]):
            ends = read_ends({"destination_service": "", **row.labels})
            if ends is None or any(label not in row.labels for label in _PRINCIPALS):
                continue
            source, target = ends
            way = [source, target]
            if has_service_node(target, given.options):
                way = [source, service_of(target), target]
            secure = row.labels.get("connection_security_policy") == MUTUAL_TLS
            shown = row.labels["source_principal"], row.labels["destination_principal"]
            for start, end in pairwise(way):
                key = identify(start, kind)[0], identify(end, kind)[0]
                found = rates.setdefault(key, {True: 0.0, False: 0.0})
                found[secure] += row.value
                principals.setdefault(key, shown)
        for edge in traffic_map.edges():
            key = edge.source, edge.target
            ends_of = (traffic_map.nodes[name] for name in key if name in traffic_map.nodes)
            if key in rates:
                mutual, other = rates[key][True], rates[key][False]
                edge.mtls_percent = 100 * mutual / (mutual + other) if mutual > 0 else None
                edge.marks["sourcePrincipal"], edge.marks["destPrincipal"] = principals[key]
            elif any("isWaypoint" in node.marks for node in ends_of):
                edge.mtls_percent = 100.0  # always; the metrics cannot always be matched with these edges
        return ()
