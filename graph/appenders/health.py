"""How well nodes and edges do, from the codes on the edges (Kiali's appender/health.go)."""

from __future__ import annotations

from collections.abc import Sequence

from graph import health
from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.health import Codes
from graph.traffic import NODE_APP, NODE_SERVICE, NODE_WORKLOAD, TrafficMap


class Health(Appender):
    """A node is judged by what it answers and by what it is answered: a gateway by the errors behind it too."""

    name = "health"
    finalizer = True

    def append(self, traffic_map: TrafficMap, _given: Given) -> Sequence[Advice]:
        received: dict[str, Codes] = {}
        sent: dict[str, Codes] = {}
        for edge in traffic_map.edges():
            codes = {code: sum(by_flag.values()) for code, by_flag in edge.responses.flags.items()}
            status = health.judge({edge.protocol: codes})
            if status != health.NOT_KNOWN:
                edge.marks["healthStatus"] = status
            for by_node, name in ((sent, edge.source), (received, edge.target)):
                into = by_node.setdefault(name, {}).setdefault(edge.protocol, {})
                for code, rate in codes.items():
                    into[code] = into.get(code, 0.0) + rate
        for node in traffic_map.nodes.values():
            if node.node_type in (NODE_APP, NODE_SERVICE, NODE_WORKLOAD) and "isInaccessible" not in node.marks:
                node.marks["healthData"] = health.of_node(received.get(node.id, {}), sent.get(node.id, {}))
        return ()
