"""Operation nodes: requests of one kind (say, reads) get a node of their own between source and destination.

Istio writes the label `request_operation` where requests are classified (its "Classifying Metrics" task).
The edge from source to destination gives way to the edges through the operation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from graph import queries
from graph.appenders.base import Appender, Given
from graph.errors import Advice
from graph.params import APPENDERS, GraphOptions
from graph.telemetry import has_service_node, read_ends, response_code, service_of
from graph.traffic import NODE_AGGREGATE, Node, TrafficMap, add_traffic, identify, known

NO_OPERATIONS = Advice(
    "noOperations",
    "The metrics carry no operations: no series has the label {label}.",
    "Operation nodes need request classification. Istio adds the label with a Telemetry object (tagOverrides of "
    "REQUEST_COUNT) or an EnvoyFilter; see 'Classifying Metrics' in Istio's documentation.",
)


class AggregateNode(Appender):
    name = "aggregateNode"

    def asks(self, options: GraphOptions) -> Sequence[str]:
        return queries.aggregates(options) if "requests" in (options.rate_http, options.rate_grpc) else ()

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        """Returns why there are no operations, if somebody asked for them and there are none."""
        options, found = given.options, False
        for row in (row for promql in self.asks(options) for row in given.rows[promql]):
            value = row.labels.get(options.aggregate, "")
            ends = read_ends(row.labels)
            if ends is None or not known(value):
                continue
            found = True
            source, target = ends
            end = service_of(target) if has_service_node(target, options) else target
            source_node = traffic_map.nodes.get(identify(source, options.graph_type)[0])
            target_node = traffic_map.nodes.get(identify(end, options.graph_type)[0])
            protocol = row.labels.get("request_protocol", "")
            if source_node is None or target_node is None or protocol not in ("http", "grpc"):
                continue
            operation = _node(traffic_map, options.aggregate, value, target_node)
            source_node.edges.pop((target_node.id, protocol), None)
            traffic = row.value, response_code(protocol, row.labels), row.labels.get("response_flags", "-")
            host = row.labels["destination_service"]
            # The ends have counted these requests already.
            add_traffic(None, operation, traffic_map.edge(source_node, operation, protocol), *traffic, host)
            add_traffic(operation, None, traffic_map.edge(operation, target_node, protocol), *traffic, host)
        if found or options.appenders == APPENDERS:
            return ()
        return [Advice(NO_OPERATIONS.reason, NO_OPERATIONS.message.format(label=options.aggregate), NO_OPERATIONS.cure)]


def _node(traffic_map: TrafficMap, label: str, value: str, target: Node) -> Node:
    digest = hashlib.sha256(target.id.encode()).hexdigest()[:12]
    identity = f"agg_{target.cluster}_{target.namespace}_{label}_{value}_{digest}"
    if identity not in traffic_map.nodes:
        traffic_map.nodes[identity] = Node(
            identity,
            NODE_AGGREGATE,
            target.cluster,
            target.namespace,
            app=target.app if known(target.app) else "",
            service=target.service,
            aggregate=f"{label}={value}",
        )
    return traffic_map.nodes[identity]
