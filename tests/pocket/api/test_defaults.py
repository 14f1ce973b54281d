from __future__ import annotations

import copy

import pytest

from pocket.kinds import fill_defaults, podspec
from pocket.objects import Obj


def template() -> Obj:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}


def objects() -> list[Obj]:
    workload: Obj = {"selector": {"matchLabels": {"app": "web"}}, "template": template()}
    return [
        {"kind": "Deployment", "metadata": {"name": "web"}, "spec": copy.deepcopy(workload)},
        {"kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": copy.deepcopy(workload)},
        {"kind": "Job", "metadata": {"name": "web"}, "spec": {"template": template()}},
        {"kind": "Pod", "metadata": {"name": "web"}, "spec": template()["spec"]},
        {"kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}},
        {"kind": "Secret", "metadata": {"name": "web"}, "stringData": {"a": "b"}},
        {"kind": "Namespace", "metadata": {"name": "web"}},
        {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {"maxReplicas": 3}},
        {"kind": "ConfigMap", "metadata": {"name": "web"}},
    ]


@pytest.mark.parametrize("obj", objects(), ids=lambda obj: obj["kind"])
def test_filling_in_twice_changes_nothing_more(obj: Obj) -> None:
    fill_defaults(obj)
    once = copy.deepcopy(obj)
    fill_defaults(obj)
    assert obj == once


def test_a_deployment_rolls_by_quarters() -> None:
    obj = objects()[0]
    fill_defaults(obj)
    assert obj["spec"]["replicas"] == 1
    assert obj["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    pod = obj["spec"]["template"]["spec"]
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Always", 30)
    assert pod["containers"][0]["imagePullPolicy"] == "Always"


def test_what_is_given_stays() -> None:
    obj = objects()[0]
    obj["spec"] |= {"replicas": 0, "strategy": {"type": "Recreate"}}
    fill_defaults(obj)
    assert obj["spec"]["replicas"] == 0
    assert obj["spec"]["strategy"] == {"type": "Recreate"}


def test_probes_and_ports_are_complete() -> None:
    obj = objects()[0]
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container |= {"ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": 80}}}
    fill_defaults(obj)
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:1", "IfNotPresent"),
        ("host:5000/web", "Always"),
        ("host:5000/web:1", "IfNotPresent"),
        ("web@sha256:0", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert podspec.pull_policy(image) == policy


def test_string_data_becomes_data() -> None:
    secret: Obj = {"kind": "Secret", "metadata": {}, "data": {"old": "eA=="}, "stringData": {"new": "ü"}}
    fill_defaults(secret)
    assert secret["data"] == {"old": "eA==", "new": "w7w="}
    assert "stringData" not in secret


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Obj, qos: str) -> None:
    assert podspec.qos_class({"containers": [{"resources": resources}]}) == qos
