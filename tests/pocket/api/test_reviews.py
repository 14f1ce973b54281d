from __future__ import annotations

import pytest

from pocket.api import reviews
from pocket.api.errors import ApiError
from pocket.objects import Obj


@pytest.mark.parametrize(
    ("spec", "expected", "healthy", "result"),
    [
        ({"minAvailable": 1}, 3, 3, 2),
        ({"minAvailable": "50%"}, 3, 3, 1),  # rounded up to 2
        ({"maxUnavailable": 1}, 3, 3, 1),
        ({"maxUnavailable": 1}, 3, 2, 0),
        ({"maxUnavailable": "50%"}, 3, 3, 2),
        ({"maxUnavailable": 0}, 3, 3, 0),
        ({}, 1, 1, 1),
        ({"minAvailable": 5}, 3, 3, 0),
    ],
)
def test_how_many_pods_may_be_disturbed(spec: Obj, expected: int, healthy: int, result: int) -> None:
    assert reviews.allowed(spec, expected, healthy) == result


def pod(name: str, *, ready: bool = True) -> Obj:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "status": {"conditions": conditions}}


def budget() -> Obj:
    return {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}


def test_the_last_ready_pod_stays() -> None:
    with pytest.raises(ApiError, match="disruption budget") as caught:
        reviews.refuse_disruption(pod("a"), [budget()], [pod("a"), pod("b", ready=False)])
    assert caught.value.code == 429
    reviews.refuse_disruption(pod("a"), [budget()], [pod("a"), pod("b")])
    reviews.refuse_disruption(pod("b", ready=False), [budget()], [pod("a"), pod("b", ready=False)])
    reviews.refuse_disruption(pod("a"), [], [pod("a")])
