from __future__ import annotations

import pytest

from pocket.api import decode
from pocket.api.errors import ApiError
from pocket.objects import Obj
from pocket.schemas import kubernetes

SECRET = kubernetes.of_kind("", "v1", "Secret")


def deployment(**container: object) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web", **container}]}}},
    }


def test_a_good_object_has_no_findings() -> None:
    findings = decode.check(
        deployment(resources={"limits": {"cpu": "100m", "memory": "64Mi"}}, ports=[{"containerPort": 80}]),
        kubernetes.of_kind("apps", "v1", "Deployment"),
    )
    assert findings == decode.Findings()


def test_unknown_fields_are_named_with_their_path() -> None:
    obj = deployment(port=80)
    obj["spec"]["rout"] = 1
    findings = decode.check(obj, kubernetes.of_kind("apps", "v1", "Deployment"))
    assert findings.strict() == [
        'unknown field "spec.template.spec.containers[0].port"',
        'unknown field "spec.rout"',
    ]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"image": 1}, "cannot unmarshal number into Go struct field Container.spec.template.spec.containers[0].image of type string"),  # noqa: E501
        ({"env": [{"name": "A", "value": 1}]}, "cannot unmarshal number into Go struct field EnvVar."),
        ({"ports": [{"containerPort": "80"}]}, "cannot unmarshal string into Go struct field ContainerPort."),
        ({"ports": {"containerPort": 80}}, "cannot unmarshal object into Go struct field Container."),
        ({"tty": "yes"}, "cannot unmarshal string into Go struct field Container."),
        ({"args": [1]}, "cannot unmarshal number into"),
        ({"resources": {"limits": {"memory": "64 MB"}}}, "quantities must match the regular expression"),
        ({"livenessProbe": {"periodSeconds": 1.5}}, "cannot unmarshal number into Go struct field Probe."),
        ({"livenessProbe": {"httpGet": {"port": True}}}, "cannot unmarshal bool into Go struct field HTTPGetAction."),
    ],
)
def test_wrong_types_are_told_as_go_tells_them(container: Obj, message: str) -> None:
    findings = decode.check(deployment(**container), kubernetes.of_kind("apps", "v1", "Deployment"))
    assert len(findings.wrong) == 1
    assert message in findings.wrong[0]


def test_a_secret_holds_base64() -> None:
    assert decode.check({"data": {"a": "aGk="}}, SECRET).wrong == []
    assert decode.check({"data": {"a": "not base64!"}}, SECRET).wrong == ["data.a: illegal base64 data"]


@pytest.mark.parametrize("value", ["1", "0.5", "100m", "64Mi", "1e3", "2Gi", 1, 0.5, "+1", "5k"])
def test_quantities(value: object) -> None:
    assert decode.is_quantity(value)


@pytest.mark.parametrize("value", ["", "64 Mi", "1MB", "Mi", "1.2.3", "ten", True, None])
def test_what_is_no_quantity(value: object) -> None:
    assert not decode.is_quantity(value)


def test_duplicate_fields_are_found_in_json_and_yaml() -> None:
    assert decode.parse(b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}', "application/json") == (
        {"a": 3, "b": {"c": 2}},
        ["a", "b.c"],
    )
    assert decode.parse(b"l:\n- x: 1\n  x: 2\n", "application/yaml") == ({"l": [{"x": 2}]}, ["l[0].x"])


def test_yaml_dates_stay_text() -> None:
    assert decode.parse(b"a: 2020-01-01\nb: 2020-01-01T00:00:00Z\n", "application/yaml")[0] == {
        "a": "2020-01-01",
        "b": "2020-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"a: &x [1]\nb: *x\n", "application/yaml"),
        (b"a: [", "application/yaml"),
        (b"a: !!python/object:os.system {}", "application/yaml"),
        (b"[" * 100000, "application/json"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, content_type: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode.parse(body, content_type)
    assert caught.value.code == 400


def test_a_body_must_be_an_object() -> None:
    with pytest.raises(ApiError, match="must be an object"):
        decode.parse_object(b"[]", "application/json")


def test_prune_takes_fields_out() -> None:
    obj = {"spec": {"a": 1, "list": [{"x": 1}, {"x": 2, "y": 3}]}}
    decode.prune(obj, ["spec.a", "spec.list[1].x", "spec.missing.deep"])
    assert obj == {"spec": {"list": [{"x": 1}, {"y": 3}]}}


def test_keys_that_are_written_twice_are_told_by_their_lines() -> None:
    body = b"spec:\n  foo: 1\n  list:\n  - {a: 1, b: 2, a: 3}\n  foo: 2\nother: {foo: 1}\n"
    assert decode.repeated(body) == ['line 4: key "a" already set in map', 'line 5: key "foo" already set in map']
    assert decode.repeated(b'{"x": {"y": 1, "y": 2}}') == ['line 1: key "y" already set in map']
