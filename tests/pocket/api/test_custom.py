"""Kinds that people bring: CustomResourceDefinitions, and objects of theirs."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import json
from typing import Any

import pytest
import yaml

from pocket.api.catalog import Catalog
from pocket.api.openapi import Documents
from pocket.controllers import namespace as namespaces
from pocket.objects import Obj
from tests.pocket.api.live import Cluster

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
MERGE = "application/merge-patch+json"


def definition() -> Obj:
    spec: Obj = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "replicas": {"type": "integer"},
            "limit": {"x-kubernetes-int-or-string": True},
            "parts": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "weight": {"type": "integer", "default": 1}},
                },
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-validations": [
            {"rule": "!has(self.replicas) || self.replicas <= self.size", "message": "more replicas than size"},
            {"rule": "!has(oldSelf.colour) || self.colour == oldSelf.colour", "message": "colour is for ever"},
        ],
    }
    schema = {
        "type": "object",
        "properties": {
            "spec": spec,
            "status": {
                "type": "object",
                "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}},
            },
        },
    }
    version: Obj = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].name", "priority": 1},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["toys"]},
            "versions": [version, {**copy.deepcopy(version), "name": "v1beta1", "storage": False}],
        },
    }


def widget(name: str = "w", **spec: Any) -> Obj:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"size": 3, **spec},
    }


@pytest.fixture
def widgets(cluster: Cluster) -> Cluster:
    """A cluster that knows widgets."""
    answer = cluster.request("POST", CRDS, definition())
    assert answer.status == 201, answer.body
    return cluster


def test_a_definition_is_established_at_once_and_everything_knows_it(widgets: Cluster) -> None:
    found = widgets.get("CustomResourceDefinition", None, "widgets.example.com")
    assert {entry["type"]: entry["status"] for entry in found["status"]["conditions"]} == {
        "NamesAccepted": "True",
        "Established": "True",
    }
    assert found["status"]["storedVersions"] == ["v1"]
    assert found["spec"]["names"]["listKind"] == "WidgetList"
    listed = widgets.request("GET", "/apis/example.com/v1").json["resources"]
    assert [entry["name"] for entry in listed] == ["widgets", "widgets/status", "widgets/scale"]
    document = widgets.request("GET", "/openapi/v3/apis/example.com/v1").json
    assert "colour" in str(document["components"]["schemas"]["com.example.v1.Widget"])
    whole = widgets.request("GET", "/openapi/v2").json["definitions"]
    assert whole["com.example.v1.Widget"]["x-kubernetes-group-version-kind"][0]["kind"] == "Widget"
    assert "widgets.example.com" in widgets.kubectl("get", "crd")
    assert widgets.kubectl("wait", "--for=condition=Established", "crd/widgets.example.com")


def test_defaults_pruning_and_strictness(widgets: Cluster) -> None:
    body = widget(parts=[{"name": "a", "odd": 1}], free={"any": 1}, strange=2)
    strict = widgets.request("POST", f"{WIDGETS}?fieldValidation=Strict", body)
    assert strict.status == 400
    assert 'unknown field "spec.parts[0].odd", unknown field "spec.strange"' in strict.json["message"]
    answer = widgets.request("POST", WIDGETS, body)
    assert answer.status == 201, answer.body
    assert answer.json["spec"] == {
        "size": 3, "colour": "red", "parts": [{"name": "a", "weight": 1}], "free": {"any": 1},
    }  # fmt: skip
    assert len(answer.warnings) == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"size": "x"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 11}, "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
        ({"colour": "green"}, 'spec.colour: Unsupported value: "green": supported values: "red", "blue"'),
        ({"size": None}, "spec.size: Required value"),
        ({"replicas": 4}, 'spec: Invalid value: "object": more replicas than size'),
        ({"parts": [{"name": "a"}, {"name": "a"}]}, 'spec.parts[1]: Duplicate value: {"name": "a"}'),
        ({"limit": True}, "spec.limit in body must be of type integer,string"),
    ],
)
def test_what_the_schema_refuses(widgets: Cluster, spec: Obj, message: str) -> None:
    answer = widgets.request("POST", WIDGETS, widget(**spec))
    assert answer.status == 422
    assert message in answer.json["message"]


def test_rules_about_a_change(widgets: Cluster) -> None:
    assert widgets.request("POST", WIDGETS, widget(colour="blue")).status == 201
    answer = widgets.request("PATCH", f"{WIDGETS}/w", {"spec": {"colour": "red"}}, content_type=MERGE)
    assert answer.status == 422
    assert "colour is for ever" in answer.json["message"]
    assert widgets.request("PATCH", f"{WIDGETS}/w", {"spec": {"size": 4}}, content_type=MERGE).status == 200


def test_status_and_scale_are_written_by_themselves(widgets: Cluster) -> None:
    created = widgets.request("POST", WIDGETS, widget() | {"status": {"replicas": 9}}).json
    assert "status" not in created
    change = {"status": {"replicas": 2, "selector": "a=b"}, "spec": {"size": 9}, "metadata": {"labels": {"x": "y"}}}
    changed = widgets.request("PATCH", f"{WIDGETS}/w/status", change, content_type=MERGE).json
    assert (changed["spec"]["size"], changed["status"]["replicas"], changed["metadata"]["generation"]) == (3, 2, 1)
    assert "labels" not in changed["metadata"]
    widgets.kubectl("scale", "widget/w", "--replicas=3")
    scale = widgets.request("GET", f"{WIDGETS}/w/scale").json
    assert (scale["spec"]["replicas"], scale["status"]) == (3, {"replicas": 2, "selector": "a=b"})


def test_versions_columns_and_short_names(widgets: Cluster) -> None:
    widgets.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(widget(parts=[{"name": "a"}, {"name": "b"}])))
    older = widgets.request("GET", WIDGETS.replace("/v1/", "/v1beta1/")).json
    assert [(obj["apiVersion"], obj["kind"]) for obj in older["items"]] == [("example.com/v1beta1", "Widget")]
    assert widgets.kubectl("get", "wd").split()[:4] == ["NAME", "SIZE", "w", "3"]
    assert "a,b" in widgets.kubectl("get", "toys", "-o", "wide")
    assert "colour" in widgets.kubectl("explain", "widget.spec")


def test_server_side_apply_knows_the_keys_of_lists(widgets: Cluster) -> None:
    for manager, name in (("one", "a"), ("two", "b")):
        body = yaml.safe_dump(widget(parts=[{"name": name}])).encode()
        path = f"{WIDGETS}/w?fieldManager={manager}"
        answer = widgets.request("PATCH", path, body, content_type="application/apply-patch+yaml")
        assert answer.status < 300, answer.body
    found = widgets.get("Widget.example.com", "default", "w")
    assert [part["name"] for part in found["spec"]["parts"]] == ["a", "b"]


def test_a_definition_takes_its_objects_along(widgets: Cluster) -> None:
    held = widget("held")
    held["metadata"]["finalizers"] = ["example.com/wait"]
    for obj in (widget(), held):
        assert widgets.request("POST", WIDGETS, obj).status == 201
    gone = widgets.request("DELETE", f"{CRDS}/widgets.example.com")
    assert gone.status == 200
    widgets.call(namespaces.reconcile, widgets.store)
    assert [obj["metadata"]["name"] for obj in widgets.request("GET", WIDGETS).json["items"]] == ["held"]
    conditions = widgets.get("CustomResourceDefinition", None, "widgets.example.com")["status"]["conditions"]
    assert "Terminating" in [entry["type"] for entry in conditions]
    widgets.request("PATCH", f"{WIDGETS}/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    widgets.call(namespaces.reconcile, widgets.store)
    assert widgets.request("GET", WIDGETS).status == 404
    assert widgets.request("GET", f"{CRDS}/widgets.example.com").status == 404


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("metadata", "name"), "other.example.com", "metadata.name"),
        (("spec", "scope"), "Somewhere", 'spec.scope: Unsupported value: "Somewhere"'),
        (("spec", "conversion"), {"strategy": "Webhook"}, "spec.conversion.strategy"),
        (("spec", "versions", 0, "storage"), False, "exactly one version marked as storage version"),
        (("spec", "versions", 0, "schema"), {"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}}, ".type"),
        (
            ("spec", "versions", 0, "schema"),
            {"openAPIV3Schema": {"type": "object", "x-kubernetes-validations": [{"rule": "self.("}]}},
            "compilation failed",
        ),
    ],
)
def test_definitions_that_are_refused(cluster: Cluster, place: tuple[Any, ...], value: Any, message: str) -> None:
    body = definition()
    *way, last = place
    at: Any = body
    for step in way:
        at = at[step]
    at[last] = value
    answer = cluster.request("POST", CRDS, body)
    assert answer.status == 422
    assert message in answer.json["message"]


def test_kinds_of_the_same_name_live_side_by_side(cluster: Cluster) -> None:
    gateway: Obj = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "g", "namespace": "default"},
        "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    }
    path = "/namespaces/default/gateways"
    assert cluster.request("POST", f"/apis/gateway.networking.k8s.io/v1{path}", gateway).status == 201
    assert cluster.request("GET", f"/apis/networking.istio.io/v1{path}").json["items"] == []
    assert len(cluster.request("GET", f"/apis/gateway.networking.k8s.io/v1{path}").json["items"]) == 1


def test_the_fields_that_a_definition_lets_people_select_on(cluster: Cluster) -> None:
    brought = definition()
    brought["spec"]["versions"][0]["selectableFields"] = [{"jsonPath": ".spec.colour"}]
    assert cluster.request("POST", CRDS, brought).status == 201
    for name, colour in (("r", "red"), ("b", "blue")):
        made = widget()
        made["metadata"]["name"] = name
        made["spec"]["colour"] = colour
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
    assert cluster.kubectl("get", "widgets", "--field-selector=spec.colour=blue", "-o", "name").split() == [
        "widget.example.com/b"
    ]
    refused = cluster.kubectl("get", "widgets", "--field-selector=spec.size=1", fails=True)
    assert 'field label not supported: "spec.size"' in refused


def test_a_default_that_comes_later_is_read(cluster: Cluster) -> None:
    brought = definition()
    assert cluster.request("POST", CRDS, brought).status == 201
    path = "/apis/example.com/v1/namespaces/default/widgets"
    assert cluster.request("POST", path, widget()).status == 201
    spec = brought["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["later"] = {"type": "string", "default": "now"}
    name = brought["metadata"]["name"]
    change, merge = {"spec": brought["spec"]}, "application/merge-patch+json"
    answer = cluster.request("PATCH", f"{CRDS}/{name}", change, content_type=merge)
    assert answer.status == 200
    assert cluster.request("GET", f"{path}/w").json["spec"]["later"] == "now"
    assert cluster.request("GET", path).json["items"][0]["spec"]["later"] == "now"
    assert "later" not in cluster.get("Widget.example.com", "default", "w")["spec"]  # until somebody writes it


@pytest.mark.parametrize(
    ("rule", "missing"),
    [
        ("self.z == 1", "z"),
        ("has(self.parts) && self.parts.all(p, p.weight > self.weight)", "weight"),
        ("self.limit == oldSelf.limits", "limits"),
        ("self.size > 0 && 'self.z' != \"self.y\"", ""),
        ("self.parts.size() == 0 || self.free.anything == 1", ""),
    ],
)
def test_a_rule_that_names_what_the_schema_does_not_have(cluster: Cluster, rule: str, missing: str) -> None:
    made = definition()
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [
        {"rule": rule}
    ]
    answer = cluster.request("POST", CRDS, made)
    assert answer.status == (422 if missing else 201), answer.json
    assert not missing or f"undefined field '{missing}'" in answer.json["message"]


def test_a_condition_without_a_type(cluster: Cluster) -> None:
    cluster.request("POST", CRDS, definition())
    change = {"status": {"conditions": [{"message": "from protobuf, which leaves out what is empty"}]}}
    path = f"{CRDS}/{definition()['metadata']['name']}/status"
    answer = cluster.request("PATCH", path, change, content_type=MERGE)
    assert answer.status == 200, answer.json
    kinds = [entry.get("type") for entry in answer.json["status"]["conditions"]]
    assert kinds == [None, "NamesAccepted", "Established"]


def test_openapi_of_a_definition_that_keeps_what_it_does_not_name(cluster: Cluster) -> None:
    made = definition()
    schema = made["spec"]["versions"][0]["schema"]
    name = f"com.example.v1.{made['spec']['names']['kind']}"

    def documents() -> tuple[Obj, Obj]:
        all_of_them = Documents(Catalog(cluster.store))
        third = json.loads(gzip.decompress(all_of_them.v3("apis/example.com/v1") or b""))
        return json.loads(gzip.decompress(all_of_them.v2()))["definitions"][name], third

    cluster.request("POST", CRDS, made)
    second, third = cluster.call(documents)
    described = third["components"]["schemas"][name]["properties"]
    assert described["apiVersion"]["description"].startswith("APIVersion defines")
    assert described["metadata"]["description"].startswith("Standard object's metadata")
    assert second["properties"]["spec"]["properties"]["size"]["type"] == "integer"
    reads = third["paths"]["/apis/example.com/v1/widgets"]["get"]
    assert "parameters" not in reads, "an empty list does not survive a client that reads and writes the document"

    schema["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    made["metadata"]["resourceVersion"] = ""
    assert cluster.request("PUT", f"{CRDS}/{made['metadata']['name']}", made).status == 200
    second, _ = cluster.call(documents)
    assert set(second) == {"type", "x-kubernetes-group-version-kind"}


def test_the_hash_of_the_stored_version(cluster: Cluster) -> None:
    cluster.request("POST", CRDS, definition())
    entries = {entry["name"]: entry for entry in cluster.request("GET", "/apis/example.com/v1").json["resources"]}
    wanted = base64.b64encode(hashlib.sha256(b"example.com/v1/Widget").digest()[:8]).decode()
    assert entries["widgets"]["storageVersionHash"] == wanted
    assert "storageVersionHash" not in entries["widgets/status"]
