"""The examples of https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#scaling-policies."""

from __future__ import annotations

from typing import Any

import pytest

from pocket.controllers.scalerate import History, limit
from pocket.objects import Obj


def spec(least: int = 1, most: int = 100, **behaviour: Obj) -> Obj:
    return {"minReplicas": least, "maxReplicas": most, **({"behavior": behaviour} if behaviour else {})}


def policies(*entries: tuple[str, int, int], **more: Any) -> Obj:
    listed = [{"type": kind, "value": value, "periodSeconds": period} for kind, value, period in entries]
    return {"policies": listed, **more}


@pytest.mark.parametrize(("current", "allowed"), [(1, 5), (3, 7), (10, 20)])
def test_upwards_four_or_twice_as_many_at_once(current: int, allowed: int) -> None:
    found = limit(spec(), current, 90, History(), 1000.0)
    assert (found.replicas, found.limited[:2]) == (allowed, ("True", "ScaleUpLimit"))


@pytest.mark.parametrize(
    ("current", "wanted", "replicas", "limited"),
    [
        (3, 9, 4, ("True", "TooManyReplicas")),
        (3, 4, 4, ("False", "DesiredWithinRange")),
        (3, 3, 3, ("False", "DesiredWithinRange")),
        (3, 0, 2, ("True", "TooFewReplicas")),
    ],
)
def test_the_bounds(current: int, wanted: int, replicas: int, limited: tuple[str, str]) -> None:
    found = limit(spec(2, 4, scaleDown={"stabilizationWindowSeconds": 0}), current, wanted, History(), 1000.0)
    assert (found.replicas, found.limited[:2]) == (replicas, limited)


def test_downwards_the_highest_of_five_minutes_holds() -> None:
    history = History()
    assert limit(spec(), 10, 10, history, 0.0).replicas == 10
    found = limit(spec(), 10, 2, history, 15.0)
    assert (found.replicas, found.able[1]) == (10, "ScaleDownStabilized")
    assert limit(spec(), 10, 5, history, 200.0).replicas == 10
    assert limit(spec(), 10, 2, history, 301.0).replicas == 5
    assert limit(spec(), 5, 2, history, 501.0).replicas == 2


def test_upwards_the_lowest_of_a_window_holds() -> None:
    up = spec(scaleUp={"stabilizationWindowSeconds": 60})
    history = History()
    limit(up, 2, 2, history, 0.0)
    found = limit(up, 2, 6, history, 30.0)
    assert (found.replicas, found.able[1]) == (2, "ScaleUpStabilized")
    assert limit(up, 2, 6, history, 61.0).replicas == 6


def test_a_policy_counts_what_was_done_in_its_period() -> None:
    """Four pods a minute: eight leave in two minutes."""
    down = spec(scaleDown=policies(("Pods", 4, 60), stabilizationWindowSeconds=0))
    history, current, seen = History(), 80, []
    for moment in range(0, 121, 15):
        found = limit(down, current, 1, history, float(moment)).replicas
        history.changed.append((float(moment), found - current))
        current = found
        seen.append(current)
    assert seen == [76, 76, 76, 76, 72, 72, 72, 72, 68]


@pytest.mark.parametrize(("select", "replicas"), [("Max", 72), ("Min", 76), ("Disabled", 80)])
def test_which_policy_holds(select: str, replicas: int) -> None:
    rules = policies(("Pods", 4, 60), ("Percent", 10, 60), selectPolicy=select, stabilizationWindowSeconds=0)
    assert limit(spec(scaleDown=rules), 80, 1, History(), 0.0).replicas == replicas


def test_a_pod_leaves_each_minute_after_a_pause_of_five() -> None:
    """What cluster/s2-hpa.yaml asks for."""
    rules = spec(2, 6, scaleDown=policies(("Pods", 1, 60), stabilizationWindowSeconds=300))
    history, current, left = History(), 6, []
    for moment in range(0, 600, 15):
        wanted = 6 if moment < 60 else 2
        found = limit(rules, current, wanted, history, float(moment)).replicas
        if found != current:
            history.changed.append((float(moment), found - current))
            left.append(moment)
            current = found
    assert (current, left) == (2, [345, 405, 465, 525])
