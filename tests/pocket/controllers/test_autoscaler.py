from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pocket.api.catalog import Catalog
from pocket.api.contracts import Figures, Usage
from pocket.controllers import common
from pocket.controllers.autoscaler import Autoscaler, Decision, decide
from pocket.controllers.scalerate import History
from pocket.kinds import fill_defaults
from pocket.objects import Obj, condition, name_of, uid_of
from pocket.store import Store
from tests.pocket.controllers.kit import NOW
from tests.pocket.controllers.test_utilisation import CPU, figures, worker

ROOT = Path(__file__).parents[3]


def scaler(name: str = "h", *, to: str = "web", kind: str = "Deployment", **spec: Any) -> Obj:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": to}
    made: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "ns", "generation": 1},
        "spec": {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 5, "metrics": [CPU], **spec},
    }
    return made


def decided(autoscaler: Obj, current: int, used: float | None = None) -> Decision:
    pods = [worker() for _ in range(current)]
    known = figures(*((pod, used) for pod in pods)) if used is not None else {}
    return decide(autoscaler, current, pods, known, History(), NOW, 0.0)


def conditions(decision: Decision) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in decision.status["conditions"]}


def test_more_where_they_are_busier_than_wanted() -> None:
    found = decided(scaler(), 2, 0.1)
    assert found.replicas == 4
    assert conditions(found) == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    assert (found.status["currentReplicas"], found.status["desiredReplicas"]) == (2, 4)
    assert found.status["lastScaleTime"] == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    words = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    assert found.events == ((True, "SuccessfulRescale", words),)


def test_nothing_where_they_are_as_busy_as_wanted() -> None:
    found = decided(scaler(), 2, 0.05)
    assert (found.replicas, found.events) == (None, ())
    assert conditions(found)["AbleToScale"] == ("True", "ReadyForNewScale")


@pytest.mark.parametrize(("current", "replicas"), [(7, 5), (1, 2)])
def test_the_bounds_hold_without_any_metric(current: int, replicas: int) -> None:
    found = decided(scaler(minReplicas=2), current)
    assert found.replicas == replicas
    assert "Spec.M" in found.events[0][2]


def test_zero_replicas_switch_it_off() -> None:
    found = decided(scaler(), 0)
    assert found.replicas is None
    assert conditions(found)["ScalingActive"] == ("False", "ScalingDisabled")


def test_without_figures_it_says_so_and_leaves_all_as_it_is() -> None:
    found = decided(scaler(), 2)
    assert found.replicas is None
    assert conditions(found)["ScalingActive"] == ("False", "FailedGetResourceMetric")
    assert [event[1] for event in found.events] == ["FailedGetResourceMetric", "FailedComputeMetricsReplicas"]


def test_the_metric_that_asks_for_most_decides_and_one_that_is_missing_only_forbids_to_shrink() -> None:
    lost = {"type": "Pods", "pods": {}}
    lazy: Obj = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 90}}}
    assert decided(scaler(metrics=[lazy, CPU]), 2, 0.1).replicas == 4
    assert decided(scaler(metrics=[CPU, lost]), 2, 0.1).replicas == 4
    shrinks = scaler(metrics=[CPU, lost], behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    assert decided(shrinks, 2, 0.01).replicas is None
    assert conditions(decided(shrinks, 2, 0.01))["ScalingActive"] == ("False", "FailedGetPodsMetric")


# -- with a store ----------------------------------------------------------------------------------------------------


def deployment(replicas: int = 1, name: str = "web") -> Obj:
    labels = {"app": "a"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}},
    }


def store_with(*objects: Obj) -> Store:
    store = Store()
    for obj in objects:
        fill_defaults(obj)
        store.create(obj)
    return store


def step(store: Store, cpu: float) -> None:
    async def usage(pods: Sequence[Obj]) -> dict[str, Figures]:
        return {uid_of(pod): Figures(common.moment(), 10.0, {"a": Usage(cpu, 1 << 20)}) for pod in pods}

    asyncio.run(Autoscaler(store, Catalog(store), usage).step())


def test_it_writes_the_scale_of_its_target() -> None:
    store = store_with(deployment(), scaler(), worker())
    step(store, 0.1)
    assert store.get("Deployment", "ns", "web")["spec"]["replicas"] == 2
    written = store.get("HorizontalPodAutoscaler", "ns", "h")
    assert written["status"]["desiredReplicas"] == 2
    assert "SuccessfulRescale" in {event["reason"] for event in store.list("Event")}


def test_a_custom_kind_with_a_scale_is_scaled_too() -> None:
    definition = yaml.safe_load("""
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: fleets.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {plural: fleets, singular: fleet, kind: Fleet, listKind: FleetList}
          versions:
            - name: v1
              served: true
              storage: true
              schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
              subresources:
                scale:
                  {specReplicasPath: .spec.size, statusReplicasPath: .status.size, labelSelectorPath: .status.picks}
        status: {conditions: [{type: Established, status: "True"}]}
    """)
    fleet: Obj = {
        "apiVersion": "example.com/v1",
        "kind": "Fleet",
        "metadata": {"name": "f", "namespace": "ns"},
        "spec": {"size": 1},
        "status": {"size": 1, "picks": "app=a"},
    }
    own = scaler(scaleTargetRef={"apiVersion": "example.com/v1", "kind": "Fleet", "name": "f"})
    store = store_with(definition, fleet, own, worker())
    step(store, 0.1)
    assert store.get("Fleet.example.com", "ns", "f")["spec"]["size"] == 2


@pytest.mark.parametrize(
    ("objects", "kind", "reason"),
    [
        ([scaler()], "AbleToScale", "FailedGetScale"),
        ([scaler(kind="DaemonSet")], "AbleToScale", "FailedGetScale"),
        ([scaler(), scaler("i"), deployment()], "ScalingActive", "AmbiguousSelector"),
    ],
)
def test_targets_that_cannot_be_scaled(objects: list[Obj], kind: str, reason: str) -> None:
    store = store_with(worker(), *objects)
    step(store, 0.1)
    found = condition(store.get("HorizontalPodAutoscaler", "ns", "h"), kind)
    assert found is not None
    assert (found["status"], found["reason"]) == ("False", reason)
    assert {obj["spec"]["replicas"] for obj in store.list("Deployment")} <= {1}


def test_one_that_fails_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    broken = scaler("broken", to="other", metrics=[{"type": "Resource"}])
    other = deployment(name="other") | {"spec": {"replicas": 1, "selector": {"matchLabels": {"app": "b"}}}}
    store = store_with(broken, other, deployment(), scaler(), worker(), worker(labels={"app": "b"}))
    step(store, 0.1)
    assert store.get("Deployment", "ns", "web")["spec"]["replicas"] == 2
    assert "broken failed" in caplog.text


def test_the_projects_own_work_as_they_are() -> None:
    for file in ("s2-hpa.yaml", "db-hpa.yaml"):
        for own in yaml.safe_load_all((ROOT / "cluster" / file).read_text()):
            fill_defaults(own)
            own["metadata"]["generation"] = 1
            container = own["spec"]["metrics"][0]["containerResource"]["container"]
            pods = [worker(), worker()]
            for one in pods:
                one["spec"]["containers"][0]["name"] = container
            known = {uid_of(one): Figures(NOW, 10.0, {container: Usage(0.105, 1)}) for one in pods}
            assert decide(own, 2, pods, known, History(), NOW, 0.0).replicas == 3, name_of(own)
