from __future__ import annotations

from typing import Any

import pytest

from pocket.controllers.budgets import budget_status
from pocket.objects import Obj
from tests.pocket.controllers.kit import pod


def budget(**spec: Any) -> Obj:
    return {"metadata": {"generation": 1}, "spec": {"selector": {"matchLabels": {"app": "a"}}, **spec}}


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"maxUnavailable": 1}, 2, 1),
        ({"minAvailable": 1}, 1, 2),
        ({"minAvailable": "100%"}, 3, 0),
        ({"maxUnavailable": "50%"}, 1, 2),
    ],
)
def test_budgets(spec: Obj, desired: int, allowed: int) -> None:
    status = budget_status(budget(**spec), [pod(), pod(), pod(), pod(labels={"app": "b"})], {}, "T")
    assert (status["expectedPods"], status["currentHealthy"]) == (3, 3)
    assert (status["desiredHealthy"], status["disruptionsAllowed"]) == (desired, allowed)
    assert status["conditions"][0]["status"] == ("True" if allowed else "False")


def test_what_is_not_ready_is_not_healthy() -> None:
    status = budget_status(budget(maxUnavailable=1), [pod(), pod(ready=False)], {}, "T")
    assert (status["currentHealthy"], status["disruptionsAllowed"]) == (1, 0)
