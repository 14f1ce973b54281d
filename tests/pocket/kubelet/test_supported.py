import pytest

from pocket.kubelet import supported
from pocket.objects import Obj
from pocket.schemas import kubernetes


def pod(**spec: object) -> Obj:
    return {"kind": "Pod", "spec": {"containers": [{"name": "a", "image": "x"}], **spec}}


def paths(obj: Obj) -> list[str]:
    return [error.path for error in supported.check(obj)]


def test_a_plain_pod_is_fine() -> None:
    assert paths(pod(nodeSelector={"a": "b"}, hostNetwork=False, volumes=[{"name": "v", "emptyDir": {}}])) == []


@pytest.mark.parametrize(
    ("container", "path"),
    [
        ({"livenessProbe": {"grpc": {"port": 1}}}, "livenessProbe.grpc"),
        ({"ports": [{"containerPort": 1}, {"containerPort": 2, "hostPort": 2}]}, "ports[1].hostPort"),
        ({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"key": "k"}}}]}, "env[0].valueFrom.fileKeyRef"),
        ({"lifecycle": {"preStop": {"tcpSocket": {"port": 1}}}}, "lifecycle.preStop.tcpSocket"),
        ({"volumeMounts": [{"subPathExpr": "x"}]}, "volumeMounts[0].subPathExpr"),
    ],
)
def test_containers(container: Obj, path: str) -> None:
    for group in ("containers", "initContainers"):
        assert paths({"kind": "Pod", "spec": {group: [container]}}) == [f"spec.{group}[0].{path}"]


def test_pods_volumes_and_templates() -> None:
    assert paths(pod(hostNetwork=True)) == ["spec.hostNetwork"]
    assert paths(pod(volumes=[{"name": "v", "hostPath": {}}])) == ["spec.volumes[0].hostPath"]
    template = {"spec": {"template": pod(hostAliases=[{}])}}
    for kind in ("Deployment", "ReplicaSet", "Job"):
        assert paths({"kind": kind, **template}) == ["spec.template.spec.hostAliases"]
    assert paths({"kind": "Job", "spec": {"podFailurePolicy": {"rules": []}}}) == ["spec.podFailurePolicy"]


def test_messages_say_why_and_other_kinds_are_none_of_our_business() -> None:
    (error,) = supported.check(pod(readinessGates=[{"conditionType": "x"}]))
    assert error.message == "not supported by pocket: nobody sets the conditions"
    assert supported.check({"kind": "ConfigMap", "data": {}}) == []


@pytest.mark.parametrize(
    ("table", "type_name"),
    [
        (supported.POD, "core.v1.PodSpec"),
        (supported.CONTAINER, "core.v1.Container"),
        (supported.VOLUME, "core.v1.Volume"),
        (supported.JOB, "batch.v1.JobSpec"),
    ],
)
def test_the_table_names_fields_that_exist(table: dict[str, object], type_name: str) -> None:
    for path in filter(None, table):
        current = kubernetes.struct(f"io.k8s.api.{type_name}")
        for part in path.split("."):
            field = current.fields[part.removesuffix("[]")]
            kind = field.of if part.endswith("[]") else field
            assert kind is not None
            if kind.struct is not None:
                current = kind.struct


def test_the_table_is_rendered() -> None:
    text = supported.markdown()
    assert "| pod `spec.hostNetwork` | refused |" in text
    assert "| any other kind of volume | refused |" in text
