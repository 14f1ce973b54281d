"""The status of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Sequence

from pocket.api import disruptions
from pocket.controllers import common
from pocket.objects import Obj, name_of, namespace_of
from pocket.store import Store

WATCHES = ("PodDisruptionBudget", "Pod", "Deployment", "ReplicaSet")


def budget_status(budget: Obj, pods: Sequence[Obj], numbers: disruptions.Scales, time: str) -> Obj:
    """https://kubernetes.io/docs/tasks/run-application/configure-pdb/. Pure."""
    found = disruptions.room(budget, pods, numbers)
    enough = found.allowed > 0
    conditions = common.set_condition(
        (budget.get("status") or {}).get("conditions") or [],
        "DisruptionAllowed",
        "True" if enough else "False",
        "SufficientPods" if enough else "InsufficientPods",
        "",
        time,
    )
    conditions[-1]["observedGeneration"] = budget["metadata"]["generation"]
    return {
        "observedGeneration": budget["metadata"]["generation"],
        "currentHealthy": found.healthy,
        "desiredHealthy": found.desired,
        "expectedPods": found.expected,
        "disruptionsAllowed": found.allowed,
        "conditions": conditions,
    }


def reconcile(store: Store) -> float | None:
    """Write what has changed."""
    time = common.moment().strftime("%Y-%m-%dT%H:%M:%SZ")
    budgets = store.list("PodDisruptionBudget")
    for namespace in {namespace_of(budget) for budget in budgets}:
        pods, numbers = store.list("Pod", namespace), disruptions.scales(store, namespace)
        for budget in budgets:
            if namespace_of(budget) == namespace:
                status = budget_status(budget, pods, numbers, time)
                store.modify("PodDisruptionBudget", namespace, name_of(budget), _Write(status))
    return None


class _Write:
    def __init__(self, status: Obj) -> None:
        self._status = status

    def __call__(self, obj: Obj) -> None:
        obj["status"] = self._status
