"""PodDisruptionBudgets: how many pods may be disturbed, and whether one may be evicted. Pure.

https://kubernetes.io/docs/tasks/run-application/configure-pdb/, pkg/controller/disruption/disruption.go and
pkg/registry/core/pod/storage/eviction.go. Counted anew whenever somebody asks: no status has to be up to date for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pocket.api.errors import ApiError
from pocket.api.selectors import selector_matches
from pocket.objects import Obj, is_ready, labels_of, name_of


@dataclass(frozen=True)
class Room:
    """What a budget's numbers come to at the moment, in pods."""

    expected: int
    healthy: int
    desired: int

    @property
    def allowed(self) -> int:
        return max(self.healthy - self.desired, 0) if self.expected else 0


def room(budget: Obj, pods: Sequence[Obj]) -> Room:
    """`pods`: those of its namespace. A budget that names no number allows nothing."""
    spec = budget.get("spec") or {}
    chosen = [pod for pod in pods if _counts(pod) and selector_matches(spec.get("selector"), labels_of(pod))]
    expected, healthy = len(chosen), sum(map(is_ready, chosen))
    if spec.get("maxUnavailable") is not None:
        desired = max(expected - _count(spec["maxUnavailable"], expected), 0)
    elif spec.get("minAvailable") is not None:
        desired = _count(spec["minAvailable"], expected)
    else:
        desired = healthy
    return Room(expected, healthy, desired)


def _counts(pod: Obj) -> bool:
    """Neither ended nor on its way out."""
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and not pod["metadata"].get("deletionTimestamp")


def _count(value: int | str, whole: int) -> int:
    """A number, or a percentage of the whole rounded up, as the disruption controller rounds."""
    return value if isinstance(value, int) else math.ceil(int(value.rstrip("%")) * whole / 100)


def refuse(pod: Obj, budgets: Sequence[Obj], pods: Sequence[Obj]) -> None:
    """Raises ApiError where evicting a pod would break the budget that picks it (429), or several pick it (500)."""
    if not _counts(pod) or (pod.get("status") or {}).get("phase") == "Pending":
        return  # it serves nobody
    picking = [one for one in budgets if selector_matches((one.get("spec") or {}).get("selector"), labels_of(pod))]
    if not picking:
        return
    if len(picking) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise ApiError(500, "InternalError", why)
    (budget,) = picking
    found = room(budget, pods)
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
