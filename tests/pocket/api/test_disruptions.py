from __future__ import annotations

from typing import Any

import pytest

from pocket.api import disruptions
from pocket.api.errors import ApiError
from pocket.objects import Obj
from pocket.store import Store

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
    assert disruptions.room(budget(**spec), pods, {}).allowed == result


def test_the_last_ready_pod_stays() -> None:
    with pytest.raises(ApiError, match="disruption budget") as caught:
        disruptions.refuse(pod("a"), [budget()], [pod("a"), pod("b", ready=False)], {})
    assert caught.value.code == 429
    assert "b needs 1 healthy pods and has 1 currently" in str(caught.value.status())
    disruptions.refuse(pod("a"), [budget()], [pod("a"), pod("b")], {})
    disruptions.refuse(pod("b", ready=False), [budget()], [pod("a"), pod("b", ready=False)], {})
    disruptions.refuse(pod("a"), [], [pod("a")], {})


def test_the_broken_ones_of_a_broken_application_go_only_where_the_budget_says_so() -> None:
    pods = [pod("a", ready=False), pod("b", ready=False)]
    with pytest.raises(ApiError):
        disruptions.refuse(pods[0], [budget()], pods, {})
    disruptions.refuse(pods[0], [budget(minAvailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")], pods, {})


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_who_does_not_run_is_never_missed(phase: str) -> None:
    waiting = pod("a", ready=False, phase=phase)
    disruptions.refuse(waiting, [budget(), budget("c")], [waiting], {})


def test_two_budgets_for_one_pod_are_an_error() -> None:
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as caught:
        disruptions.refuse(pod("a"), [budget(), budget("c")], [pod("a"), pod("b")], {})
    assert caught.value.code == 500


def test_who_has_just_been_evicted_is_missing_until_a_new_pod_is_ready() -> None:
    """Counted by the pods that are left, a drain would take them all within a moment."""
    store = Store()
    meta = {"name": "d", "namespace": "ns"}
    head = {"apiVersion": "apps/v1", "kind": "Deployment"}
    deployment = store.create({**head, "metadata": meta, "spec": {"replicas": 2}})
    owner = {"controller": True, "uid": deployment["metadata"]["uid"]}
    replica_set = store.create(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {**meta, "ownerReferences": [owner]},
            "spec": {"replicas": 2},
        }
    )
    pods = [pod("a"), pod("b")]
    for one in pods:
        one["metadata"]["ownerReferences"] = [{"controller": True, "uid": replica_set["metadata"]["uid"]}]
    numbers = disruptions.scales(store, "ns")
    for spec in ({"maxUnavailable": 1}, {"minAvailable": "50%"}):
        disruptions.refuse(pods[0], [budget(**spec)], pods, numbers)
        gone = pods[0] | {"metadata": pods[0]["metadata"] | {"deletionTimestamp": "2026-11-29T00:00:00Z"}}
        for left in ([pods[1]], [gone, pods[1]]):
            with pytest.raises(ApiError, match="disruption budget"):
                disruptions.refuse(pods[1], [budget(**spec)], left, numbers)
