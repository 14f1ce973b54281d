"""What programs stumble over at the edges: sizes, depths, odd text, other versions and forms, and what is said then."""

from __future__ import annotations

import json

import pytest

from pocket.api.registry import LARGEST
from pocket.objects import Obj
from tests.pocket.api.live import Cluster
from tests.pocket.api.test_custom import CRDS, definition, widget

CONFIGS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def config(name: str = "c", **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_lone_surrogate_is_refused_and_not_stored(cluster: Cluster) -> None:
    assert cluster.request("POST", CONFIGS, config("whole")).status == 201
    body = json.dumps(config(a="x")).replace('"x"', '"\\ud800"').encode()
    assert cluster.request("POST", CONFIGS, body).status in (201, 400)
    listed = cluster.request("GET", CONFIGS)
    assert listed.status == 200  # whatever became of it, lists go on
    listed.body.decode()
    patch = b'{"metadata": {"labels": {"a": "\\udfff"}}}'
    refused = cluster.request("PATCH", f"{CONFIGS}/whole", patch, content_type=MERGE)
    assert refused.status < 500
    assert cluster.request("GET", CONFIGS).status == 200


@pytest.mark.parametrize("depth", [900, 5000, 100_000])
def test_deep_json_is_refused(cluster: Cluster, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":' + deep + b"}"
    assert cluster.request("POST", CONFIGS, body).status == 400
    assert cluster.request("GET", f"{CONFIGS}/c").status == 404


def test_a_patch_that_makes_it_deep_is_refused(cluster: Cluster) -> None:
    assert cluster.request("POST", CRDS, definition()).status == 201
    path = "/apis/example.com/v1/namespaces/default/widgets"
    assert cluster.request("POST", path, widget()).status == 201
    body = b'{"spec":' + b'{"a":' * 900 + b"1" + b"}" * 901
    refused = cluster.request("PATCH", f"{path}/w", body, content_type=MERGE)
    assert refused.status == 400


@pytest.mark.parametrize("operation", [{"op": "remove", "path": ""}, {"op": "replace", "path": "", "value": None}])
def test_a_json_patch_that_leaves_nothing(cluster: Cluster, operation: Obj) -> None:
    assert cluster.request("POST", CONFIGS, config()).status == 201
    refused = cluster.request("PATCH", f"{CONFIGS}/c", [operation], content_type="application/json-patch+json")
    assert refused.status in (400, 422)
    assert cluster.get("ConfigMap", "default", "c")["metadata"]["name"] == "c"


def test_an_object_has_one_mebibyte_at_most(cluster: Cluster) -> None:
    assert cluster.request("POST", CONFIGS, config("fits", a="x" * (LARGEST - 10_000))).status == 201
    refused = cluster.request("POST", CONFIGS, config("large", a="x" * LARGEST))
    assert (refused.status, refused.json["reason"]) == (413, "RequestEntityTooLarge")
    patch = {"data": {"b": "x" * 10_000}}
    assert cluster.request("PATCH", f"{CONFIGS}/fits", patch, content_type=MERGE).status == 413


def test_autoscaling_v1_and_v2_are_the_same_object(cluster: Cluster) -> None:
    scaler = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "maxReplicas": 3,
            "targetCPUUtilizationPercentage": 70,
        },
    }
    path = "namespaces/default/horizontalpodautoscalers"
    assert cluster.request("POST", f"/apis/autoscaling/v1/{path}", scaler).status == 201
    second = cluster.request("GET", f"/apis/autoscaling/v2/{path}/h").json
    assert second["spec"]["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    first = cluster.request("GET", f"/apis/autoscaling/v1/{path}/h").json
    assert first["spec"]["targetCPUUtilizationPercentage"] == 70


def test_events_are_the_same_in_both_groups(cluster: Cluster) -> None:
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2026-11-29T00:00:00.000001Z",
        "type": "Normal",
        "reason": "Tested",
        "action": "Testing",
        "reportingController": "example.com/tests",
        "reportingInstance": "here",
        "note": "a note",
        "regarding": {"kind": "ConfigMap", "name": "c", "namespace": "default"},
    }
    new = "/apis/events.k8s.io/v1/namespaces/default/events"
    assert cluster.request("POST", new, event).status == 201
    old = cluster.request("GET", "/api/v1/namespaces/default/events/e").json
    assert (old["message"], old["involvedObject"]["name"]) == ("a note", "c")
    back = cluster.request("GET", f"{new}/e").json
    assert (back["note"], back["regarding"]["name"], back["apiVersion"]) == ("a note", "c", "events.k8s.io/v1")


def test_a_list_at_an_exact_version(cluster: Cluster) -> None:
    first = cluster.request("POST", CONFIGS, config("one")).json["metadata"]["resourceVersion"]
    asked = f"{CONFIGS}?resourceVersion={first}&resourceVersionMatch=Exact"
    now = cluster.request("GET", asked)
    assert now.status == 200
    assert now.json["metadata"]["resourceVersion"] == first
    assert cluster.request("POST", CONFIGS, config("two")).status == 201
    later = cluster.request("GET", asked)
    if later.status == 200:  # as it was, or not any more: never as it is
        assert "two" not in [entry["metadata"]["name"] for entry in later.json["items"]]
    else:
        assert (later.status, later.json["reason"]) == (410, "Expired")
    lacking = cluster.request("GET", f"{CONFIGS}?resourceVersionMatch=Exact")
    assert lacking.status in (400, 422)
    zero = cluster.request("GET", f"{CONFIGS}?resourceVersion=0&resourceVersionMatch=Exact")
    assert zero.status in (400, 422)


def test_a_list_of_kinds_and_unknown_kinds(cluster: Cluster) -> None:
    several = {"apiVersion": "v1", "kind": "List", "items": [config("one"), config("two")]}
    assert cluster.kubectl("apply", "-f", "-", stdin=json.dumps(several)).count("created") == 2
    words = cluster.kubectl("apply", "-f", "-", stdin=json.dumps({**config(), "kind": "Confog"}), fails=True)
    assert 'no matches for kind "Confog" in version "v1"' in words
    assert "ensure CRDs are installed first" in words
    words = cluster.kubectl("get", "confogs", fails=True)
    assert 'the server doesn\'t have a resource type "confogs"' in words


def test_protobuf_is_not_for_kinds_that_people_bring(cluster: Cluster) -> None:
    """As a real server: 406 where it is all that the client reads, JSON where it reads that as well, 415 for a body."""
    assert cluster.request("POST", CRDS, definition()).status == 201
    path = "/apis/example.com/v1/namespaces/default/widgets"
    assert cluster.request("POST", path, widget()).status == 201
    refused = cluster.request("GET", f"{path}/w", accept=PROTOBUF)
    assert (refused.status, refused.json["reason"]) == (406, "NotAcceptable")
    both = cluster.request("GET", f"{path}/w", accept=f"{PROTOBUF},application/json")
    assert (both.status, both.json["kind"]) == (200, "Widget")
    body = cluster.request("POST", path, b"k8s\0", content_type=PROTOBUF)
    assert (body.status, body.json["reason"]) == (415, "UnsupportedMediaType")
    assert cluster.request("POST", CONFIGS, config()).status == 201
    own = cluster.request("GET", f"{CONFIGS}/c", accept=f"{PROTOBUF},application/json")
    assert own.status == 200


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_table_is_of_the_version_that_is_asked_for(cluster: Cluster, version: str) -> None:
    assert cluster.request("POST", CONFIGS, config()).status == 201
    asked = f"application/json;as=Table;v={version};g=meta.k8s.io"
    for path in (CONFIGS, f"{CONFIGS}/c"):
        table = cluster.request("GET", path, accept=asked).json
        assert (table["kind"], table["apiVersion"]) == ("Table", f"meta.k8s.io/{version}")
        assert "c" in [row["cells"][0] for row in table["rows"]]
