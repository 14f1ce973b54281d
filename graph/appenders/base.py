"""What an appender is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from graph.cluster import Cluster, Workload
from graph.errors import Advice
from graph.params import GraphOptions
from graph.rows import Row
from graph.traffic import Node, TrafficMap

Rows = Mapping[str, Sequence[Row]]
"""Answers of Prometheus by the text of the query."""


@dataclass(frozen=True)
class Given:
    """What an appender may look at besides the map."""

    options: GraphOptions
    rows: Rows
    cluster: Cluster
    """Empty where the Kubernetes API is out of reach."""
    reachable: bool
    """Is the Kubernetes API in reach?"""
    cluster_name: str
    """What the metrics call the cluster."""

    @cached_property
    def workloads(self) -> list[Workload]:
        """Of every namespace that was read."""
        return self.cluster.workloads(self.cluster.loaded)

    @cached_property
    def own_workloads(self) -> list[Workload]:
        """Of the namespaces that the graph is of."""
        return [workload for workload in self.workloads if workload.namespace in self.options.namespaces]


class Appender(Protocol):
    """One thing that is added to a traffic map, altered in it or taken from it."""

    name: str
    """Kiali's, as requests spell it."""
    always: bool = False
    """Runs although nobody asked for it."""
    finalizer: bool = False
    """Runs after all that are not, on what they made."""
    needs_cluster: bool = False
    """Cannot run without the Kubernetes API."""

    def asks(self, _options: GraphOptions) -> Sequence[str]:
        """What it wants to know from Prometheus."""
        return ()

    def append(self, traffic_map: TrafficMap, given: Given) -> Sequence[Advice]:
        """Does it, in place; returns what a person should know about it."""
        ...


def runs(node: Node, workload: Workload) -> bool:
    """Is it the workload of a node, or one of an app's?"""
    same = workload.name == node.workload if node.workload else workload.app == node.app
    return same and workload.namespace == node.namespace
