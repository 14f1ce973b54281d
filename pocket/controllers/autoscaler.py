"""HorizontalPodAutoscalers: as many replicas as keep the pods as busy as asked for.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/. `utilisation` says what the metrics ask for,
`scalerate` how much of it is allowed; here the objects are looked up and written. The figures are those of `kubectl
top`. What was recommended is forgotten when the control process ends, as in Kubernetes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pocket import quantity
from pocket.api import scaling, selectors
from pocket.api.catalog import Catalog
from pocket.api.contracts import Figures
from pocket.api.target import Target
from pocket.controllers import common, scalerate
from pocket.controllers.scalerate import History
from pocket.controllers.utilisation import CannotTell, Proposal, Tolerance, propose
from pocket.kinds.horizontalpodautoscaler import LONGEST_PERIOD, behaviour
from pocket.kubelet.events import EventRecorder
from pocket.objects import Kind, Obj, labels_of, name_of, namespace_of, uid_of
from pocket.store import NotFound, Store

_LOG = logging.getLogger(__name__)

EVERY = 15.0
"""Seconds between two looks (--horizontal-pod-autoscaler-sync-period)."""

_FOUND = "SucceededGetScale", "the HPA controller was able to get the target's current scale"
_LOST = "FailedGetScale", "the HPA controller was unable to get the target's current scale: {}"


@dataclass(frozen=True)
class Decision:
    """What is to be done for one autoscaler."""

    replicas: int | None  # None: as it is
    status: Obj
    events: tuple[tuple[bool, str, str], ...] = ()  # is all well?, reason, message


def decide(
    autoscaler: Obj, current: int, pods: Sequence[Obj], figures: Mapping[str, Figures], history: History,
    moment: datetime, clock: float,
) -> Decision:  # fmt: skip
    """For a target of `current` replicas. Pure but for the history."""
    spec = autoscaler["spec"]
    state = _Status(autoscaler, moment)
    state.set("AbleToScale", "True", *_FOUND)
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if current == 0:
        why = "scaling is disabled since the replica count of the target is zero"
        state.set("ScalingActive", "False", "ScalingDisabled", why)
        return Decision(None, state.of(0, 0))
    if current > most:
        return _rescale(state, current, most, "Current number of replicas above Spec.MaxReplicas", history, clock)
    if current < least:
        return _rescale(state, current, least, "Current number of replicas below Spec.MinReplicas", history, clock)
    proposals, failures = _proposals(spec, current, pods, figures, moment)
    state.metrics = [proposal.status for proposal in proposals]
    best = max(proposals, key=lambda proposal: proposal.replicas, default=None)
    if best is None or (failures and best.replicas < current):
        first = failures[0]
        why = f"the HPA was unable to compute the replica count: {first}"
        state.set("ScalingActive", "False", first.reason, why)
        said = f"invalid metrics ({len(failures)} invalid out of {len(spec['metrics'])}), first error is: {first}"
        return Decision(
            None,
            state.of(current, (autoscaler.get("status") or {}).get("desiredReplicas", current)),
            ((False, first.reason, str(first)), (False, "FailedComputeMetricsReplicas", said)),
        )
    why = f"the HPA was able to successfully calculate a replica count from {best.metric}"
    state.set("ScalingActive", "True", "ValidMetricFound", why)
    limited = scalerate.limit(spec, current, best.replicas, history, clock)
    state.set("AbleToScale", *limited.able)
    state.set("ScalingLimited", *limited.limited)
    if limited.replicas == current:
        return Decision(None, state.of(current, current))
    reason = f"{best.metric} above target" if best.replicas > current else "All metrics below target"
    return _rescale(state, current, limited.replicas, reason, history, clock)


def _proposals(
    spec: Obj, current: int, pods: Sequence[Obj], figures: Mapping[str, Figures], moment: datetime
) -> tuple[list[Proposal], list[CannotTell]]:
    up, down = behaviour(spec)
    usual = Tolerance()
    tolerance = Tolerance(
        float(quantity.parse(down.get("tolerance", usual.down))), float(quantity.parse(up.get("tolerance", usual.up)))
    )
    proposals, failures = [], []
    for metric in spec["metrics"]:
        try:
            proposals.append(propose(metric, current, pods, figures, tolerance, moment))
        except CannotTell as error:
            failures.append(error)
    return proposals, failures


def _rescale(state: _Status, current: int, new: int, reason: str, history: History, clock: float) -> Decision:
    history.changed = [entry for entry in history.changed if entry[0] > clock - LONGEST_PERIOD]
    history.changed.append((clock, new - current))
    done = f"the HPA controller was able to update the target scale to {new}"
    state.set("AbleToScale", "True", "SucceededRescale", done)
    status = state.of(current, new) | {"lastScaleTime": state.time}
    return Decision(new, status, ((True, "SuccessfulRescale", f"New size: {new}; reason: {reason}"),))


class _Status:
    """An autoscaler's status, as it comes together."""

    def __init__(self, autoscaler: Obj, moment: datetime) -> None:
        self._old: Obj = autoscaler.get("status") or {}
        self._generation = autoscaler["metadata"]["generation"]
        self._conditions = list(self._old.get("conditions") or ())
        self.time = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.metrics: list[Obj] = []

    def set(self, kind: str, status: str, reason: str, message: str) -> None:
        self._conditions = common.set_condition(self._conditions, kind, status, reason, message, self.time)

    def of(self, current: int, desired: int) -> Obj:
        kept = {key: self._old[key] for key in ("lastScaleTime",) if key in self._old}
        order = ("AbleToScale", "ScalingActive", "ScalingLimited")
        return {
            **kept,
            "observedGeneration": self._generation,
            "currentReplicas": current,
            "desiredReplicas": desired,
            "currentMetrics": self.metrics,
            "conditions": sorted(self._conditions, key=lambda entry: order.index(entry["type"])),
        }


class Autoscaler:
    """All of them. `usage` measures pods, by uid (the kubelet's `usage`)."""

    def __init__(
        self, store: Store, kinds: Catalog, usage: Callable[[Sequence[Obj]], Awaitable[dict[str, Figures]]]
    ) -> None:
        self._store = store
        self._usage = usage
        self._kinds = kinds
        self._events = EventRecorder(store, "horizontal-pod-autoscaler")
        self._histories: dict[str, History] = {}

    async def run(self) -> None:
        """Without end."""
        while True:
            await asyncio.sleep(EVERY)
            await self.step()

    async def step(self) -> None:
        """Look at every autoscaler once."""
        scaled = [(autoscaler, self._scaled(autoscaler)) for autoscaler in self._store.list("HorizontalPodAutoscaler")]
        for autoscaler, target in scaled:
            try:
                others = [name_of(one) for one, its in scaled if target and its and target.shares_with(its)]
                await self._look(autoscaler, target, others)
            except Exception:
                # One autoscaler's trouble (a full disk, an odd target) is not the others'; the next look tries again.
                _LOG.exception("HorizontalPodAutoscaler %s failed", name_of(autoscaler))
        known = {uid_of(autoscaler) for autoscaler, _ in scaled}
        self._histories = {uid: history for uid, history in self._histories.items() if uid in known}

    async def _look(self, autoscaler: Obj, target: _Target | None, others: Sequence[str]) -> None:
        state = _Status(autoscaler, common.moment())
        if target is None:
            reference = autoscaler["spec"]["scaleTargetRef"]
            why = f'{reference["kind"]} "{reference["name"]}" is not there, or has no scale'
            state.set("AbleToScale", "False", _LOST[0], _LOST[1].format(why))
            self._write(autoscaler, Decision(None, state.of(0, 0), ((False, _LOST[0], why),)))
            return
        if not target.selector or len(others) > 1:
            reason, why = "InvalidSelector", "the HPA target's scale is missing a selector"
            if target.selector:
                reason = "AmbiguousSelector"
                why = f"pods by selector {target.selector} are controlled by multiple HPAs: [{' '.join(others)}]"
            state.set("ScalingActive", "False", reason, why)
            self._write(autoscaler, Decision(None, state.of(target.replicas, target.replicas), ((False, reason, why),)))
            return
        figures = await self._usage(target.pods)
        history = self._histories.setdefault(uid_of(autoscaler), History())
        decision = decide(
            autoscaler, target.replicas, target.pods, figures, history, common.moment(), time.monotonic()
        )  # fmt: skip
        if decision.replicas is not None:
            replicas, place = decision.replicas, target.place
            self._store.modify(
                target.kind.key, namespace_of(autoscaler), target.name, lambda obj: scaling.put(obj, place, replicas)
            )
        self._write(autoscaler, decision)

    def _scaled(self, autoscaler: Obj) -> _Target | None:
        reference, namespace = autoscaler["spec"]["scaleTargetRef"], namespace_of(autoscaler)
        group, _, version = str(reference.get("apiVersion") or "").rpartition("/")
        kind = self._kinds.by_kind(group, reference["kind"])
        if kind is None or "scale" not in kind.subresources:
            return None
        obj = self._store.find(kind.key, namespace, reference["name"])
        if obj is None:
            return None
        where = scaling.places(self._kinds, Target(kind, version, namespace, reference["name"]))
        scale = scaling.scale_of(obj, where)
        selector = scale["status"]["selector"]
        wanted = selectors.parse_labels(selector)
        pods = [pod for pod in self._store.list("Pod", namespace) if selectors.labels_match(wanted, labels_of(pod))]
        return _Target(kind, reference["name"], scale["spec"]["replicas"], selector, pods, where.replicas)

    def _write(self, autoscaler: Obj, decision: Decision) -> None:
        for well, reason, message in decision.events:
            self._events.event(autoscaler, "Normal" if well else "Warning", reason, message)
        kind, namespace = "HorizontalPodAutoscaler", namespace_of(autoscaler)
        with contextlib.suppress(NotFound):  # it was deleted while its pods were measured
            self._store.modify(kind, namespace, name_of(autoscaler), lambda obj: obj.update(status=decision.status))


@dataclass(frozen=True)
class _Target:
    """What an autoscaler scales."""

    kind: Kind
    name: str
    replicas: int
    selector: str
    pods: list[Obj]
    place: tuple[str, ...]

    def shares_with(self, other: _Target) -> bool:
        return bool({uid_of(pod) for pod in self.pods} & {uid_of(pod) for pod in other.pods})
