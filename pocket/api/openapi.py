"""OpenAPI documents, v3 and v2: what kubectl reads for `explain`, to leave validation to the server, to merge lists."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from pocket.api import discovery, openapi_protobuf
from pocket.api.catalog import Catalog
from pocket.objects import Kind, Obj
from pocket.schemas import definitions, kubernetes

_V3, _V2 = "#/components/schemas/", "#/definitions/"


class Documents:
    """The documents about the kinds of a catalog; made when asked for, kept (packed) until the kinds change."""

    def __init__(self, kinds: Catalog) -> None:
        self._kinds = kinds
        self._revision = -1
        self._kept: dict[str, bytes | None] = {}

    def index(self) -> Obj:
        """GET /openapi/v3. The hash lets kubectl keep documents that have not changed."""
        groups = self._kinds.groups().items()
        names = ["api/v1", *(f"apis/{group}/{version}" for group, all in groups for version in all)]
        return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={self._hash(name)}"} for name in names}}

    def v3(self, name: str) -> bytes | None:
        """One document (`apis/apps/v1`), as gzipped JSON; None if there is none."""
        return self._once(name, lambda: _pack(self._document(name)))

    def v2(self) -> bytes:
        """GET /openapi/v2: everything in one, as gzipped JSON."""
        found = self._once("v2", lambda: _pack(self._whole()))
        return found or b""

    def v2_protobuf(self) -> bytes:
        """The same in protobuf, gzipped."""
        found = self._once("v2.pb", lambda: gzip.compress(openapi_protobuf.encode(self._whole()), 6, mtime=0))
        return found or b""

    def _once(self, name: str, make: Any) -> bytes | None:
        if self._revision != self._kinds.revision:
            self._revision = self._kinds.revision
            self._kept.clear()
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]

    def _hash(self, name: str) -> str:
        kinds = self._of(name)
        stamp = [name, _FORMAT, repr(discovery.KUBERNETES), *sorted(map(repr, kinds))]
        for kind in kinds:
            if kind.custom:
                meta = self._kinds.definition(kind)["metadata"]
                stamp.append(f"{meta['uid']} {meta['generation']}")
        return hashlib.sha256("\n".join(stamp).encode()).hexdigest()[:32].upper()

    def _of(self, name: str) -> list[Kind]:
        steps = name.split("/")
        group, version = ("", steps[1]) if steps[0] == "api" and len(steps) == 2 else ("", "")
        if steps[0] == "apis" and len(steps) == 3:
            group, version = steps[1], steps[2]
        return [kind for kind in self._kinds if kind.group == group and version in kind.versions]

    def _document(self, name: str) -> Obj | None:
        kinds, version = self._of(name), name.rpartition("/")[2]
        if not kinds:
            return None
        schemas: Obj = {}
        paths: Obj = {}
        for kind in kinds:
            paths |= self._paths(kind, version, schemas)
        return {"openapi": "3.0.0", "info": _info(), "paths": paths, "components": {"schemas": schemas}}

    def _whole(self) -> Obj:
        schemas: Obj = {}
        paths: Obj = {}
        for kind in self._kinds:
            for version in kind.versions:
                for path, operations in self._paths(kind, version, schemas).items():
                    paths[path] = {verb: _older(operation) for verb, operation in operations.items()}
        return {
            "swagger": "2.0",
            "info": _info(),
            "paths": paths,
            "definitions": {name: _referring(_without_unknown(entry)) for name, entry in schemas.items()},
        }

    def _paths(self, kind: Kind, version: str, schemas: Obj) -> Obj:
        prefix = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
        base = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
        gvk = {"group": kind.group, "version": version, "kind": kind.name}
        reference = {"$ref": f"{_V3}{self._component(kind, version, schemas)}"}
        validation = {
            "name": "fieldValidation",
            "in": "query",
            "description": "Ignore, Warn or Strict: what becomes of unknown and duplicate fields.",
            "schema": {"type": "string", "uniqueItems": True},
        }
        dry_run = {"name": "dryRun", "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        answer = {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}}

        def operation(action: str, writes: bool) -> Obj:
            found: Obj = {
                "responses": answer,
                "x-kubernetes-action": action,
                "x-kubernetes-group-version-kind": gvk,
            }
            if writes:
                found["parameters"] = [dry_run, validation]
                found["requestBody"] = {"content": {"*/*": {"schema": reference}}}
            return found

        offered = {
            "": {"list": operation("list", False), "create": operation("post", True)},
            "/{name}": {
                "get": operation("get", False),
                "update": operation("put", True),
                "patch": operation("patch", True),
                "delete": operation("delete", False),
            },
        }
        methods = {"list": "get", "create": "post", "update": "put"}
        # Over all namespaces: `explain` of kubectl 1.27 looks only there.
        everywhere = {f"{prefix}/{kind.plural}": {"get": offered[""]["list"]}} if "list" in kind.verbs else {}
        return everywhere | {
            f"{base}{end}": {methods.get(verb, verb): found for verb, found in verbs.items() if verb in kind.verbs}
            for end, verbs in offered.items()
        }

    def _component(self, kind: Kind, version: str, schemas: Obj) -> str:
        gvk = [{"group": kind.group, "version": version, "kind": kind.name}]
        if not kind.custom:
            try:
                name = kubernetes.name_of(kind.group, version, kind.name)
            except KeyError:  # computed: its fields are nobody's business
                name = ".".join([*reversed(kind.group.split(".")), version, kind.name])
                schemas[name] = {"type": "object", "x-kubernetes-group-version-kind": gvk}
                return name
            _add(name, schemas)
            schemas[name]["x-kubernetes-group-version-kind"] = gvk
            return name
        name = ".".join([*reversed(kind.group.split(".")), version, kind.name])
        entry = definitions.version_of(self._kinds.definition(kind), version)
        source = (entry.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
        _add(kubernetes.METADATA, schemas)
        schemas[name] = {
            **source,
            "properties": {
                **kubernetes.type_meta(),
                **(source.get("properties") or {}),
                "metadata": {**_OF_METADATA, "allOf": [{"$ref": f"{_V3}{kubernetes.METADATA}"}]},
            },
            "x-kubernetes-group-version-kind": gvk,
        }
        return name


_FORMAT = "4"  # raise it when the documents change form


_OF_METADATA = {
    "description": "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
}


def _info() -> Obj:
    return {"title": "Kubernetes", "version": discovery.version()["gitVersion"]}


def _pack(document: Obj | None) -> bytes | None:
    if document is None:
        return None
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), 6, mtime=0)


def _add(name: str, schemas: Obj) -> None:
    """Put a type and all that it needs into the schemas."""
    if name in schemas:
        return
    schemas[name] = source = kubernetes.source(name)
    source.pop("x-protobuf", None)
    for reference in _references(source):
        _add(reference, schemas)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].removeprefix(_V3)] if isinstance(value.get("$ref"), str) else []
        return own + [found for entry in value.values() for found in _references(entry)]
    return [found for entry in value for found in _references(entry)] if isinstance(value, list) else []


def _older(operation: Obj) -> Obj:
    """An operation as OpenAPI v2 writes it."""
    body = (operation.get("requestBody") or {}).get("content", {}).get("*/*", {}).get("schema")
    parameters = [
        {key: value for key, value in entry.items() if key != "schema"} | entry["schema"]
        for entry in operation.get("parameters") or ()
    ]
    if body:
        parameters.append({"name": "body", "in": "body", "required": True, "schema": _referring(body)})
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return {
        **{key: value for key, value in operation.items() if key != "requestBody"},
        "parameters": parameters,
        "responses": {"200": {"description": "OK", "schema": _referring(answer)}},
    }


def _without_unknown(entry: Obj) -> Obj:
    """Where a type has more fields than it names, OpenAPI v2 names none: old kubectls would know no others."""
    if not entry.get("x-kubernetes-preserve-unknown-fields"):
        return entry
    return {key: value for key, value in entry.items() if key in ("type", "x-kubernetes-group-version-kind")}


def _referring(value: Any) -> Any:
    """A schema as OpenAPI v2 writes it: other references, no `oneOf`, no defaults (kubectl's parser knows neither)."""
    if isinstance(value, list):
        return [_referring(entry) for entry in value]
    if not isinstance(value, dict):
        return value.replace(_V3, _V2) if isinstance(value, str) and value.startswith(_V3) else value
    alone = value.get("allOf")
    if isinstance(alone, list) and len(alone) == 1 and "$ref" in alone[0]:
        return {
            **{key: entry for key, entry in value.items() if key in ("description",)},
            "$ref": alone[0]["$ref"].replace(_V3, _V2),
        }
    return {
        key: {name: _referring(below) for name, below in entry.items()} if key == "properties" else _referring(entry)
        for key, entry in value.items()
        if key not in _ONLY_V3
    }


_ONLY_V3 = ("oneOf", "anyOf", "not", "allOf", "default", "nullable")
