"""The appenders in their order, which matters: a new one is added here and nowhere else.

ServiceEntries first, since they replace nodes; then dead nodes, so that nothing is done for them; then what does not
apply to nodes without traffic; idle nodes. Of the finalizers, outsiders come first: the others look at that mark.
"""

from __future__ import annotations

from graph.appenders.aggregate_node import AggregateNode
from graph.appenders.ambient import Ambient
from graph.appenders.base import Appender
from graph.appenders.dead_node import DeadNode
from graph.appenders.decorations import ResponseTime, Throughput
from graph.appenders.health import Health
from graph.appenders.idle_node import IdleNode
from graph.appenders.istio import Istio
from graph.appenders.mesh_check import MeshCheck
from graph.appenders.outsider import Outsider
from graph.appenders.security_policy import SecurityPolicy
from graph.appenders.service_entry import ServiceEntry
from graph.appenders.traffic_generator import TrafficGenerator
from graph.params import GraphOptions

ORDER: tuple[Appender, ...] = (
    ServiceEntry(),
    DeadNode(),
    ResponseTime(),
    SecurityPolicy(),
    Throughput(),
    AggregateNode(),
    IdleNode(),
    MeshCheck(),
    Outsider(),
    Istio(),
    Ambient(),
    Health(),
    TrafficGenerator(),
)


def wanted(options: GraphOptions) -> list[Appender]:
    """Those of one request, finalizers last."""
    chosen = [appender for appender in ORDER if appender.always or appender.name in options.appenders]
    return sorted(chosen, key=lambda appender: appender.finalizer)
