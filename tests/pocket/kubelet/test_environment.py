import base64
from typing import Any

import pytest

from pocket.kubelet.environment import (
    ConfigError,
    command_of,
    container_environment,
    expand,
    service_links,
)
from pocket.objects import Obj


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


OBJECTS = {
    ("Secret", "ns", "s"): {"data": {"key": encoded("secret"), "empty": ""}},
    ("ConfigMap", "ns", "c"): {"data": {"COLOUR": "blue", "key": "config"}, "binaryData": {"bin": encoded("b")}},
}
POD: Obj = {
    "metadata": {
        "name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "x"}, "annotations": {"a/b": "note"},
    },
    "spec": {"nodeName": "pocket", "serviceAccountName": "sa", "containers": []},
}  # fmt: skip


def find(kind: str, namespace: str | None, name: str) -> Obj | None:
    return OBJECTS.get((kind, namespace or "", name))


def env(container: Obj, **more: Any) -> dict[str, str]:
    layers: dict[str, Any] = {"image": {}, "links": {}, "ours": {}, "defaults": {}, **more}
    return container_environment(POD, {"name": "c", **container}, find, **layers)


def value(source: Obj) -> str:
    return env({"env": [{"name": "X", "valueFrom": source}]})["X"]


def test_later_layers_win() -> None:
    container = {"envFrom": [{"configMapRef": {"name": "c"}}], "env": [{"name": "key", "value": "env"}]}
    result = env(container, image={"COLOUR": "red", "A": "image"}, links={"A": "link"}, ours={"key": "ours"})
    assert result == {"COLOUR": "blue", "A": "link", "key": "ours"}


def test_defaults_fill_what_is_missing_or_empty() -> None:
    container = {"env": [{"name": "EMPTY", "value": ""}, {"name": "SET", "value": "own"}]}
    defaults = {"EMPTY": "d", "SET": "d", "MISSING": "d"}
    assert env(container, defaults=defaults) == {"EMPTY": "d", "SET": "own", "MISSING": "d"}


def test_references_between_variables() -> None:
    container = {
        "env": [
            {"name": "B", "value": "$(A)-$(LATER)-$$(A)"},
            {"name": "LATER", "value": "later"},
            {"name": "C", "value": "$(B)"},
        ]
    }
    result = env(container, image={"A": "a"})
    assert result["B"] == "a-$(LATER)-$(A)"
    assert result["C"] == "a-$(LATER)-$(A)"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "a"), ("$(B)", "$(B)"), ("$A", "$A"), ("$$", "$"), ("$$(A)", "$(A)"), ("x$(A)y$(A)", "xaya"),
        ("$(", "$("),
    ],
)
def test_expand(text: str, result: str) -> None:
    assert expand(text, {"A": "a"}) == result


def test_sources() -> None:
    assert value({"secretKeyRef": {"name": "s", "key": "key"}}) == "secret"
    assert value({"secretKeyRef": {"name": "s", "key": "empty"}}) == ""
    assert value({"configMapKeyRef": {"name": "c", "key": "key"}}) == "config"
    assert value({"fieldRef": {"fieldPath": "metadata.name"}}) == "p"
    assert value({"fieldRef": {"fieldPath": "metadata.labels['app']"}}) == "x"
    assert value({"fieldRef": {"fieldPath": "metadata.annotations['a/b']"}}) == "note"
    assert value({"fieldRef": {"fieldPath": "spec.serviceAccountName"}}) == "sa"
    assert value({"fieldRef": {"fieldPath": "status.podIP"}}) == "127.0.0.1"


def test_prefix_and_binary_data() -> None:
    result = env({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}]})
    assert result == {"P_COLOUR": "blue", "P_key": "config", "key": "secret", "empty": ""}


def test_resources() -> None:
    container = {"name": "c", "resources": {"limits": {"memory": "64Mi", "cpu": "250m"}}}

    def resource(name: str, divisor: str) -> str:
        reference = {"resourceFieldRef": {"resource": name, "divisor": divisor}}
        return env({**container, "env": [{"name": "X", "valueFrom": reference}]})["X"]

    assert resource("limits.memory", "1Mi") == "64"
    assert resource("limits.cpu", "1") == "1"
    assert resource("requests.cpu", "1m") == "250"
    assert int(resource("limits.ephemeral-storage", "1")) == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secretKeyRef": {"name": "none", "key": "k"}}, 'secret "none" not found'),
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
        ({"secretKeyRef": {"name": "s", "key": "none"}}, "couldn't find key none in Secret ns/s"),
        ({"fieldRef": {"fieldPath": "spec.nothing"}}, "unsupported fieldPath: spec.nothing"),
        ({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "x"}}, "limits.cpu: x: not a quantity"),
    ],
)
def test_what_is_missing_is_named(source: Obj, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        value(source)


def test_optional_sources_may_be_missing() -> None:
    optional = {"name": "none", "key": "k", "optional": True}
    container = {
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": optional}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "none", "optional": True}}},
        ],
        "envFrom": [{"secretRef": {"name": "none", "optional": True}}],
    }
    assert env(container) == {}
    with pytest.raises(ConfigError, match='secret "none" not found'):
        env({"envFrom": [{"secretRef": {"name": "none"}}]})


@pytest.mark.parametrize(
    ("container", "result"),
    [
        ({}, ["e", "c"]),
        ({"args": ["$(A)"]}, ["e", "a"]),
        ({"command": ["x"]}, ["x"]),
        ({"command": ["x", "$(A)"], "args": ["y"]}, ["x", "a", "y"]),
    ],
)
def test_command(container: Obj, result: list[str]) -> None:
    assert command_of(container, ("e",), ("c",), {"A": "a"}) == result


def test_the_images_own_words_are_not_expanded() -> None:
    assert command_of({}, None, ("sh", "-c", "echo $(A)"), {"A": "a"}) == ["sh", "-c", "echo $(A)"]


def test_service_links() -> None:
    service = {"metadata": {"name": "my-db"}, "spec": {"ports": [{"name": "http-x", "port": 80}, {"port": 81}]}}
    links = service_links([service], lambda _, port: ("10.0.0.1", port + 1000))
    assert links["MY_DB_SERVICE_HOST"] == "10.0.0.1"
    assert links["MY_DB_SERVICE_PORT"] == "1080"
    assert links["MY_DB_SERVICE_PORT_HTTP_X"] == "1080"
    assert links["MY_DB_PORT"] == "tcp://10.0.0.1:1080"
    assert links["MY_DB_PORT_81_TCP_PORT"] == "1081"
    assert service_links([service], lambda *_: None) == {}
