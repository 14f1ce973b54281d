"""The one node, `pocket`: this machine."""

from __future__ import annotations

import os
import platform
import socket

from pocket.controllers import common
from pocket.kinds import lease
from pocket.objects import Obj, uid_of
from pocket.settings import NODE
from pocket.store import NotFound, Store

WATCHES = ("Node",)

HEARTBEAT = 300.0
"""Seconds between two updates of the node's status when nothing changes (Kubernetes: nodeStatusReportFrequency)."""

PODS = 100
"""How many pods the node says it takes; the ports of one pocket suffice for about that many with sidecars."""


def node(old: Obj | None, time: str) -> Obj:
    """The Node object, with the conditions that `kubectl get nodes` looks at. Pure but for looking at the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    resources = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": str(PODS)}
    conditions: list[Obj] = (old or {}).get("status", {}).get("conditions", [])
    for kind, status, reason, message in (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ):
        conditions = common.set_condition(conditions, kind, status, reason, message, time)
        conditions[-1]["lastHeartbeatTime"] = time
    obj: Obj = old or {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    obj["metadata"]["labels"] = {
        **(obj["metadata"].get("labels") or {}),
        "kubernetes.io/hostname": NODE,
        "kubernetes.io/os": platform.system().lower(),
        "kubernetes.io/arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "node-role.kubernetes.io/control-plane": "",
    }
    obj.setdefault("spec", {})
    obj["status"] = {
        "capacity": resources,
        "allocatable": resources,
        "conditions": conditions,
        "addresses": [
            {"type": "InternalIP", "address": "127.0.0.1"},
            {"type": "Hostname", "address": socket.gethostname()},
        ],
        "nodeInfo": {
            "architecture": obj["metadata"]["labels"]["kubernetes.io/arch"],
            "operatingSystem": platform.system().lower(),
            "osImage": _os_name(),
            "kernelVersion": platform.release(),
            "kubeletVersion": "pocket",
            "kubeProxyVersion": "",
            "containerRuntimeVersion": "pocket://processes",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
    return obj


def reconcile(store: Store) -> float | None:
    """Have the node there, with a heartbeat every few minutes."""
    now = common.moment()
    old = store.find("Node", None, NODE)
    beats = [entry.get("lastHeartbeatTime") for entry in ((old or {}).get("status") or {}).get("conditions") or ()]
    if old is not None and beats and beats[0]:
        age = (now - now.fromisoformat(beats[0])).total_seconds()
        if 0 <= age < HEARTBEAT and store.find("Lease", lease.NODES, NODE) is not None:
            return HEARTBEAT - age
    fresh = node(old, now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    try:
        store.update(fresh)
    except NotFound:
        fresh = store.create(fresh)
    if store.find("Lease", lease.NODES, NODE) is None:
        store.create(_lease(fresh))
    return HEARTBEAT


def _lease(node: Obj) -> Obj:
    """The node's sign of life, which `kubectl describe node` looks at; it is renewed whenever somebody looks."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": uid_of(node)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NODE, "namespace": lease.NODES, "ownerReferences": [owner]},
        "spec": {"holderIdentity": NODE, "leaseDurationSeconds": lease.SECONDS},
    }


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
