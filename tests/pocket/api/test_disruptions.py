from __future__ import annotations

from typing import Any

import pytest

from pocket.api import disruptions
from pocket.api.errors import ApiError
from pocket.objects import Obj

WEB = {"matchLabels": {"app": "web"}}


def pod(name: str, *, ready: bool = True, phase: str = "Running") -> Obj:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "status": {"phase": phase, "conditions": conditions}}


def budget(name: str = "b", **spec: Any) -> Obj:
    return {"metadata": {"name": name}, "spec": {"selector": WEB, **(spec or {"minAvailable": 1})}}


@pytest.mark.parametrize(
    ("spec", "expected", "healthy", "result"),
    [
        ({"minAvailable": 1}, 3, 3, 2),
        ({"minAvailable": "50%"}, 3, 3, 1),  # rounded up to 2
        ({"maxUnavailable": 1}, 3, 3, 1),
        ({"maxUnavailable": 1}, 3, 2, 0),
        ({"maxUnavailable": "50%"}, 3, 3, 2),
        ({"maxUnavailable": 0}, 3, 3, 0),
        ({"maxUnavailable": 1}, 0, 0, 0),
        ({"selector": WEB}, 1, 1, 0),
        ({"minAvailable": 5}, 3, 3, 0),
    ],
)
def test_how_many_pods_may_be_disturbed(spec: Obj, expected: int, healthy: int, result: int) -> None:
    pods = [pod(str(number), ready=number < healthy) for number in range(expected)]
    assert disruptions.room(budget(**spec), pods).allowed == result


def test_the_last_ready_pod_stays() -> None:
    with pytest.raises(ApiError, match="disruption budget") as caught:
        disruptions.refuse(pod("a"), [budget()], [pod("a"), pod("b", ready=False)])
    assert caught.value.code == 429
    assert "b needs 1 healthy pods and has 1 currently" in str(caught.value.status())
    disruptions.refuse(pod("a"), [budget()], [pod("a"), pod("b")])
    disruptions.refuse(pod("b", ready=False), [budget()], [pod("a"), pod("b", ready=False)])
    disruptions.refuse(pod("a"), [], [pod("a")])


def test_the_broken_ones_of_a_broken_application_go_only_where_the_budget_says_so() -> None:
    pods = [pod("a", ready=False), pod("b", ready=False)]
    with pytest.raises(ApiError):
        disruptions.refuse(pods[0], [budget()], pods)
    disruptions.refuse(pods[0], [budget(minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")], pods)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_who_does_not_run_is_never_missed(phase: str) -> None:
    waiting = pod("a", ready=False, phase=phase)
    disruptions.refuse(waiting, [budget(), budget("c")], [waiting])


def test_two_budgets_for_one_pod_are_an_error() -> None:
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as caught:
        disruptions.refuse(pod("a"), [budget(), budget("c")], [pod("a"), pod("b")])
    assert caught.value.code == 500
