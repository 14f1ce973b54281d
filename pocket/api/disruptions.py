"""PodDisruptionBudgets: how many pods may be disturbed, and whether one may be evicted. Pure.

https://kubernetes.io/docs/tasks/run-application/configure-pdb/, pkg/controller/disruption/disruption.go and
pkg/registry/core/pod/storage/eviction.go. Counted anew whenever somebody asks: no status has to be up to date for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pocket.api.errors import ApiError
from pocket.api.selectors import selector_matches
from pocket.objects import Obj, is_active, is_ready, labels_of, name_of, owner_of, share, uid_of
from pocket.store import Store

Scales = Mapping[str, tuple[str, int]]
"""By the uid of a pod's controller: the uid of the object that says how many there are to be, and the number."""


@dataclass(frozen=True)
class Room:
    """What a budget's numbers come to at the moment, in pods."""

    expected: int
    healthy: int
    desired: int

    @property
    def allowed(self) -> int:
        return max(self.healthy - self.desired, 0) if self.expected else 0


def scales(store: Store, namespace: str | None) -> Scales:
    """Of the ReplicaSets of a namespace: their Deployment's number, or their own."""
    numbers = {uid_of(entry): entry["spec"].get("replicas", 1) for entry in store.list("Deployment", namespace)}
    found = {}
    for entry in store.list("ReplicaSet", namespace):
        above = str((owner_of(entry) or {}).get("uid"))
        own = uid_of(entry), entry["spec"].get("replicas", 1)
        found[uid_of(entry)] = (above, numbers[above]) if above in numbers else own
    return found


def room(budget: Obj, pods: Sequence[Obj], numbers: Scales) -> Room:
    """`pods`: those of its namespace. A budget that names no number allows nothing."""
    spec = budget.get("spec") or {}
    chosen = [pod for pod in pods if selector_matches(spec.get("selector"), labels_of(pod))]
    healthy = sum(map(is_ready, chosen))
    if isinstance(spec.get("minAvailable"), int):
        return Room(len(chosen), healthy, spec["minAvailable"])
    # As many as there are to be: who has just been evicted, and is not replaced yet, is missing.
    owners = {str((owner_of(pod) or {}).get("uid")) for pod in chosen}
    alone = [pod for pod in chosen if str((owner_of(pod) or {}).get("uid")) not in numbers and is_active(pod)]
    expected = len(alone) + sum(dict(numbers[uid] for uid in owners & numbers.keys()).values())
    if spec.get("maxUnavailable") is not None:
        desired = max(expected - share(spec["maxUnavailable"], expected, 0, up=True), 0)
    elif spec.get("minAvailable") is not None:
        desired = share(spec["minAvailable"], expected, 0, up=True)
    else:
        desired = healthy
    return Room(expected, healthy, desired)


def refuse(pod: Obj, budgets: Sequence[Obj], pods: Sequence[Obj], numbers: Scales) -> None:
    """Raises ApiError where evicting a pod would break the budget that picks it (429), or several pick it (500)."""
    if not is_active(pod) or (pod.get("status") or {}).get("phase") == "Pending":
        return  # it serves nobody
    picking = [one for one in budgets if selector_matches((one.get("spec") or {}).get("selector"), labels_of(pod))]
    if not picking:
        return
    if len(picking) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "InternalError", why)
    (budget,) = picking
    found = room(budget, pods, numbers)
    if not is_ready(pod):
        if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return
        if 0 < found.desired <= found.healthy:
            return  # it takes nothing away from those that are well
    if found.allowed < 1:
        raise _too_many(budget, found)


def _too_many(budget: Obj, found: Room) -> ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    numbers = f"needs {found.desired} healthy pods and has {found.healthy} currently"
    why = f"The disruption budget {name_of(budget)} {numbers}"
    return ApiError(429, "TooManyRequests", message, {"causes": [{"reason": "DisruptionBudget", "message": why}]})
