"""May a pod go to the node? Cordon and taints, as Kubernetes' scheduler looks at them. Pure.

https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

from collections.abc import Iterator

from pocket.objects import Obj

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def objection(node: Obj, pod: Obj) -> str:
    """Why a pod that is not on the node yet may not go there, in the scheduler's words; "" if it may."""
    for taint in _untolerated(node, pod, ("NoSchedule", "NoExecute")):
        if taint["key"] == UNSCHEDULABLE:
            return "0/1 nodes are available: 1 node(s) were unschedulable."
        return f"0/1 nodes are available: 1 node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}."
    return ""


def stay(node: Obj, pod: Obj) -> float | None:
    """Seconds that a pod may stay on the node after a taint NoExecute has come; None: as long as it likes."""
    times: list[float] = []
    for taint in _taints(node):
        if taint.get("effect") != "NoExecute":
            continue
        found = [entry for entry in _tolerations(pod) if _tolerates(entry, taint)]
        if not found:
            return 0.0
        times += [float(entry["tolerationSeconds"]) for entry in found if entry.get("tolerationSeconds") is not None]
    return max(0.0, min(times)) if times else None


def _untolerated(node: Obj, pod: Obj, effects: tuple[str, ...]) -> Iterator[Obj]:
    for taint in _taints(node):
        if taint.get("effect") in effects and not any(_tolerates(entry, taint) for entry in _tolerations(pod)):
            yield taint


def _taints(node: Obj) -> list[Obj]:
    return list((node.get("spec") or {}).get("taints") or ())


def _tolerations(pod: Obj) -> list[Obj]:
    return list(pod["spec"].get("tolerations") or ())


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
