"""A pod's status from what its containers do. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pocket.objects import Obj

HOST = "127.0.0.1"


@dataclass
class ContainerStatus:
    """What one container does now."""

    name: str
    image: str
    digest: str = ""
    container_id: str = ""
    restarts: int = 0
    ready: bool = False
    started: bool = False
    state: Obj = field(default_factory=lambda: waiting("ContainerCreating"))
    last_state: Obj = field(default_factory=dict)

    def as_object(self) -> Obj:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"{self.image.partition('@')[0]}@{self.digest}" if self.digest else "",
            **({"containerID": self.container_id} if self.container_id else {}),
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
            "state": self.state,
            "lastState": self.last_state,
        }


def waiting(reason: str, message: str = "") -> Obj:
    """The state of a container that does not run yet, or not now."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def pod_status(
    pod: Obj,
    *,
    init: Sequence[ContainerStatus],
    containers: Sequence[ContainerStatus],
    initialized: bool,
    ready: bool,
    phase: str | None,
    time: str,
    reason: str = "",
    message: str = "",
) -> Obj:
    """The status to write; `phase` None derives it, `ready` is the pod's, after every sidecar knows of it.

    Transition times of conditions that stay as they are stay as well.
    """
    old: Obj = pod.get("status") or {}
    phase = phase or _phase(initialized, containers)
    done = phase in ("Succeeded", "Failed")
    unready = [status.name for status in containers if not status.ready]
    names = f"[{' '.join(unready)}]"
    why = ("PodCompleted", "") if done else ("ContainersNotReady", f"containers with unready status: {names}")
    pending = ("ContainersNotInitialized", "containers with incomplete status")
    conditions = [
        _condition("PodReadyToStartContainers", True),
        _condition("Initialized", initialized or done, *(pending if not (initialized or done) else ())),
        _condition("Ready", ready, *(() if ready else why)),
        _condition("ContainersReady", not unready and not done, *(why if unready or done else ())),
        _condition("PodScheduled", True),
    ]
    for condition in conditions:
        before = next((entry for entry in old.get("conditions") or () if entry["type"] == condition["type"]), None)
        same = before is not None and before["status"] == condition["status"]
        condition["lastTransitionTime"] = before["lastTransitionTime"] if before is not None and same else time
    own = {condition["type"] for condition in conditions}
    conditions += [entry for entry in old.get("conditions") or () if entry["type"] not in own]  # others set these
    status: dict[str, Any] = {
        "phase": phase,
        "conditions": conditions,
        "hostIP": HOST,
        "hostIPs": [{"ip": HOST}],
        "podIP": HOST,
        "podIPs": [{"ip": HOST}],
        "startTime": old.get("startTime") or time,
        "qosClass": qos_class(pod),
        "containerStatuses": [status.as_object() for status in containers],
    }
    if init:
        status["initContainerStatuses"] = [entry.as_object() for entry in init]
    if reason:
        status["reason"] = reason
    if message:
        status["message"] = message
    return status


def qos_class(pod: Obj) -> str:
    """https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    resources = [container.get("resources") or {} for container in pod["spec"]["containers"]]
    if not any(entry.get("requests") or entry.get("limits") for entry in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= set(entry.get("limits") or {})
        and all((entry.get("requests") or {}).get(name, value) == value for name, value in entry["limits"].items())
        for entry in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _phase(initialized: bool, containers: Sequence[ContainerStatus]) -> str:
    if not initialized:
        return "Pending"
    begun = [status for status in containers if "running" in status.state or status.restarts or status.last_state
             or "terminated" in status.state]  # fmt: skip
    return "Running" if len(begun) == len(containers) else "Pending"


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Obj:
    condition = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition
