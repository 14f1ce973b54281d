from __future__ import annotations

import gzip
import json
from typing import Any

import jsonschema
import pytest

from pocket.api import crds, discovery, openapi
from pocket.store import Store
from tests.pocket.api.known import CATALOG, KINDS

DOCUMENTS = openapi.Documents(CATALOG)


def test_every_kind_is_listed_in_all_its_versions() -> None:
    listed = set()
    for group, versions in {"": ["v1"], **CATALOG.groups()}.items():
        for version in versions:
            resources = discovery.resources(CATALOG, group, version)
            assert resources is not None
            listed |= {(entry["kind"], version) for entry in resources["resources"] if "/" not in entry["name"]}
    assert {(kind.name, version) for kind in KINDS.values() for version in kind.versions} <= listed


def test_the_two_forms_say_the_same() -> None:
    for core in (True, False):
        for item in discovery.aggregated(CATALOG, core)["items"]:
            for version in item["versions"]:
                plain = discovery.resources(CATALOG, item["metadata"]["name"], version["version"])
                assert plain is not None
                names = {entry["name"] for entry in plain["resources"]}
                found = {entry["resource"] for entry in version["resources"]}
                found |= {
                    f"{entry['resource']}/{below['subresource']}"
                    for entry in version["resources"]
                    for below in entry.get("subresources", ())
                }
                assert found == names


def test_the_preferred_version_comes_first() -> None:
    group = discovery.group(CATALOG, "networking.istio.io")
    assert group is not None
    assert group["preferredVersion"]["version"] == "v1"
    assert [entry["version"] for entry in group["versions"]] == ["v1", "v1beta1", "v1alpha3"]
    assert discovery.group(CATALOG, "nobody.knows") is None
    assert discovery.resources(CATALOG, "apps", "v1beta1") is None


def documents() -> list[str]:
    return list(DOCUMENTS.index()["paths"])


def load(name: str) -> dict[str, Any]:
    packed = DOCUMENTS.v3(name)
    assert packed is not None
    loaded: dict[str, Any] = json.loads(gzip.decompress(packed))
    return loaded


@pytest.mark.parametrize("name", documents())
def test_documents_lead_nowhere_outside(name: str) -> None:
    document = load(name)
    schemas = document["components"]["schemas"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for entry in value.values() for found in references(entry)]
        return [found for entry in value for found in references(entry)] if isinstance(value, list) else []

    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_kubectl_finds_what_it_looks_for(kind: Any) -> None:
    for version in kind.versions:
        document = load(f"apis/{kind.group}/{version}" if kind.group else f"api/{version}")
        gvk = {"group": kind.group, "version": version, "kind": kind.name}
        patches = [path["patch"] for path in document["paths"].values() if "patch" in path]
        mine = [entry for entry in patches if entry["x-kubernetes-group-version-kind"] == gvk]
        assert "fieldValidation" in [parameter["name"] for parameter in mine[0]["parameters"]]
        assert [
            schema
            for schema in document["components"]["schemas"].values()
            if gvk in schema.get("x-kubernetes-group-version-kind", ())
        ]


def test_merge_keys_are_told() -> None:
    schemas = load("apis/apps/v1")["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    volumes = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"


def test_istio_schemas_are_schemas() -> None:
    schemas = load("apis/networking.istio.io/v1")["components"]["schemas"]
    spec = schemas["io.istio.networking.v1.VirtualService"]["properties"]["spec"]
    jsonschema.Draft202012Validator.check_schema(spec)
    jsonschema.validate({"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 1}]}]}, spec)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"hosts": "a"}, spec)


def test_documents_that_do_not_exist() -> None:
    assert DOCUMENTS.v3("apis/apps/v2") is None
    assert DOCUMENTS.v3("apis") is None
    assert DOCUMENTS.v3("api/v2") is None


def test_definitions_are_installed_once() -> None:
    store = Store()
    crds.install(store)
    version = store.version
    names = [obj["metadata"]["name"] for obj in store.list("CustomResourceDefinition")]
    assert "virtualservices.networking.istio.io" in names
    assert "servicemonitors.monitoring.coreos.com" in names
    crds.install(store)
    assert store.version == version
