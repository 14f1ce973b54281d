from typing import Any

import pytest

from pocket.kubelet.status import ContainerStatus, pod_status, qos_class, waiting
from pocket.objects import Obj

POD: Obj = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}


def status(*containers: ContainerStatus, pod: Obj = POD, **more: Any) -> Obj:
    given: dict[str, Any] = {"init": [], "initialized": True, "ready": False, "phase": None, "time": "T1", **more}
    return pod_status(pod, containers=containers, **given)


def condition(status: Obj, kind: str) -> Obj:
    return dict(next(entry for entry in status["conditions"] if entry["type"] == kind))


def running(ready: bool = True) -> ContainerStatus:
    return ContainerStatus("a", "i:1", ready=ready, started=True, state={"running": {"startedAt": "T0"}})


def test_pending_running_and_ready() -> None:
    fresh = status(ContainerStatus("a", "i:1"))
    assert fresh["phase"] == "Pending"
    assert fresh["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    up = status(running(ready=False))
    assert up["phase"] == "Running"
    assert condition(up, "ContainersReady")["message"] == "containers with unready status: [a]"
    assert condition(up, "Ready")["reason"] == "ContainersNotReady"


def test_a_pod_is_ready_later_than_its_containers() -> None:
    told = status(running(), ready=False)
    assert condition(told, "ContainersReady")["status"] == "True"
    assert condition(told, "Ready")["status"] == "False"
    assert condition(status(running(), ready=True), "Ready")["status"] == "True"


def test_uninitialized_pods_are_pending() -> None:
    assert status(running(), initialized=False)["phase"] == "Pending"


def test_a_crashing_pod_is_running() -> None:
    crashed = ContainerStatus("a", "i:1", restarts=2, state=waiting("CrashLoopBackOff", "m"))
    assert status(crashed)["phase"] == "Running"


def test_ended_pods() -> None:
    ended = status(ContainerStatus("a", "i:1", state={"terminated": {"exitCode": 0}}), phase="Succeeded")
    assert condition(ended, "Ready")["reason"] == "PodCompleted"
    assert condition(ended, "Initialized")["status"] == "True"


def test_transition_times_move_with_the_status_alone() -> None:
    first = status(running(ready=False))
    second = status(running(), pod={**POD, "status": first}, ready=True, time="T2")
    assert condition(second, "PodScheduled")["lastTransitionTime"] == "T1"
    assert condition(second, "Ready")["lastTransitionTime"] == "T2"
    assert second["startTime"] == "T1"


def test_image_and_digest() -> None:
    entry = ContainerStatus("a", "x/y:v1", digest="sha256:1").as_object()
    assert entry["imageID"] == "x/y:v1@sha256:1"
    assert entry["image"] == "x/y:v1"


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "0.5"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Obj, quality: str) -> None:
    assert qos_class({"spec": {"containers": [{"resources": resources}]}}) == quality


def test_conditions_that_others_set_stay() -> None:
    theirs = {"type": "example.com/Checked", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pod = {"spec": {"containers": [{"name": "web", "image": "x:1"}]}, "status": {"conditions": [theirs]}}
    time = "2026-01-02T00:00:00Z"
    made = pod_status(pod, init=[], containers=[], initialized=True, ready=False, phase=None, time=time)
    assert theirs in made["conditions"]
