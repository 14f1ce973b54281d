from typing import Any

from pocket.controllers.replicaset import decide
from pocket.objects import Obj, name_of
from tests.pocket.controllers.kit import NOW, pod, template


def replica_set(replicas: int | None = 3, **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs", "namespace": "ns", "uid": "rs", "generation": 4},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template(), **spec},
    }


def test_missing_pods_are_created() -> None:
    rs = replica_set(3)
    plan = decide(rs, [pod(owner=rs)], NOW)
    assert (plan.create, plan.delete) == (2, ())
    assert decide(replica_set(None), [], NOW).create == 1
    assert decide(replica_set(0), [], NOW).create == 0


def test_pods_that_ended_or_are_going_do_not_count() -> None:
    rs = replica_set(1)
    assert decide(rs, [pod(owner=rs, phase="Failed"), pod(owner=rs, going=True)], NOW).create == 1


def test_status() -> None:
    rs = replica_set(3, minReadySeconds=10)
    plan = decide(rs, [pod(owner=rs), pod(owner=rs, since=4), pod(owner=rs, ready=False)], NOW)
    assert plan.status == {
        "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1, "observedGeneration": 4,
    }  # fmt: skip
    assert plan.wake == 6


def test_those_that_serve_least_go_first() -> None:
    rs = replica_set(0)
    pods = [
        pod("old", owner=rs, since=500, created=500),
        pod("new", owner=rs, since=5, created=5),
        pod("cheap", owner=rs, annotations={"controller.kubernetes.io/pod-deletion-cost": "-1"}),
        pod("unready", owner=rs, ready=False, created=900),
        pod("pending", owner=rs, ready=False, phase="Pending", created=900),
    ]
    assert [name_of(entry) for entry in decide(rs, pods, NOW).delete] == ["pending", "unready", "cheap", "new", "old"]
    rs["spec"]["replicas"] = 3
    assert [name_of(entry) for entry in decide(rs, pods, NOW).delete] == ["pending", "unready"]


def test_orphans_that_fit_are_adopted_and_strangers_left_alone() -> None:
    rs, other = replica_set(1), {**replica_set(), "metadata": {"name": "other", "uid": "other"}}
    orphan, strange, owned = pod("orphan"), pod("strange", labels={"app": "b"}), pod("owned", owner=other)
    plan = decide(rs, [orphan, strange, owned], NOW)
    assert ([name_of(entry) for entry in plan.adopt], plan.create, plan.delete) == (["orphan"], 0, ())


def test_a_pod_that_fits_no_longer_is_released_and_replaced() -> None:
    rs = replica_set(1)
    plan = decide(rs, [pod("taken", owner=rs, labels={"app": "debug"})], NOW)
    assert [name_of(entry) for entry in plan.release] == ["taken"]
    assert plan.create == 1


def test_what_is_being_deleted_makes_nothing() -> None:
    rs = replica_set(3)
    rs["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    plan = decide(rs, [pod(owner=rs)], NOW)
    assert (plan.create, plan.delete, plan.status["replicas"]) == (0, (), 1)
