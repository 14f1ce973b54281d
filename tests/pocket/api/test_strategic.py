from __future__ import annotations

from typing import Any

import pytest

from pocket.api import strategic
from pocket.api.patch import PatchError
from pocket.schemas import kubernetes

DEPLOYMENT = kubernetes.of_kind("apps", "v1", "Deployment")


def deployment(**pod_spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod_spec}}}


def pod_spec(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = strategic.merge(deployment(**target), deployment(**patch), DEPLOYMENT)
    result: dict[str, Any] = merged["spec"]["template"]["spec"]
    return result


def test_containers_merge_by_name_and_their_lists_by_their_keys() -> None:
    target = {
        "containers": [
            {"name": "a", "image": "a:1", "ports": [{"containerPort": 80}], "env": [{"name": "X", "value": "1"}]},
            {"name": "b", "image": "b:1", "args": ["one", "two"]},
        ]
    }
    patch = {
        "containers": [
            {"name": "a", "image": "a:2", "ports": [{"containerPort": 81}], "env": [{"name": "Y", "value": "2"}]},
            {"name": "b", "args": ["three"]},
            {"name": "c", "image": "c:1"},
        ]
    }
    assert pod_spec(target, patch)["containers"] == [
        {
            "name": "a",
            "image": "a:2",
            "ports": [{"containerPort": 80}, {"containerPort": 81}],
            "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
        },
        {"name": "b", "image": "b:1", "args": ["three"]},
        {"name": "c", "image": "c:1"},
    ]


def test_delete_directive_takes_an_element_out() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}]}
    assert pod_spec(target, {"containers": [{"name": "a", "$patch": "delete"}]})["containers"] == [{"name": "b"}]


def test_replace_directive_replaces_a_list_and_an_object() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}], "securityContext": {"runAsUser": 1}}
    patch = {
        "containers": [{"$patch": "replace"}, {"name": "c"}],
        "securityContext": {"$patch": "replace", "fsGroup": 2},
    }
    assert pod_spec(target, patch) == {"containers": [{"name": "c"}], "securityContext": {"fsGroup": 2}}


def test_delete_directive_takes_an_object_out() -> None:
    assert pod_spec({"securityContext": {"runAsUser": 1}}, {"securityContext": {"$patch": "delete"}}) == {}


def test_null_removes_and_is_not_kept_in_what_is_new() -> None:
    assert pod_spec({"hostname": "x"}, {"hostname": None, "dnsConfig": {"nameservers": None}}) == {"dnsConfig": {}}


def test_retain_keys_leaves_only_the_named_members() -> None:
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.merge(target, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_element_order_is_that_of_the_client() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}, {"name": "sidecar"}]}
    patch = {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
        "containers": [{"name": "c"}],
    }
    names = [entry["name"] for entry in pod_spec(target, patch)["containers"]]
    assert [name for name in names if name != "sidecar"] == ["c", "b", "a"]
    assert "sidecar" in names


def test_finalizers_add_up_and_are_taken_out_by_value() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    assert strategic.merge(target, {"metadata": {"finalizers": ["c"]}}, DEPLOYMENT) == {
        "metadata": {"finalizers": ["a", "b", "c"]}
    }
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic.merge(target, patch, DEPLOYMENT) == {"metadata": {"finalizers": ["b"]}}


def test_service_ports_merge_by_port_and_conditions_by_type() -> None:
    service = {"spec": {"ports": [{"port": 80, "name": "a"}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 1}, {"port": 81}]}}
    assert strategic.merge(service, patch, kubernetes.of_kind("", "v1", "Service"))["spec"]["ports"] == [
        {"port": 80, "name": "a", "targetPort": 1},
        {"port": 81},
    ]
    status = {"status": {"conditions": [{"type": "A", "status": "True"}]}}
    change = {"status": {"conditions": [{"type": "A", "status": "False"}, {"type": "B", "status": "True"}]}}
    assert strategic.merge(status, change, DEPLOYMENT)["status"]["conditions"] == [
        {"type": "A", "status": "False"},
        {"type": "B", "status": "True"},
    ]


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(PatchError, match="merge key: name"):
        pod_spec({"containers": [{"name": "a"}]}, {"containers": [{"image": "x"}]})


def test_an_unknown_directive_is_refused() -> None:
    with pytest.raises(PatchError, match="directive"):
        pod_spec({}, {"securityContext": {"$patch": "explode"}})
