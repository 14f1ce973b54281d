"""How fast a HorizontalPodAutoscaler may go: `spec.behavior`, and the bounds. Pure but for the history it keeps.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior, and
pkg/controller/podautoscaler/horizontal.go. Times are those of a clock that only goes forward: a machine's clock that
is set, or a sleep, neither ends a window nor makes one last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pocket.kinds.horizontalpodautoscaler import behaviour
from pocket.objects import Obj

WINDOW = 300
"""Seconds of the window before pods go (--horizontal-pod-autoscaler-downscale-stabilization)."""


@dataclass
class History:
    """What was recommended and what was done: (seconds, number of replicas or change of it)."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    changed: list[tuple[float, int]] = field(default_factory=list)

    def change_since(self, moment: float) -> int:
        return sum(change for at, change in self.changed if at > moment)


@dataclass(frozen=True)
class Limited:
    """The number that may be had now; conditions as (status, reason, message)."""

    replicas: int
    able: tuple[str, str, str]
    limited: tuple[str, str, str]


_READY = ("True", "ReadyForNewScale", "recommended size matches current size")
_STABLE = "recent recommendations were {} than current one, applying the {} recent recommendation"
_WITHIN = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")
_RATE = "the desired replica count is {} faster than the maximum scale rate"
_BOUND = "the desired replica count is {} than the {} replica count"


def limit(spec: Obj, current: int, wanted: int, history: History, now: float) -> Limited:
    """What comes of a number that the metrics ask for; it is added to the history."""
    up, down = behaviour(spec)
    windows = up["stabilizationWindowSeconds"], down.get("stabilizationWindowSeconds", WINDOW)
    before = history.recommended or [(now, current)]  # the first: as it was found
    stable = min(
        max(current, min([wanted, *(number for at, number in before if at > now - windows[0])])),
        max([wanted, *(number for at, number in before if at > now - windows[1])]),
    )
    history.recommended = [entry for entry in before if entry[0] > now - max(windows)] + [(now, wanted)]
    able = _READY
    if stable != wanted:
        lower = wanted >= current
        words = ("lower", "lowest") if lower else ("higher", "highest")
        able = ("True", "ScaleUpStabilized" if lower else "ScaleDownStabilized", _STABLE.format(*words))
    allowed, limited = _within(spec, current, stable, history, now)
    return Limited(allowed, able, _WITHIN if allowed == stable else limited)


def _within(spec: Obj, current: int, wanted: int, history: History, now: float) -> tuple[int, tuple[str, str, str]]:
    up, down = behaviour(spec)
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if wanted > current:
        rate = max(_reach(up, current, history, now, upwards=True), current)
        if most > rate:
            return min(wanted, rate), ("True", "ScaleUpLimit", _RATE.format("increasing"))
        return min(wanted, most), ("True", "TooManyReplicas", _BOUND.format("more", "maximum"))
    if wanted < current:
        rate = min(_reach(down, current, history, now, upwards=False), current)
        if least < rate:
            return max(wanted, rate), ("True", "ScaleDownLimit", _RATE.format("decreasing"))
        return max(wanted, least), ("True", "TooFewReplicas", _BOUND.format("less", "minimum"))
    return wanted, _WITHIN


def _reach(rules: Obj, current: int, history: History, now: float, *, upwards: bool) -> int:
    """The number that the policies allow now: each counts from where its period began."""
    if rules["selectPolicy"] == "Disabled":
        return current
    sign = 1 if upwards else -1
    found: list[int] = []
    for policy in rules["policies"]:
        start = current - history.change_since(now - policy["periodSeconds"])
        if policy["type"] == "Pods":
            found.append(start + sign * policy["value"])
        else:
            share = start * (100 + sign * policy["value"]) / 100
            found.append(math.ceil(share) if upwards else math.floor(share))
    return max(found) if upwards == (rules["selectPolicy"] == "Max") else min(found)
