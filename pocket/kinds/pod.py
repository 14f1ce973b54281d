"""The kind Pod: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket.api import podrules
from pocket.api.ages import duration, parse_time
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, NAME, NONE, Column, at, meta, spec_of, status_of
from pocket.kinds.strategy import Deletion, Strategy
from pocket.objects import MIRROR, FieldError, Obj, annotations_of
from pocket.store import Store


def pod_status(pod: Obj) -> str:
    """The STATUS column of a pod (printPod of pkg/printers/internalversion)."""
    status = status_of(pod)
    reason = status.get("reason") or status.get("phase") or "Unknown"
    initializing = False
    for index, state in enumerate(status.get("initContainerStatuses") or ()):
        current = state.get("state") or {}
        ended, waiting = current.get("terminated"), current.get("waiting") or {}
        if ended is not None and ended.get("exitCode") == 0:
            continue
        initializing = True
        if ended is not None:
            reason = f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        elif waiting.get("reason") not in (None, "PodInitializing"):
            reason = f"Init:{waiting['reason']}"
        else:
            reason = f"Init:{index}/{len(spec_of(pod).get('initContainers') or ())}"
        break
    if not initializing:
        running = False
        for state in reversed(status.get("containerStatuses") or []):
            current = state.get("state") or {}
            ended, waiting = current.get("terminated"), current.get("waiting") or {}
            if waiting.get("reason"):
                reason = waiting["reason"]
            elif ended is not None:
                if ended.get("reason"):
                    reason = ended["reason"]
                elif ended.get("signal"):
                    reason = f"Signal:{ended['signal']}"
                else:
                    reason = f"ExitCode:{ended.get('exitCode', 0)}"
            elif state.get("ready") and current.get("running") is not None:
                running = True
        if reason == "Completed" and running:
            ready = any(
                entry.get("type") == "Ready" and entry.get("status") == "True"
                for entry in status.get("conditions") or ()
            )
            reason = "Running" if ready else "NotReady"
    if meta(pod, "deletionTimestamp"):
        return "Terminating"
    return str(reason)


def _pod_ready(pod: Obj, _: datetime) -> str:
    states = status_of(pod).get("containerStatuses") or ()
    ready = sum(1 for state in states if state.get("ready") and (state.get("state") or {}).get("running") is not None)
    return f"{ready}/{len(spec_of(pod).get('containers') or ())}"


def _pod_restarts(pod: Obj, moment: datetime) -> str:
    states = status_of(pod).get("containerStatuses") or ()
    count = sum(int(state.get("restartCount", 0)) for state in states)
    ends = [
        end
        for state in states
        if (end := parse_time(((state.get("lastState") or {}).get("terminated") or {}).get("finishedAt")))
    ]
    if count and ends:
        return f"{count} ({duration((moment - max(ends)).total_seconds())} ago)"
    return str(count)


def _readiness_gates(pod: Obj, _: datetime) -> str:
    gates = [gate["conditionType"] for gate in spec_of(pod).get("readinessGates") or ()]
    if not gates:
        return NONE
    true = {entry["type"] for entry in status_of(pod).get("conditions") or () if entry.get("status") == "True"}
    return f"{len(true & set(gates))}/{len(gates)}"


def _defaults(pod: Obj) -> None:
    spec = pod.setdefault("spec", {})
    podspec.fill(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    if "tolerations" not in spec:
        spec["tolerations"] = [
            {"effect": "NoExecute", "key": f"node.kubernetes.io/{key}", "operator": "Exists", "tolerationSeconds": 300}
            for key in ("not-ready", "unreachable")
        ]
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", podspec.qos_class(spec))


def _rules(pod: Obj) -> list[FieldError]:
    return podrules.pod_spec(pod.get("spec") or {}, "spec")


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    if new.get("spec") == old.get("spec"):
        return []
    why = (
        "Forbidden: pocket runs a pod as it was created and changes nothing in its spec: change the Deployment "
        "or the Job that made it, or delete the pod and create it anew"
    )
    changed = sorted(
        field
        for field in {*(new.get("spec") or {}), *(old.get("spec") or {})}
        if (new.get("spec") or {}).get(field) != (old.get("spec") or {}).get(field)
    )
    return [FieldError(f"spec.{changed[0]}", why)]


def _deletion(pod: Obj, grace: int | None, _: Store) -> Deletion:
    """A pod stops in its grace period: the kubelet takes it out when its processes have ended."""
    spec, status = spec_of(pod), status_of(pod)
    if (not spec.get("nodeName") or MIRROR in annotations_of(pod)) and not meta(pod, "finalizers"):
        return Deletion("remove")  # never picked up by the kubelet, or only shown by it: there is nothing to stop
    if grace is None:
        grace = int(spec.get("terminationGracePeriodSeconds", podspec.GRACE))
    if status.get("phase") in ("Succeeded", "Failed"):
        grace = 0
    before = meta(pod, "deletionGracePeriodSeconds")
    if meta(pod, "deletionTimestamp") and before is not None and before <= grace:
        return Deletion("keep")  # a second delete may only shorten the time
    return Deletion("mark", max(0, grace))


STRATEGY = Strategy(
    "Pod",
    lacks=("binding", "resize"),
    deletion=_deletion,
    finished_elsewhere=True,
    fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Ready", _pod_ready),
        Column("Status", lambda pod, _: pod_status(pod)),
        Column("Restarts", _pod_restarts),
        AGE,
        Column("IP", at("status", "podIP", default=NONE), wide=True),
        Column("Node", at("spec", "nodeName", default=NONE), wide=True),
        Column("Nominated Node", at("status", "nominatedNodeName", default=NONE), wide=True),
        Column("Readiness Gates", _readiness_gates, wide=True),
    ),
)
