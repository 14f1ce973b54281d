from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pocket.api import validate
from pocket.kinds import fill_defaults
from pocket.objects import Obj
from tests.pocket.api.known import struct_of


def deployment() -> Obj:
    return _filled(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {
                        "containers": [
                            {
                                "name": "web",
                                "image": "web:1",
                                "ports": [{"containerPort": 80, "name": "http"}],
                                "readinessProbe": {"httpGet": {"port": "http", "path": "/"}},
                                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                            }
                        ],
                        "volumes": [{"name": "data", "emptyDir": {}}],
                    },
                },
            },
        }
    )


def service() -> Obj:
    return _filled(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]},
        }
    )


def job() -> Obj:
    template: Obj = {"spec": {"restartPolicy": "Never", "containers": [{"name": "run", "image": "run:1"}]}}
    return _filled(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "run"}, "spec": {"template": template}}
    )


def _filled(obj: Obj) -> Obj:
    fill_defaults(obj)
    return obj


def container(obj: Obj) -> Obj:
    found: Obj = obj["spec"]["template"]["spec"]["containers"][0]
    return found


def found(obj: Obj) -> list[str]:
    return [str(error) for error in validate.check(obj, struct_of(obj))]


@pytest.mark.parametrize("make", [deployment, service, job])
def test_good_objects_pass(make: Callable[[], Obj]) -> None:
    assert found(make()) == []


Change = Callable[[Obj], Any]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (lambda o: o["metadata"].update(name="Web_1"), "metadata.name", "a lowercase RFC 1123 subdomain must"),
        (lambda o: o["metadata"].pop("name"), "metadata.name", "Required value: name or generateName is required"),
        (lambda o: o["metadata"].update(labels={"a b": "x"}), "metadata.labels", "name part must consist of"),
        (lambda o: o["metadata"].update(labels={"a": "x y"}), "metadata.labels", "a valid label must be"),
        (lambda o: o["metadata"].update(labels={"a": "x" * 64}), "metadata.labels", "no more than 63 characters"),
        (lambda o: o["spec"].update(replicas=-1), "spec.replicas", "must be greater than or equal to 0"),
        (lambda o: o["spec"].pop("selector"), "spec.selector", "Required value"),
        (lambda o: o["spec"].update(selector={}), "spec.selector", "empty selector is invalid for deployment"),
        (
            lambda o: o["spec"].update(selector={"matchLabels": {"app": "x"}}),
            "spec.template.metadata.labels",
            'Invalid value: {"app":"web"}: `selector` does not match template `labels`',
        ),
        (lambda o: o["spec"]["strategy"].update(type="Blue"), "spec.strategy.type", 'Unsupported value: "Blue"'),
        (
            lambda o: o["spec"]["strategy"].update(type="Recreate"),
            "spec.strategy.rollingUpdate",
            "Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            lambda o: o["spec"]["strategy"].update(rollingUpdate={"maxUnavailable": 0, "maxSurge": 0}),
            "spec.strategy.rollingUpdate.maxUnavailable",
            "may not be 0 when `maxSurge` is 0",
        ),
        (
            lambda o: o["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable="ten"),
            "spec.strategy.rollingUpdate.maxUnavailable",
            "a valid percent string",
        ),
        (lambda o: o["spec"]["template"]["spec"].update(containers=[]), "spec.template.spec.containers", "Required"),
        (lambda o: container(o).pop("image"), "spec.template.spec.containers[0].image", "Required value"),
        (lambda o: container(o).update(name="Web"), "spec.template.spec.containers[0].name", "RFC 1123 label"),
        (
            lambda o: o["spec"]["template"]["spec"]["containers"].append({"name": "web", "image": "x"}),
            "spec.template.spec.containers[1].name",
            'Duplicate value: "web"',
        ),
        (
            lambda o: container(o).update(ports=[{"containerPort": 0}]),
            "spec.template.spec.containers[0].ports[0].containerPort",
            "must be between 1 and 65535, inclusive",
        ),
        (
            lambda o: container(o)["ports"].append({"containerPort": 81, "name": "http"}),
            "spec.template.spec.containers[0].ports[1].name",
            "Duplicate value",
        ),
        (
            lambda o: container(o).update(ports=[{"containerPort": 80, "name": "much-too-long-name"}]),
            "spec.template.spec.containers[0].ports[0].name",
            "no more than 15 characters",
        ),
        (
            lambda o: container(o).update(imagePullPolicy="Sometimes"),
            "spec.template.spec.containers[0].imagePullPolicy",
            'Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
        ),
        (
            lambda o: container(o)["readinessProbe"].update(periodSeconds=-1),
            "spec.template.spec.containers[0].readinessProbe.periodSeconds",
            "greater than or equal to 0",
        ),
        (
            lambda o: container(o).update(livenessProbe={"successThreshold": 2, "exec": {"command": ["true"]}}),
            "spec.template.spec.containers[0].livenessProbe.successThreshold",
            "must be 1",
        ),
        (
            lambda o: container(o).update(livenessProbe={"periodSeconds": 1}),
            "spec.template.spec.containers[0].livenessProbe",
            "must specify a handler type",
        ),
        (
            lambda o: container(o)["readinessProbe"].update(tcpSocket={"port": 1}),
            "spec.template.spec.containers[0].readinessProbe.tcpSocket",
            "may not specify more than 1 handler type",
        ),
        (
            lambda o: container(o).update(env=[{"name": "A=B", "value": "1"}]),
            "spec.template.spec.containers[0].env[0].name",
            "a valid environment variable name",
        ),
        (
            lambda o: container(o).update(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {}}}]),
            "spec.template.spec.containers[0].env[0].valueFrom",
            "may not be specified when `value` is not empty",
        ),
        (
            lambda o: container(o)["volumeMounts"][0].update(name="nope"),
            "spec.template.spec.containers[0].volumeMounts[0].name",
            'Not found: "nope"',
        ),
        (
            lambda o: o["spec"]["template"]["spec"].update(restartPolicy="Never"),
            "spec.template.spec.restartPolicy",
            'Unsupported value: "Never": supported values: "Always"',
        ),
        (
            lambda o: o["spec"]["template"]["spec"].update(terminationGracePeriodSeconds=-1),
            "spec.template.spec.terminationGracePeriodSeconds",
            "greater than or equal to 0",
        ),
    ],
)
def test_a_deployment_that_is_wrong(change: Change, path: str, message: str) -> None:
    obj = deployment()
    change(obj)
    errors = {error.path: error.message for error in validate.check(obj, struct_of(obj))}
    assert message in errors[path]


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        (lambda o: o["metadata"].update(name="1web"), "metadata.name", "a DNS-1035 label must consist of"),
        (lambda o: o["spec"].update(ports=[]), "spec.ports", "Required value"),
        (lambda o: o["spec"]["ports"][0].update(port=70000), "spec.ports[0].port", "between 1 and 65535"),
        (lambda o: o["spec"]["ports"][0].update(targetPort=0), "spec.ports[0].targetPort", "between 1 and 65535"),
        (lambda o: o["spec"]["ports"].append({"port": 81}), "spec.ports[1].name", "Required value"),
        (lambda o: o["spec"]["ports"].append({"port": 80, "name": "b"}), "spec.ports[1]", "Duplicate value"),
        (lambda o: o["spec"].update(type="Public"), "spec.type", 'Unsupported value: "Public"'),
        (lambda o: o["spec"]["ports"][0].update(nodePort=30000), "spec.ports[0].nodePort", "may not be used when"),
        (lambda o: o["spec"].update(type="ExternalName"), "spec.externalName", "Required value"),
    ],
)
def test_a_service_that_is_wrong(change: Change, path: str, message: str) -> None:
    obj = service()
    change(obj)
    errors = {error.path: error.message for error in validate.check(obj, struct_of(obj))}
    assert message in errors[path]


def test_a_job_does_not_restart_always() -> None:
    obj = job()
    obj["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    assert found(obj) == [
        'spec.template.spec.restartPolicy: Unsupported value: "Always": supported values: "OnFailure", "Never"'
    ]


@pytest.mark.parametrize(
    ("make", "change", "path"),
    [
        (deployment, lambda o: o["spec"]["selector"]["matchLabels"].update(x="y"), "spec.selector"),
        (job, lambda o: container(o).update(image="run:2"), "spec.template"),
        (job, lambda o: o["spec"].update(completions=5), "spec.completions"),
        (service, lambda o: o["spec"].update(clusterIP="10.96.0.8"), "spec.clusterIP"),
    ],
)
def test_what_cannot_be_changed(make: Callable[[], Obj], change: Change, path: str) -> None:
    old, new = make(), make()
    change(new)
    messages = {error.path: error.message for error in validate.check_update(new, old, struct_of(old))}
    assert messages[path].endswith("field is immutable")
    assert validate.check_update(copy.deepcopy(old), old, struct_of(old)) == []


def test_a_pod_stays_as_it_is() -> None:
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "x"}]},
    }
    changed = copy.deepcopy(pod)
    changed["spec"]["containers"][0]["image"] = "y"
    assert "delete the pod and create it anew" in str(validate.check_update(changed, pod, struct_of(pod))[0])
    changed["spec"] = copy.deepcopy(pod["spec"])
    changed["metadata"]["labels"] = {"a": "b"}
    assert validate.check_update(changed, pod, struct_of(pod)) == []


def test_secrets_have_the_keys_of_their_type() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "type": "kubernetes.io/dockerconfigjson", "data": {}}
    assert found(secret) == ["data[.dockerconfigjson]: Required value"]
    config = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"not a key": ""}}
    assert "a valid config key must consist of" in found(config)[0]


def test_an_immutable_config_map_stays_as_it_is() -> None:
    old = {"kind": "ConfigMap", "metadata": {"name": "c"}, "immutable": True, "data": {"a": "1"}}
    new = {**old, "data": {"a": "2"}}
    assert [error.path for error in validate.check_update(new, old, struct_of(old))] == ["data"]


def test_a_budget_has_one_bound() -> None:
    budget = {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "maxUnavailable": 1},
    }
    assert "cannot be both set" in found(budget)[0]


_REFUSED = [
    ("/abs", ["must be a relative path"]),
    ("../x", ["must not contain '..'"]),
    ("a/../../x", ["must not contain '..'"]),
    ("/a/..", ["must be a relative path", "must not contain '..'"]),
    ("..x", ["must not start with '..'"]),
]


@pytest.mark.parametrize(("value", "whys"), _REFUSED)
def test_files_of_volumes_stay_in_them(value: str, whys: list[str]) -> None:
    item = {"key": "k", "path": value}
    field = {"path": value, "fieldRef": {"fieldPath": "metadata.name"}}
    where = "spec.template.spec.volumes[0]"
    for volume, path in (
        ({"configMap": {"name": "c", "items": [item]}}, f"{where}.configMap.items[0].path"),
        ({"secret": {"secretName": "c", "items": [item]}}, f"{where}.secret.items[0].path"),
        ({"downwardAPI": {"items": [field]}}, f"{where}.downwardAPI.path"),
        ({"projected": {"sources": [{}, {"secret": {"name": "c", "items": [item]}}]}},
         f"{where}.projected.sources[1].secret.items[0].path"),
        ({"projected": {"sources": [{"serviceAccountToken": {"path": value}}]}}, f"{where}.projected.path"),
    ):  # fmt: skip
        obj = deployment()
        obj["spec"]["template"]["spec"]["volumes"] = [{"name": "data", **volume}]
        assert found(obj) == [f'{path}: Invalid value: "{value}": {why}' for why in whys]


@pytest.mark.parametrize(("value", "whys"), [case for case in _REFUSED if case[0] != "..x"])
def test_a_sub_path_stays_in_its_volume(value: str, whys: list[str]) -> None:
    obj = deployment()
    container(obj)["volumeMounts"][0]["subPath"] = value
    path = "spec.template.spec.containers[0].volumeMounts[0].subPath"
    assert found(obj) == [f'{path}: Invalid value: "{value}": {why}' for why in whys]


def test_a_newline_ends_no_name() -> None:
    obj = deployment()
    obj["metadata"]["name"] = "web\n"
    assert found(obj)[0].startswith("metadata.name: Invalid value")
