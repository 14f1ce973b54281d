"""The kind Node: its defaults, rules and columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pocket.api.ages import UNKNOWN
from pocket.kinds.columns import AGE, NAME, NONE, Column, meta, spec_of, status_of
from pocket.kinds.strategy import Strategy
from pocket.objects import Obj
from pocket.store import Store


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


_CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _complete(node: Obj, _: Store) -> None:
    """What the node lifecycle controller of a real server does: a cordon is a taint."""
    spec = node.setdefault("spec", {})
    others = [taint for taint in spec.get("taints") or () if taint.get("key") != _CORDONED["key"]]
    if taints := [*others, *([dict(_CORDONED)] if spec.get("unschedulable") else ())]:
        spec["taints"] = taints
    else:
        spec.pop("taints", None)


def _warnings(node: Obj) -> list[str]:
    if not spec_of(node).get("unschedulable"):
        return []
    return [
        "this is pocket's only node: pods that start from now on, and those that a drain evicts, the ingress gateway "
        "among them, wait (Pending) until `kubectl uncordon`"
    ]


STRATEGY = Strategy(
    "Node",
    complete=_complete,
    warnings=_warnings,
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
