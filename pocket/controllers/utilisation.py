"""How many replicas one metric of a HorizontalPodAutoscaler asks for. Pure.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details, and
pkg/controller/podautoscaler/replica_calculator.go where that says less. Amounts are in thousandths (of a processor, of
a byte) and ratios of their sums, as there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pocket import quantity
from pocket.api.contracts import Figures
from pocket.objects import Obj, condition, name_of, uid_of

INITIALISATION = timedelta(minutes=5)
"""How long a pod's processor time is looked at with doubt (--horizontal-pod-autoscaler-cpu-initialization-period)."""

FIRST_READINESS = timedelta(seconds=30)
"""Who was last seen unready within this time of its start was never ready (--...-initial-readiness-delay)."""


class CannotTell(Exception):
    """A metric that gives no number of replicas: the reason of the condition, and in words."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class _Unknown(Exception):
    """In words."""


@dataclass(frozen=True)
class Tolerance:
    """Ratios of what is to what is wanted at which nothing is done: between 1 - down and 1 + up."""

    down: float = 0.1  # --horizontal-pod-autoscaler-tolerance
    up: float = 0.1

    def covers(self, ratio: float) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


@dataclass(frozen=True)
class Proposal:
    """What one metric asks for."""

    replicas: int
    metric: str  # in the words of the event
    status: Obj  # an entry of `status.currentMetrics`


@dataclass(frozen=True)
class Groups:
    """The pods by what is known of them."""

    measured: dict[str, int]  # uid: thousandths that it uses
    unready: list[str]
    missing: list[str]


def propose(
    metric: Obj, current: int, pods: Sequence[Obj], figures: Mapping[str, Figures], tolerance: Tolerance, now: datetime
) -> Proposal:
    """`figures` by the uid of the pod. Raises CannotTell."""
    kind = metric["type"]
    field = kind[:1].lower() + kind[1:]
    reason = f"Failed{'GetResource' if kind == 'Resource' else 'Get' + kind}Metric"
    if kind not in ("Resource", "ContainerResource"):
        # As on a cluster without an adapter for other metrics.
        served = "external" if kind == "External" else "custom"
        raise CannotTell(reason, f"unable to get {kind} metric: nothing serves {served}.metrics.k8s.io")
    source = metric[field]
    name, container, target = source["name"], source.get("container"), source["target"]
    try:
        groups = group(pods, figures, name, container, now)
        if "averageUtilization" in target:
            wanted = {uid_of(pod): requested(pod, name, container) for pod in pods}
            replicas, average = _replicas(groups, wanted, target["averageUtilization"], current, tolerance)
            share = sum(groups.measured.values()) * 100 // sum(wanted[uid] for uid in groups.measured)
            now_used: Obj = {"averageUtilization": share, "averageValue": _text(average)}
            words = f"{name} resource utilization (percentage of request)"
        else:
            each = math.ceil(quantity.parse(target["averageValue"]) * 1000)
            replicas, average = _replicas(groups, {uid_of(pod): each for pod in pods}, None, current, tolerance)
            now_used, words = {"averageValue": _text(average)}, f"{name} resource"
    except _Unknown as error:
        raise CannotTell(reason, f"failed to get {name} usage: {error.args[0]}") from error
    shown = {"name": name, **({"container": container} if container else {}), "current": now_used}
    return Proposal(replicas, words, {"type": kind, field: shown})


def group(
    pods: Sequence[Obj], figures: Mapping[str, Figures], resource: str, container: str | None, now: datetime
) -> Groups:
    """Raises _Unknown where a pod that is measured has no such container."""
    groups = Groups({}, [], [])
    for pod in pods:
        uid, status = uid_of(pod), pod.get("status") or {}
        if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Failed":
            continue
        found = figures.get(uid)
        if status.get("phase") == "Pending":
            groups.unready.append(uid)
        elif found is None:
            groups.missing.append(uid)
        elif resource == "cpu" and _starts(pod, found, now):
            groups.unready.append(uid)
        else:
            groups.measured[uid] = _used(pod, found, resource, container)
    return groups


def _starts(pod: Obj, found: Figures, now: datetime) -> bool:
    """Is its processor time that of a start, which says nothing of the load?"""
    ready, started = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or not started:
        return True
    begun, changed = datetime.fromisoformat(started), datetime.fromisoformat(ready["lastTransitionTime"])
    if begun + INITIALISATION > now:
        return ready["status"] == "False" or found.taken < changed + timedelta(seconds=found.window)
    return ready["status"] == "False" and begun + FIRST_READINESS > changed


def _used(pod: Obj, found: Figures, resource: str, container: str | None) -> int:
    if container is not None and container not in found.containers:
        raise _Unknown(f"container {container} not present in metrics for pod {name_of(pod)}")
    chosen = [usage for name, usage in found.containers.items() if container in (None, name)]
    if resource == "cpu":
        return sum(math.ceil(usage.cpu * 1000) for usage in chosen)
    return sum(usage.memory * 1000 for usage in chosen)


def requested(pod: Obj, resource: str, container: str | None) -> int:
    """Thousandths that the pod's containers ask for, or one of them. Raises _Unknown where one asks for nothing."""
    spec = pod["spec"]
    lasting = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
    found = 0
    for entry in [*spec["containers"], *lasting]:
        if container in (None, entry["name"]):
            amount = ((entry.get("resources") or {}).get("requests") or {}).get(resource)
            if amount is None:
                raise _Unknown(f"missing request for {resource} in container {entry['name']} of Pod {name_of(pod)}")
            found += math.ceil(quantity.parse(amount) * 1000)
    if not found:
        raise _Unknown(f"no request for {resource} in container {container} of Pod {name_of(pod)}")
    return found


def _replicas(
    groups: Groups, full: Mapping[str, int], percent: int | None, current: int, tolerance: Tolerance
) -> tuple[int, int]:
    """Replicas, and thousandths that a measured pod uses on average.

    `percent` of `full` is wanted, or (None) just that much. Who is not known is taken for what moves the number least:
    unready pods for idle where it would grow, missing ones for busy where it would shrink.
    """
    if not groups.measured:
        raise _Unknown("no metrics returned from resource metrics API: pods have figures 10 to 20 s after a start")
    used = dict(groups.measured)
    average = sum(used.values()) // len(used)
    ratio = _ratio(used, full, percent)
    if not groups.missing and not (groups.unready and ratio > 1):
        return (current if tolerance.covers(ratio) else math.ceil(ratio * len(used))), average
    if ratio < 1:
        used |= {uid: full[uid] * max(100, percent or 100) // 100 for uid in groups.missing}
    else:
        used |= dict.fromkeys(groups.missing, 0)
    if ratio > 1:
        used |= dict.fromkeys(groups.unready, 0)
    again = _ratio(used, full, percent)
    wanted = math.ceil(again * len(used))
    turned = (ratio < 1 < again) or (again < 1 < ratio)
    backwards = (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return (current if tolerance.covers(again) or turned or backwards else wanted), average


def _ratio(used: Mapping[str, int], full: Mapping[str, int], percent: int | None) -> float:
    """Of what is used to what is wanted; shares in whole percent, as upstream counts them."""
    whole = sum(full[uid] for uid in used)
    return sum(used.values()) / whole if percent is None else sum(used.values()) * 100 // whole / percent


def _text(thousandths: int) -> str:
    """A quantity."""
    whole, rest = divmod(thousandths, 1000)
    return f"{thousandths}m" if rest else str(whole)
