"""Marks workloads that have pods outside the mesh: pods without a sidecar."""

from __future__ import annotations

from collections.abc import Iterable

from graph.cluster import Workload
from graph.traffic import NODE_APP, NODE_WORKLOAD, TrafficMap


def apply(traffic_map: TrafficMap, workloads: Iterable[Workload]) -> None:
    outside = [workload for workload in workloads if workload.without_sidecar and not workload.is_gateway]
    for node in traffic_map.nodes.values():
        if node.node_type in (NODE_APP, NODE_WORKLOAD) and any(
            _runs(node.workload, node.app, workload) for workload in outside if workload.namespace == node.namespace
        ):
            node.marks.update(isOutOfMesh=True, hasMissingSC=True)  # the second is what older Kialis say


def _runs(workload_name: str, app: str, workload: Workload) -> bool:
    return workload.name == workload_name if workload_name else workload.app == app
