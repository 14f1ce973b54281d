"""The kind Node: its defaults, rules and columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pocket.api.ages import UNKNOWN
from pocket.kinds.columns import AGE, NAME, NONE, Column, meta, spec_of, status_of
from pocket.kinds.strategy import Strategy
from pocket.objects import Obj


def _node_status(node: Obj, _: datetime) -> str:
    ready = next((entry for entry in status_of(node).get("conditions") or () if entry["type"] == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if spec_of(node).get("unschedulable") else text


def _node_roles(node: Obj, _: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = [key.removeprefix(prefix) for key in meta(node, "labels") or {} if key.startswith(prefix)]
    return ",".join(sorted(roles)) or NONE


def _node_address(kind: str) -> Callable[[Obj, datetime], str]:
    return lambda node, _: next(
        (entry["address"] for entry in status_of(node).get("addresses") or () if entry.get("type") == kind), NONE
    )


def _node_info(field: str) -> Callable[[Obj, datetime], str]:
    return lambda node, _: (status_of(node).get("nodeInfo") or {}).get(field) or UNKNOWN


STRATEGY = Strategy(
    "Node",
    lacks=("proxy",),
    fields=("spec.unschedulable",),
    fixed="pocket has one node, this machine: it cannot be added or removed",
    columns=(
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", lambda node, _: (status_of(node).get("nodeInfo") or {}).get("kubeletVersion", "")),
        Column("Internal-IP", _node_address("InternalIP"), wide=True),
        Column("External-IP", _node_address("ExternalIP"), wide=True),
        Column("OS-Image", _node_info("osImage"), wide=True),
        Column("Kernel-Version", _node_info("kernelVersion"), wide=True),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), wide=True),
    ),
)
