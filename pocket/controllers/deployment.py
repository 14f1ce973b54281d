"""Deployments: a ReplicaSet for each version of the template, and the passage from one to the next.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/, with the arithmetic of its own controller.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pocket.controllers import common
from pocket.controllers.common import HASH_LABEL
from pocket.kubelet.events import EventRecorder
from pocket.objects import TERMINAL, Obj, annotations_of, name_of, namespace_of, owner_of, share, uid_of
from pocket.store import AlreadyExists, NotFound, Store

WATCHES = ("Deployment", "ReplicaSet", "Pod", "Namespace")

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = (REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration")
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_NEVER = 2**31 - 1  # progressDeadlineSeconds that means "no deadline"


@dataclass
class Plan:
    """What is to be done for one Deployment; one step at a time."""

    create: Obj | None = None  # a ReplicaSet
    update: list[Obj] = field(default_factory=list)  # ReplicaSets with other annotations
    scale: list[tuple[Obj, int, int]] = field(default_factory=list)  # ReplicaSet, from, to
    delete: list[Obj] = field(default_factory=list)  # ReplicaSets beyond revisionHistoryLimit
    revision: str | None = None  # for the Deployment's own annotation
    status: Obj = field(default_factory=dict)
    wake: float | None = None  # seconds until the progress deadline


@dataclass(frozen=True)
class _View:
    """A Deployment and its ReplicaSets, with the usual questions."""

    deployment: Obj
    new: Obj | None
    old: tuple[Obj, ...]  # oldest first

    @property
    def all(self) -> tuple[Obj, ...]:
        return (*self.old, *((self.new,) if self.new else ()))

    @property
    def replicas(self) -> int:
        return _replicas(self.deployment)

    @property
    def surge(self) -> int:
        rolling = self._rolling()
        return 0 if self._recreates() else share(rolling.get("maxSurge"), self.replicas, "25%", up=True)

    @property
    def unavailable(self) -> int:
        """How many pods may be missing during a rollout."""
        if self._recreates():
            return self.replicas
        value = share(self._rolling().get("maxUnavailable"), self.replicas, "25%", up=False)
        return min(value if value or self.surge else 1, self.replicas)

    def _rolling(self) -> Obj:
        return (self.deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}

    def _recreates(self) -> bool:
        return bool((self.deployment["spec"].get("strategy") or {}).get("type") == "Recreate")

    @property
    def paused(self) -> bool:
        return bool(self.deployment["spec"].get("paused"))


def decide(deployment: Obj, replica_sets: Sequence[Obj], pods: Sequence[Obj], now: datetime) -> Plan:
    """The next step for a Deployment, given the ReplicaSets and pods of its namespace. Pure."""
    mine = [entry for entry in replica_sets if (owner_of(entry) or {}).get("uid") == uid_of(deployment)]
    mine.sort(key=lambda entry: (str(entry["metadata"].get("creationTimestamp", "")), name_of(entry)))
    template = deployment["spec"]["template"]
    new = next((entry for entry in mine if common.without_hash(entry["spec"]["template"]) == template), None)
    view = _View(deployment, new, tuple(entry for entry in mine if entry is not new))
    plan = Plan()
    if deployment["metadata"].get("deletionTimestamp"):
        _status(plan, view, now)
        return plan
    if view.new is None:
        if not view.paused:
            _create(plan, view)
    else:
        _annotate(plan, view)
    if plan.create is None:
        if view.paused or _is_resized(view):
            _resize(plan, view)
        elif view.new is not None:
            if view._recreates():
                _recreate(plan, view, pods)
            else:
                _roll(plan, view)
    if not plan.scale and not view.paused and _is_complete(view):
        _forget(plan, view)
    _status(plan, view, now)
    return plan


def _replicas(obj: Obj) -> int:
    value = obj["spec"].get("replicas")
    return 1 if value is None else int(value)


def _available(replica_set: Obj | None) -> int:
    return int(((replica_set or {}).get("status") or {}).get("availableReplicas", 0))


def _revision(replica_set: Obj) -> int:
    return int(annotations_of(replica_set).get(REVISION, 0))


def _wanted_annotations(view: _View) -> dict[str, str]:
    kept = {key: value for key, value in annotations_of(view.deployment).items() if key not in _NOT_COPIED}
    return {**kept, DESIRED: str(view.replicas), MAXIMUM: str(view.replicas + view.surge)}


def _create(plan: Plan, view: _View) -> None:
    """A ReplicaSet for the present template, as large as the rollout lets it begin."""
    deployment = view.deployment
    hashed = common.template_hash(deployment["spec"]["template"])
    template = copy.deepcopy(deployment["spec"]["template"])
    meta = template.setdefault("metadata", {})
    meta["labels"] = {**(meta.get("labels") or {}), HASH_LABEL: hashed}
    selector = copy.deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: hashed}
    revision = str(max((_revision(entry) for entry in view.old), default=0) + 1)
    plan.create = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{hashed}",
            "namespace": namespace_of(deployment),
            "labels": dict(meta["labels"]),
            "annotations": {**_wanted_annotations(view), REVISION: revision},
            "ownerReferences": [common.owner_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            **({"minReadySeconds": least} if (least := deployment["spec"].get("minReadySeconds")) else {}),
        },
        "status": {"replicas": 0},
    }
    plan.revision = revision


def _annotate(plan: Plan, view: _View) -> None:
    """The present ReplicaSet carries the highest revision, and the Deployment the same."""
    assert view.new is not None  # noqa: S101  (decide has looked)
    annotations = annotations_of(view.new)
    highest = max((_revision(entry) for entry in view.old), default=0)
    own = _revision(view.new)
    wanted = {**annotations, **_wanted_annotations(view)}
    wanted[DESIRED] = annotations.get(DESIRED, wanted[DESIRED])  # moves with the resize, which it announces
    if own <= highest:
        wanted[REVISION] = str(highest + 1)
        if own:
            history = [entry for entry in annotations.get(HISTORY, "").split(",") if entry]
            wanted[HISTORY] = ",".join([*history, str(own)])
    least = view.deployment["spec"].get("minReadySeconds") or 0
    if wanted != annotations or (view.new["spec"].get("minReadySeconds") or 0) != least:
        changed = copy.deepcopy(view.new)
        changed["metadata"]["annotations"] = wanted
        changed["spec"]["minReadySeconds"] = least
        plan.update.append(changed)
    plan.revision = wanted[REVISION]


def _is_resized(view: _View) -> bool:
    """Has spec.replicas changed since the ReplicaSets were told?"""
    active = [entry for entry in view.all if _replicas(entry) > 0]
    return any(annotations_of(entry).get(DESIRED, str(view.replicas)) != str(view.replicas) for entry in active)


def _resize(plan: Plan, view: _View) -> None:
    """More or fewer pods while the template stays: each ReplicaSet by its share."""
    active = [entry for entry in view.all if _replicas(entry) > 0]
    if len(active) <= 1:
        target = active[0] if active else (view.new or (view.old[-1] if view.old else None))
        if target is not None:
            _scale(plan, target, view.replicas)
            _announce(plan, view, [target])
        return
    saturated = view.new is not None and _replicas(view.new) == view.replicas == _available(view.new)
    if saturated:
        for entry in view.old:
            _scale(plan, entry, 0)
        _announce(plan, view, active)
        return
    allowed = view.replicas + view.surge if view.replicas else 0
    total = sum(map(_replicas, active))
    rest = allowed - total
    largest_first = sorted(active, key=lambda entry: (_replicas(entry), name_of(entry)), reverse=True)
    sizes = {}
    for entry in largest_first:
        part = _part(entry, view, allowed, rest)
        sizes[name_of(entry)] = _replicas(entry) + part
        rest -= part
    if rest and largest_first:
        sizes[name_of(largest_first[0])] += rest
    for entry in largest_first:
        _scale(plan, entry, max(sizes[name_of(entry)], 0))
    _announce(plan, view, active)


def _part(entry: Obj, view: _View, allowed: int, rest: int) -> int:
    """The ReplicaSet's share of `rest`, which may be negative."""
    if not rest:
        return 0
    before = int(annotations_of(entry).get(MAXIMUM, 0)) or view.replicas + view.surge
    # As Go's: a half is rounded up, where Python's `round` takes the even neighbour.
    exact = int(_replicas(entry) * allowed / before + 0.5) - _replicas(entry) if before else 0
    return min(exact, rest) if rest > 0 else max(exact, rest)


def _announce(plan: Plan, view: _View, replica_sets: Sequence[Obj]) -> None:
    """Note on each ReplicaSet which size of the Deployment it has been fitted to."""
    for entry in replica_sets:
        pending = next((item for item in plan.update if uid_of(item) == uid_of(entry)), None)
        changed = pending or copy.deepcopy(entry)
        wanted = {DESIRED: str(view.replicas), MAXIMUM: str(view.replicas + view.surge)}
        if any(annotations_of(changed).get(key) != value for key, value in wanted.items()):
            changed["metadata"].setdefault("annotations", {}).update(wanted)
            if pending is None:
                plan.update.append(changed)


def _roll(plan: Plan, view: _View) -> None:
    """One step of a rolling update: first up, then down."""
    assert view.new is not None  # noqa: S101  (decide has looked)
    size, total = _replicas(view.new), sum(map(_replicas, view.all))
    if size > view.replicas:
        _scale(plan, view.new, view.replicas)
    elif size < view.replicas:
        room = view.replicas + view.surge - total
        if room > 0:
            _scale(plan, view.new, size + min(room, view.replicas - size))
    if plan.scale:
        return
    least = view.replicas - view.unavailable
    spare = total - least - (size - _available(view.new))
    left = {name_of(entry): _replicas(entry) for entry in view.old}
    if spare <= 0 or not sum(left.values()):
        return
    for entry in view.old:  # those that serve nobody go first
        dead = min(spare, _replicas(entry) - _available(entry))
        if dead > 0:
            left[name_of(entry)] -= dead
            spare -= dead
    healthy = sum(map(_available, view.all)) - least
    for entry in view.old:
        down = min(left[name_of(entry)], healthy, spare)
        if down > 0:
            left[name_of(entry)] -= down
            healthy -= down
            spare -= down
        _scale(plan, entry, left[name_of(entry)])


def _recreate(plan: Plan, view: _View, pods: Sequence[Obj]) -> None:
    """All old pods away, then the new ones."""
    assert view.new is not None  # noqa: S101  (decide has looked)
    for entry in view.old:
        _scale(plan, entry, 0)
    old = {uid_of(entry) for entry in view.old}
    remaining = [
        pod
        for pod in pods
        if (owner_of(pod) or {}).get("uid") in old and (pod.get("status") or {}).get("phase") not in TERMINAL
    ]
    if not plan.scale and not remaining:
        _scale(plan, view.new, view.replicas)


def _scale(plan: Plan, replica_set: Obj, size: int) -> None:
    if _replicas(replica_set) != size:
        plan.scale.append((replica_set, _replicas(replica_set), size))


def _is_complete(view: _View) -> bool:
    status = (view.new or {}).get("status") or {}
    return (
        view.new is not None
        and int(status.get("replicas", 0)) == view.replicas == _available(view.new)
        and not any(_replicas(entry) or (entry.get("status") or {}).get("replicas") for entry in view.old)
    )


def _forget(plan: Plan, view: _View) -> None:
    """Old ReplicaSets beyond the history."""
    limit = view.deployment["spec"].get("revisionHistoryLimit")
    limit = 10 if limit is None else int(limit)
    empty = [entry for entry in view.old if not _replicas(entry) and not entry["metadata"].get("deletionTimestamp")]
    empty.sort(key=_revision)
    plan.delete = empty[: max(len(empty) - limit, 0)]


def _status(plan: Plan, view: _View, now: datetime) -> None:
    deployment, time = view.deployment, now.strftime(_FORMAT)
    old: Obj = deployment.get("status") or {}

    def total(field: str) -> int:
        return sum(int((entry.get("status") or {}).get(field, 0)) for entry in view.all)

    updated = int(((view.new or {}).get("status") or {}).get("replicas", 0))
    available = total("availableReplicas")
    asked = sum(map(_replicas, view.all)) + sum(after - before for _, before, after in plan.scale)
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": total("replicas"),
        "updatedReplicas": updated,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(max(asked, view.replicas if view.new is None else 0) - available, 0),
    }
    conditions: list[Obj] = [dict(entry) for entry in old.get("conditions") or ()]
    if available >= view.replicas - view.unavailable:
        word = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        word = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = common.set_condition(conditions, "Available", *word, time, updates=True)
    status["conditions"] = _progress(plan, view, status, old, conditions, now)
    plan.status = {key: value for key, value in status.items() if value or key == "observedGeneration"}


def _progress(
    plan: Plan, view: _View, status: Obj, old: Obj, conditions: list[Obj], now: datetime
) -> list[Obj]:
    time = now.strftime(_FORMAT)
    before = next((entry for entry in conditions if entry["type"] == "Progressing"), None)

    def say(kind: str, reason: str, message: str, *, fresh: bool = False) -> list[Obj]:
        changed = common.set_condition(conditions, "Progressing", kind, reason, message, time, updates=True)
        if fresh:
            changed[-1]["lastUpdateTime"] = time
        return changed

    if view.paused:
        return say("Unknown", "DeploymentPaused", "Deployment is paused")
    if plan.create is not None:
        return say("True", "NewReplicaSetCreated", f'Created new replica set "{name_of(plan.create)}"', fresh=True)
    name = name_of(view.new) if view.new else name_of(view.deployment)
    settled = status["updatedReplicas"] == status["replicas"] == status["availableReplicas"] == view.replicas
    if settled:
        return say("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    if before is not None and before.get("reason") == "NewReplicaSetAvailable":
        same_set = f'"{name}"' in str(before.get("message"))
        if same_set and status["updatedReplicas"] == status["replicas"]:
            return conditions  # it was complete; a pod that fails now is no rollout
        return say("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.', fresh=True)
    if before is None or before.get("reason") == "DeploymentPaused":
        return say("True", "FoundNewReplicaSet", f'Found new replica set "{name}"', fresh=True)
    stale = int(old.get("replicas", 0)) - int(old.get("updatedReplicas", 0))
    if (
        status["updatedReplicas"] > int(old.get("updatedReplicas", 0))
        or status["replicas"] - status["updatedReplicas"] < stale
        or status["readyReplicas"] > int(old.get("readyReplicas", 0))
        or status["availableReplicas"] > int(old.get("availableReplicas", 0))
    ):
        return say("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.', fresh=True)
    limit = view.deployment["spec"].get("progressDeadlineSeconds")
    limit = 600 if limit is None else int(limit)
    if limit >= _NEVER or before.get("reason") == "ProgressDeadlineExceeded":
        return conditions
    due = datetime.fromisoformat(before["lastUpdateTime"]) + timedelta(seconds=limit)
    if now >= due:
        return say("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    plan.wake = (due - now).total_seconds()
    return conditions


def reconcile(store: Store, events: EventRecorder) -> float | None:
    """Take the next step for every Deployment. Returns seconds until it must look again."""
    namespaces = {name_of(namespace): namespace for namespace in store.list("Namespace")}
    sets, pods = common.by_owner(store.list("ReplicaSet")), common.by_owner(store.list("Pod"))
    wakes = []
    for deployment in store.list("Deployment"):
        if common.is_terminating(namespaces, namespace_of(deployment)):
            continue
        mine = sets.get(uid_of(deployment), [])
        theirs = [pod for entry in mine for pod in pods.get(uid_of(entry), ())]
        plan = decide(deployment, mine, theirs, common.moment())
        apply(store, events, deployment, plan)
        if plan.wake is not None:
            wakes.append(plan.wake)
    return min(wakes) if wakes else None


def apply(store: Store, events: EventRecorder, deployment: Obj, plan: Plan) -> None:
    """Do what the plan says."""
    namespace = namespace_of(deployment)
    if plan.create is not None:
        try:
            store.create(plan.create)
        except AlreadyExists:
            # Somebody else's, or one whose template was edited: in the way until it is gone.
            events.event(deployment, "Warning", "ReplicaSetCreateError",
                         f'a ReplicaSet "{name_of(plan.create)}" is there already; delete it')  # fmt: skip
    for replica_set in plan.update:
        store.update(replica_set)
    for replica_set, before, after in plan.scale:

        def resize(obj: Obj, size: int = after) -> None:
            obj["spec"]["replicas"] = size

        store.modify("ReplicaSet", namespace, name_of(replica_set), resize)
        way = "up" if after > before else "down"
        events.event(
            deployment, "Normal", "ScalingReplicaSet",
            f"Scaled {way} replica set {name_of(replica_set)} from {before} to {after}",
        )  # fmt: skip
    for replica_set in plan.delete:
        common.delete(store, replica_set)

    def write(obj: Obj) -> None:
        obj["status"] = plan.status
        if plan.revision is not None:
            obj["metadata"].setdefault("annotations", {})[REVISION] = plan.revision

    with contextlib.suppress(NotFound):  # deleted in between
        store.modify("Deployment", namespace, name_of(deployment), write)
