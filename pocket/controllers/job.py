"""Jobs: pods that run until enough of them have succeeded.

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pocket.controllers import common
from pocket.kubelet.events import EventRecorder
from pocket.objects import Obj, annotations_of, condition, is_active, name_of, namespace_of, owner_of, uid_of
from pocket.store import Store

WATCHES = ("Job", "Pod", "Namespace")

INDEX = "batch.kubernetes.io/job-completion-index"
_BACK_OFF = (10.0, 360.0)  # seconds between failed pods: first and longest, as Kubernetes
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Plan:
    """What is to be done for one Job."""

    create: list[int | None] = field(default_factory=list)  # completion index of each new pod, None where it has none
    delete: list[Obj] = field(default_factory=list)
    remove: bool = False  # the Job itself: its ttlSecondsAfterFinished is over
    status: Obj = field(default_factory=dict)
    events: list[tuple[str, str, str]] = field(default_factory=list)  # type, reason, message
    wake: float | None = None


def decide(job: Obj, pods: Sequence[Obj], now: datetime) -> Plan:
    """What a Job needs, given the pods of its namespace. Pure."""
    mine = [pod for pod in pods if (owner_of(pod) or {}).get("uid") == uid_of(job)]
    spec, old, time = job["spec"], dict(job.get("status") or {}), now.strftime(_FORMAT)
    plan = Plan(status={**old})
    ended = next((kind for kind in ("Complete", "Failed") if _holds(job, kind)), None)
    if job["metadata"].get("deletionTimestamp"):
        return plan
    if ended:
        plan.delete = [pod for pod in mine if is_active(pod)]
        plan.status["active"] = 0
        _expire(plan, job, now)
        return plan
    status = plan.status
    if spec.get("suspend"):
        plan.delete = [pod for pod in mine if is_active(pod)]
        status.pop("startTime", None)
        status["active"] = 0
        status["conditions"] = common.set_condition(
            old.get("conditions") or [], "Suspended", "True", "JobSuspended", "Job suspended", time
        )
        return plan
    status.setdefault("startTime", time)
    if _holds(job, "Suspended"):
        status["conditions"] = common.set_condition(
            old["conditions"], "Suspended", "False", "JobResumed", "Job resumed", time
        )
    active = [pod for pod in mine if is_active(pod)]
    failed = [pod for pod in mine if _phase(pod) == "Failed" or (pod["metadata"].get("deletionTimestamp")
              and _phase(pod) != "Succeeded")]  # fmt: skip
    succeeded = [pod for pod in mine if _phase(pod) == "Succeeded"]
    indexed = spec.get("completionMode") == "Indexed"
    done = {_index(pod) for pod in succeeded} if indexed else set()
    successes = len(done) if indexed else len(succeeded)
    status.update(active=len(active), ready=sum(common.available_in(pod, 0, now) is not None for pod in active))
    status.update(succeeded=successes, failed=len(failed))
    if indexed:
        status["completedIndexes"] = ranges(done)
    completions = spec.get("completions")
    parallelism = 1 if spec.get("parallelism") is None else int(spec["parallelism"])
    retries = len(failed) + sum(_restarts(pod) for pod in active)
    limit = 6 if spec.get("backoffLimit") is None else int(spec["backoffLimit"])
    deadline = spec.get("activeDeadlineSeconds")
    left = None
    if deadline is not None:
        left = float(deadline) - (now - datetime.fromisoformat(status["startTime"])).total_seconds()
    if retries > limit:
        _end(plan, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", active, time)
    elif left is not None and left <= 0:
        _end(plan, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline", active, time)
    elif _is_enough(completions, successes, len(active), bool(succeeded)):
        _end(plan, "Complete", "CompletionsReached", "Reached expected number of succeeded pods", active, time)
        status["completionTime"] = time
        plan.events.append(("Normal", "Completed", "Job completed"))
    else:
        plan.wake = left
        _fill(plan, active, failed, done, completions, parallelism, successes, indexed, now, bool(succeeded))
    return plan


def _is_enough(completions: int | None, successes: int, active: int, any_success: bool) -> bool:
    if completions is None:  # a work queue: one success says that there is no more to do
        return any_success and active == 0
    return successes >= int(completions)


def _fill(
    plan: Plan, active: list[Obj], failed: list[Obj], done: set[int], completions: int | None, parallelism: int,
    successes: int, indexed: bool, now: datetime, any_success: bool,
) -> None:  # fmt: skip
    """More pods, or fewer."""
    wanted = parallelism if completions is None else min(parallelism, int(completions) - successes)
    if completions is None and any_success:
        wanted = min(wanted, len(active))
    surplus = len(active) - wanted
    if surplus > 0:
        newest_first = sorted(active, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        plan.delete = newest_first[:surplus]
        return
    pause = back_off(failed, now)
    if surplus < 0 and pause > 0:
        plan.wake = pause if plan.wake is None else min(pause, plan.wake)
    elif surplus < 0 and indexed:
        busy = done | {_index(pod) for pod in active}
        free = [index for index in range(int(completions or 0)) if index not in busy]
        plan.create = list(free[:-surplus])
    else:
        plan.create = [None] * -surplus


def back_off(failed: Sequence[Obj], now: datetime) -> float:
    """Seconds until the next pod after failed ones: 10, 20, 40 ... from the last failure on. Pure."""
    if not failed:
        return 0.0
    first, longest = _BACK_OFF
    delay = min(first * 2 ** (len(failed) - 1), longest)
    ends = [end for pod in failed if (end := _ended(pod)) is not None]
    return max(delay - (now - max(ends)).total_seconds(), 0.0) if ends else 0.0


def ranges(indexes: set[int]) -> str:
    """`0-2,5`: the completed indexes as a Job's status has them. Pure."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and index == parts[-1][1] + 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def _end(plan: Plan, kind: str, reason: str, message: str, active: list[Obj], time: str) -> None:
    conditions = plan.status.get("conditions") or []
    before = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
    for name in (before, kind):
        conditions = common.set_condition(conditions, name, "True", reason, message, time)
        conditions[-1]["lastProbeTime"] = time
    plan.status["conditions"] = conditions
    plan.delete = active
    plan.status["active"] = 0
    if kind == "Failed":
        plan.events.append(("Warning", reason, message))


def _expire(plan: Plan, job: Obj, now: datetime) -> None:
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return
    end = condition(job, "Complete") or condition(job, "Failed") or {}
    left = float(ttl) - (now - datetime.fromisoformat(end["lastTransitionTime"])).total_seconds()
    plan.remove = left <= 0
    plan.wake = None if plan.remove else left


def _holds(job: Obj, kind: str) -> bool:
    return (condition(job, kind) or {}).get("status") == "True"


def _phase(pod: Obj) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _index(pod: Obj) -> int:
    return int(annotations_of(pod).get(INDEX, -1))


def _restarts(pod: Obj) -> int:
    """Failures inside a pod that restarts by itself."""
    if pod["spec"].get("restartPolicy") != "OnFailure":
        return 0
    return sum(int(entry.get("restartCount", 0)) for entry in (pod.get("status") or {}).get("containerStatuses") or ())


def _ended(pod: Obj) -> datetime | None:
    ends = [
        datetime.fromisoformat(entry["state"]["terminated"]["finishedAt"])
        for entry in (pod.get("status") or {}).get("containerStatuses") or ()
        if (entry.get("state") or {}).get("terminated", {}).get("finishedAt")
    ]
    return max(ends) if ends else None


def pod_for(job: Obj, index: int | None) -> Obj:
    """A pod of the Job, with the labels that Kubernetes gives it. Pure but for its random name."""
    pod = common.pod_from(job["spec"]["template"], job)
    labels = {
        "job-name": name_of(job),
        "batch.kubernetes.io/job-name": name_of(job),
        "controller-uid": uid_of(job),
        "batch.kubernetes.io/controller-uid": uid_of(job),
    }
    pod["metadata"]["labels"].update(labels)
    if index is not None:
        pod["metadata"].setdefault("annotations", {})[INDEX] = str(index)
        pod["metadata"]["labels"][INDEX] = str(index)
        reference = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{INDEX}']"}}
        for container in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]:
            container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": reference})
    return pod


def reconcile(store: Store, events: EventRecorder) -> float | None:
    """Bring every Job nearer to its end. Returns seconds until it must look again."""
    namespaces = {name_of(namespace): namespace for namespace in store.list("Namespace")}
    wakes = []
    for job in store.list("Job"):
        namespace = namespace_of(job)
        plan = decide(job, store.list("Pod", namespace), common.moment())
        apply(store, events, job, plan, create=not common.is_terminating(namespaces, namespace))
        if plan.wake is not None:
            wakes.append(plan.wake)
    return min(wakes) if wakes else None


def apply(store: Store, events: EventRecorder, job: Obj, plan: Plan, *, create: bool) -> None:
    """Do what the plan says."""
    if plan.remove:
        common.delete(store, job)
        return
    for index in plan.create if create else ():
        pod = store.create(pod_for(job, index))
        events.event(job, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")
    for pod in plan.delete:
        common.delete(store, pod)
        events.event(job, "Normal", "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")
    for kind, reason, message in plan.events:
        events.event(job, "Warning" if kind == "Warning" else "Normal", reason, message)

    def write(obj: Obj) -> None:
        obj["status"] = plan.status
        if not obj["spec"].get("selector"):
            obj["spec"]["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid_of(obj)}}

    store.modify("Job", namespace_of(job), name_of(job), write)
