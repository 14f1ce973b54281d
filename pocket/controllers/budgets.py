"""The status of PodDisruptionBudgets, and of HorizontalPodAutoscalers, which scale nothing on pocket."""

from __future__ import annotations

from collections.abc import Sequence

from pocket.api.selectors import selector_matches
from pocket.controllers import common
from pocket.objects import Obj, is_ready, labels_of, name_of, namespace_of
from pocket.store import Store

WATCHES = ("PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment", "Pod")

_NO_SCALING = "pocket scales nothing by itself: look at `kubectl top pods` and use `kubectl scale`"


def budget_status(budget: Obj, pods: Sequence[Obj], time: str) -> Obj:
    """https://kubernetes.io/docs/tasks/run-application/configure-pdb/. Pure."""
    spec = budget["spec"]
    picked = [pod for pod in pods if common.is_active(pod) and selector_matches(spec.get("selector"), labels_of(pod))]
    expected, healthy = len(picked), sum(map(is_ready, picked))
    if spec.get("maxUnavailable") is not None:
        desired = max(expected - common.share(spec["maxUnavailable"], expected, 0, up=True), 0)
    else:
        desired = common.share(spec.get("minAvailable"), expected, 1, up=True)
    allowed = max(healthy - desired, 0) if expected else 0
    enough = allowed > 0
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
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "conditions": conditions,
    }


def autoscaler_status(autoscaler: Obj, replicas: int | None, time: str) -> Obj:
    """It says why it does nothing. Pure."""
    conditions = (autoscaler.get("status") or {}).get("conditions") or []
    found = replicas is not None
    conditions = common.set_condition(
        conditions,
        "AbleToScale",
        "True" if found else "False",
        "SucceededGetScale" if found else "FailedGetScale",
        "the HPA controller was able to get the target's current scale" if found else "the target is not there",
        time,
    )
    conditions = common.set_condition(
        conditions, "ScalingActive", "False", "ScalingDisabled", _NO_SCALING, time
    )
    return {
        "observedGeneration": autoscaler["metadata"]["generation"],
        "currentReplicas": replicas or 0,
        "desiredReplicas": replicas or 0,
        "conditions": conditions,
    }


def reconcile(store: Store) -> float | None:
    """Write both kinds of status."""
    time = common.moment().strftime("%Y-%m-%dT%H:%M:%SZ")
    for budget in store.list("PodDisruptionBudget"):
        status = budget_status(budget, store.list("Pod", namespace_of(budget)), time)
        store.modify("PodDisruptionBudget", namespace_of(budget), name_of(budget), _Write(status))
    for autoscaler in store.list("HorizontalPodAutoscaler"):
        reference = autoscaler["spec"]["scaleTargetRef"]
        target = store.find(reference["kind"], namespace_of(autoscaler), reference["name"])
        replicas = int((target.get("status") or {}).get("replicas", 0)) if target else None
        status = autoscaler_status(autoscaler, replicas, time)
        store.modify("HorizontalPodAutoscaler", namespace_of(autoscaler), name_of(autoscaler), _Write(status))
    return None


class _Write:
    def __init__(self, status: Obj) -> None:
        self._status = status

    def __call__(self, obj: Obj) -> None:
        obj["status"] = self._status
