from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from pocket.kinds import fill_defaults, strategy
from pocket.objects import Obj
from pocket.schemas import kubernetes

STRATEGY = strategy("HorizontalPodAutoscaler")
KIND = next(kind for kind in kubernetes.kinds() if kind.key == "HorizontalPodAutoscaler")


def scaler(**spec: Any) -> Obj:
    made: Obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 3, **spec},
    }
    fill_defaults(made)
    return made


def resource(**target: Any) -> Obj:
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def policy(**changed: Any) -> Obj:
    return {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60} | changed]}}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"metrics": [{"type": "Cpu"}]}, "spec.metrics[0].type"),
        ({"metrics": [{"type": "Resource"}]}, "spec.metrics[0].resource"),
        ({"metrics": [resource(type="Utilization")]}, "spec.metrics[0].resource.target"),
        ({"metrics": [resource(averageUtilization=0)]}, "spec.metrics[0].resource.target.averageUtilization"),
        ({"metrics": [resource(averageValue="0")]}, "spec.metrics[0].resource.target.averageValue"),
        ({"metrics": [resource(averageUtilization=1, averageValue="1")]}, "spec.metrics[0].resource.target"),
        (
            {"metrics": [{"type": "ContainerResource", "containerResource": resource(averageValue="1")["resource"]}]},
            "spec.metrics[0].containerResource.container",
        ),
        ({"behavior": {"scaleUp": {"selectPolicy": "Most"}}}, "spec.behavior.scaleUp.selectPolicy"),
        (
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}},
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
        ),
        ({"behavior": {"scaleUp": {"policies": []}}}, "spec.behavior.scaleUp.policies"),
        ({"behavior": policy(type="Nodes")}, "spec.behavior.scaleDown.policies[0].type"),
        ({"behavior": policy(value=0)}, "spec.behavior.scaleDown.policies[0].value"),
        ({"behavior": policy(periodSeconds=1801)}, "spec.behavior.scaleDown.policies[0].periodSeconds"),
    ],
)
def test_what_is_refused(spec: Obj, path: str) -> None:
    assert [error.path for error in STRATEGY.rules(scaler(**spec))] == [path]


def test_what_stands_for_the_rest_of_a_behaviour() -> None:
    made = scaler(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})
    assert STRATEGY.rules(made) == []
    behaviour = made["spec"]["behavior"]
    assert behaviour["scaleUp"]["policies"][0] == {"type": "Pods", "value": 4, "periodSeconds": 15}
    assert behaviour["scaleDown"]["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]
    again = copy.deepcopy(made)
    fill_defaults(again)
    assert again == made


CURRENT = {"averageUtilization": 35, "averageValue": "35m"}
STATUS = {"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": CURRENT}}]}


@pytest.mark.parametrize(
    ("metric", "status", "text"),
    [
        (resource(averageUtilization=70), STATUS, "cpu: 35%/70%"),
        (resource(averageUtilization=70), {}, "cpu: <unknown>/70%"),
        (resource(averageValue="50m"), STATUS, "cpu: 35m/50m"),
    ],
)
def test_the_column_of_the_targets(metric: Obj, status: Obj, text: str) -> None:
    assert STRATEGY.columns is not None
    column = next(column for column in STRATEGY.columns if column.name == "Targets")
    assert column.value(scaler(metrics=[metric]) | {"status": status}, datetime.now(UTC)) == text


def test_version_1_shows_the_processors_share() -> None:
    assert STRATEGY.from_stored is not None
    old = STRATEGY.from_stored(scaler() | {"status": STATUS}, KIND, "v1")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 80
    assert old["status"]["currentCPUUtilizationPercentage"] == 35
