"""ReplicaSets: as many pods of a template as asked for.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pocket.api.selectors import selector_matches
from pocket.controllers import common
from pocket.kubelet.events import EventRecorder
from pocket.objects import (
    Obj,
    annotations_of,
    condition,
    is_active,
    labels_of,
    name_of,
    namespace_of,
    owner_of,
    uid_of,
)
from pocket.store import Conflict, Store

WATCHES = ("ReplicaSet", "Pod", "Namespace")

_COST = "controller.kubernetes.io/pod-deletion-cost"


@dataclass(frozen=True)
class Plan:
    """What is to be done for one ReplicaSet."""

    create: int  # pods
    delete: tuple[Obj, ...]
    adopt: tuple[Obj, ...]
    release: tuple[Obj, ...]
    status: Obj
    wake: float | None  # seconds until a pod will count as available


def decide(replica_set: Obj, pods: Sequence[Obj], now: datetime) -> Plan:
    """What a ReplicaSet needs, given the pods of its namespace. Pure."""
    uid, spec = uid_of(replica_set), replica_set["spec"]
    going = bool(replica_set["metadata"].get("deletionTimestamp"))
    owned = [pod for pod in pods if (owner_of(pod) or {}).get("uid") == uid]
    fits = [pod for pod in pods if selector_matches(spec["selector"], labels_of(pod))]
    adopt = [pod for pod in fits if owner_of(pod) is None and is_active(pod)] if not going else []
    release = [pod for pod in owned if pod not in fits]
    mine = [pod for pod in [*owned, *adopt] if pod not in release and is_active(pod)]
    wanted = spec.get("replicas")
    wanted = 1 if wanted is None else int(wanted)
    surplus = [] if going else sorted(mine, key=deletion_rank)[: max(len(mine) - wanted, 0)]
    least = float(spec.get("minReadySeconds") or 0)
    waits = [wait for pod in mine if (wait := common.available_in(pod, least, now)) is not None]
    later = [wait for wait in waits if wait > 0]
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    old = replica_set.get("status") or {}
    status = {
        **{key: old[key] for key in ("conditions",) if key in old},
        "replicas": len(mine),
        "fullyLabeledReplicas": sum(template_labels.items() <= labels_of(pod).items() for pod in mine),
        "readyReplicas": len(waits),
        "availableReplicas": len(waits) - len(later),
        "observedGeneration": replica_set["metadata"]["generation"],
    }
    return Plan(
        create=0 if going else max(wanted - len(mine), 0),
        delete=tuple(surplus),
        adopt=tuple(adopt),
        release=tuple(release),
        status=status,
        wake=min(later) if later else None,
    )


def deletion_rank(pod: Obj) -> tuple[bool, bool, int, str, int, str, str]:
    """Which pod goes first when there are too many: pending, not ready, cheap, young (ready, restarted, created)."""
    ready = condition(pod, "Ready")
    is_ready = ready is not None and ready["status"] == "True"
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    restarts = sum(int(entry.get("restartCount", 0)) for entry in statuses)
    return (
        (pod.get("status") or {}).get("phase") == "Running",
        is_ready,
        int(annotations_of(pod).get(_COST, 0)),
        _reversed(str(ready["lastTransitionTime"]) if ready is not None and is_ready else ""),
        -restarts,
        _reversed(str(pod["metadata"].get("creationTimestamp", ""))),
        name_of(pod),
    )


def _reversed(stamp: str) -> str:
    """Sorts times backwards: the latest first."""
    return "".join(chr(0x10FFFF - ord(char)) for char in stamp)


def reconcile(store: Store, events: EventRecorder) -> float | None:
    """Bring every ReplicaSet nearer to what it asks for. Returns seconds until it must look again."""
    namespaces = {name_of(namespace): namespace for namespace in store.list("Namespace")}
    pods: dict[str | None, list[Obj]] = {}
    for pod in store.list("Pod"):
        pods.setdefault(namespace_of(pod), []).append(pod)
    wakes = []
    for replica_set in store.list("ReplicaSet"):
        plan = decide(replica_set, pods.get(namespace_of(replica_set), []), common.moment())
        apply(store, events, replica_set, plan, create=not common.is_terminating(namespaces, namespace_of(replica_set)))
        if plan.wake is not None:
            wakes.append(plan.wake)
    return min(wakes) if wakes else None


def apply(store: Store, events: EventRecorder, replica_set: Obj, plan: Plan, *, create: bool) -> None:
    """Do what the plan says. Pods that changed meanwhile are left for the next round."""
    for pod in plan.adopt:
        pod["metadata"]["ownerReferences"] = [
            *(pod["metadata"].get("ownerReferences") or []),
            common.owner_reference(replica_set),
        ]
        _update(store, pod)
    for pod in plan.release:
        references = pod["metadata"].get("ownerReferences") or []
        pod["metadata"]["ownerReferences"] = [entry for entry in references if entry["uid"] != uid_of(replica_set)]
        _update(store, pod)
    for _ in range(plan.create if create else 0):
        pod = store.create(common.pod_from(replica_set["spec"]["template"], replica_set))
        events.event(replica_set, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")
    for pod in plan.delete:
        common.delete(store, pod)
        events.event(replica_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
    store.modify(
        "ReplicaSet", namespace_of(replica_set), name_of(replica_set), lambda obj: obj.update(status=plan.status)
    )


def _update(store: Store, obj: Obj) -> None:
    with contextlib.suppress(Conflict):  # it has changed, and the change brings us here again
        store.update(obj)
