"""The examples of Kubernetes' documentation of the algorithm, and the cases of its replica calculator's own tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pocket.api.contracts import Figures, Usage
from pocket.controllers.utilisation import CannotTell, Tolerance, propose
from pocket.objects import Obj, uid_of
from tests.pocket.controllers.kit import NOW, ago, pod

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


def worker(request: str = "100m", *, sidecar: str | None = None, started: float = 1000, **more: Any) -> Obj:
    made = pod(created=started, since=more.pop("since", started - 5), **more)
    containers = {"a": request} | ({"proxy": sidecar} if sidecar else {})
    made["spec"]["containers"] = [
        {"name": name, "resources": {"requests": {"cpu": cpu, "memory": "100Mi"}}} for name, cpu in containers.items()
    ]
    made["status"]["startTime"] = ago(started)
    return made


def figures(*entries: tuple[Obj, float], proxy: float = 0.0) -> dict[str, Figures]:
    """Processors that a pod's container uses."""
    return {
        uid_of(pod): Figures(
            NOW - timedelta(seconds=2), 10.0, {"a": Usage(cpu, 50 << 20), "proxy": Usage(proxy, 10 << 20)}
        )
        for pod, cpu in entries
    }


def ask(metric: Obj, pods: list[Obj], known: dict[str, Figures], tolerance: Tolerance | None = None) -> int:
    return propose(metric, len(pods), pods, known, tolerance or Tolerance(), NOW).replicas


@pytest.mark.parametrize(
    ("used", "replicas"),
    [
        (0.100, 4),  # twice as much as wanted: twice as many
        (0.025, 1),  # half
        (0.055, 2),  # 1.1: within the tolerance
        (0.056, 3),  # 1.12
        (0.045, 2),  # 0.9
        (0.000, 0),
    ],
)
def test_the_share_of_what_is_requested(used: float, replicas: int) -> None:
    pods = [worker(), worker()]
    assert ask(CPU, pods, figures((pods[0], used), (pods[1], used))) == replicas


def test_a_tolerance_of_ones_own() -> None:
    pods = [worker(), worker()]
    known = figures((pods[0], 0.055), (pods[1], 0.055))
    assert ask(CPU, pods, known, Tolerance(up=0.05)) == 3


def test_what_is_used_stands_in_the_status() -> None:
    pods = [worker(), worker()]
    status = propose(CPU, 2, pods, figures((pods[0], 0.03), (pods[1], 0.04)), Tolerance(), NOW).status
    current = {"averageUtilization": 35, "averageValue": "35m"}
    assert status == {"type": "Resource", "resource": {"name": "cpu", "current": current}}


def test_one_container_alone() -> None:
    pods = [worker(sidecar="100m")]
    known = figures((pods[0], 0.05), proxy=0.5)
    metric = {"type": "ContainerResource", "containerResource": {**CPU["resource"], "container": "a"}}  # type: ignore[dict-item]
    assert ask(metric, pods, known) == 1
    assert ask(CPU, pods, known) == 6  # 550m of 200m


def test_memory_as_an_amount() -> None:
    pods = [worker(), worker()]
    target = {"type": "AverageValue", "averageValue": "30Mi"}
    metric = {"type": "Resource", "resource": {"name": "memory", "target": target}}
    known = figures((pods[0], 0), (pods[1], 0))  # 60 MiB each
    assert ask(metric, pods, known) == 4


def test_pods_without_figures_are_busy_where_it_would_shrink_and_idle_where_it_would_grow() -> None:
    pods = [worker(), worker(), worker()]
    assert ask(CPU, pods, figures((pods[0], 0.01), (pods[1], 0.01))) == 3  # 40 of 50 % with it: 0.8, and 2.4 are 3
    assert ask(CPU, pods, figures((pods[0], 0.1), (pods[1], 0.1))) == 4  # 66 of 50 %
    assert ask(CPU, pods, figures((pods[0], 0.06), (pods[1], 0.06))) == 3  # 40 of 50 %: it would turn


@pytest.mark.parametrize("how", [{"phase": "Pending"}, {"ready": False, "since": 5}, {"since": 5}])
def test_who_just_starts_does_not_count_upwards(how: dict[str, Any]) -> None:
    """Its processor time is that of its start: not ready yet, or no whole window since it is."""
    pods = [worker(), worker(), worker(started=20, **how)]
    known = figures((pods[0], 0.1), (pods[1], 0.1), (pods[2], 2.0))
    assert ask(CPU, pods, known) == 4  # 100 + 100 + 0 of 300, 1.32 times 3


def test_who_goes_or_has_failed_does_not_count() -> None:
    pods = [worker(), worker(going=True), worker(phase="Failed")]
    assert ask(CPU, pods, figures(*((one, 0.1) for one in pods))) == 2


@pytest.mark.parametrize(
    ("metric", "reason", "why"),
    [
        (CPU, "FailedGetResourceMetric", "no metrics returned"),
        ({"type": "Pods", "pods": {}}, "FailedGetPodsMetric", "custom.metrics.k8s.io"),
        ({"type": "External", "external": {}}, "FailedGetExternalMetric", "external.metrics.k8s.io"),
    ],
)
def test_metrics_that_are_not_there(metric: Obj, reason: str, why: str) -> None:
    with pytest.raises(CannotTell, match=why) as error:
        ask(metric, [worker()], {})
    assert error.value.reason == reason


def test_who_requests_nothing_uses_no_share_of_it() -> None:
    bare = worker()
    del bare["spec"]["containers"][0]["resources"]
    with pytest.raises(CannotTell, match="missing request for cpu in container a"):
        ask(CPU, [bare], figures((bare, 0.1)))
    target = {"type": "Utilization", "averageUtilization": 50}
    metric = {"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "b", "target": target}}
    with pytest.raises(CannotTell, match="container b not present") as error:
        ask(metric, [bare], figures((bare, 0.1)))
    assert error.value.reason == "FailedGetContainerResourceMetric"
