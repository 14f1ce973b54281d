"""OpenAPI v3 documents: what kubectl reads to leave validation to the server, to merge lists, and for `explain`."""

from __future__ import annotations

import functools
import gzip
import hashlib
import json
from typing import Any

from pocket.api import customschema, discovery, schema
from pocket.api.listkeys import APPLY_KEYS, APPLY_SETS, ATOMIC_MAPS, ATOMIC_STRUCTS, PATCH_KEYS, PATCH_SETS, RETAIN_KEYS
from pocket.objects import KINDS, Kind, Obj

_SCALARS: dict[str, Obj] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "quantity": {"type": "string"},
    "int-or-string": {"type": "string", "format": "int-or-string"},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


def index() -> Obj:
    """GET /openapi/v3. The hash lets kubectl keep documents that have not changed."""
    names = ["api/v1", *(f"apis/{group}/{version}" for group, all in discovery.groups().items() for version in all)]
    return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={_hash(name)}"} for name in names}}


@functools.cache
def document(name: str) -> bytes | None:
    """One document (`apis/apps/v1`), as gzipped JSON; None if there is none."""
    steps = name.split("/")
    group, version = ("", steps[1]) if steps[0] == "api" and len(steps) == 2 else ("", "")
    if steps[0] == "apis" and len(steps) == 3:
        group, version = steps[1], steps[2]
    kinds = [kind for kind in KINDS.values() if kind.group == group and version in kind.versions]
    if not version or (not kinds and version not in discovery.groups().get(group, ())):
        return None
    schemas: Obj = {}
    paths: Obj = {}
    for kind in kinds:
        paths |= _paths(kind, version, schemas)
    text = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": discovery.version()["gitVersion"]},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return gzip.compress(json.dumps(text, separators=(",", ":")).encode(), 6, mtime=0)


def _hash(name: str) -> str:
    # The documents follow from the code and from the installed schemas: their version is hash enough, and cheap.
    stamp = [name, repr(sorted(KINDS)), repr(discovery.KUBERNETES), _FORMAT, schema.stamp()]
    return hashlib.sha256("\n".join(stamp).encode()).hexdigest()[:32].upper()


_FORMAT = "1"  # raise it when the documents change form


def _paths(kind: Kind, version: str, schemas: Obj) -> Obj:
    prefix = f"/apis/{kind.group}/{version}" if kind.group else f"/api/{version}"
    base = f"{prefix}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"
    gvk = {"group": kind.group, "version": version, "kind": kind.name}
    reference = {"$ref": f"#/components/schemas/{_component(kind, version, schemas)}"}
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
            "parameters": [dry_run, validation] if writes else [],
        }
        if writes:
            found["requestBody"] = {"content": {"*/*": {"schema": reference}}}
        return found

    return {
        base: {"get": operation("list", False), "post": operation("post", True)},
        f"{base}/{{name}}": {
            "get": operation("get", False),
            "put": operation("put", True),
            "patch": operation("patch", True),
            "delete": operation("delete", False),
        },
    }


def _component(kind: Kind, version: str, schemas: Obj) -> str:
    gvk = [{"group": kind.group, "version": version, "kind": kind.name}]
    if schema.is_builtin(kind):
        name = _add(schema.type_of_kind(kind), schemas)
        schemas[name]["x-kubernetes-group-version-kind"] = gvk
        return name
    name = ".".join([*reversed(kind.group.split(".")), version, kind.name])
    meta = _add("meta_v1.ObjectMeta", schemas)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schemas[name] = {
        "type": "object",
        "description": f"{kind.name} of {kind.group}; its fields are those of docs/pocket.md.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": f"#/components/schemas/{meta}"}]},
            "spec": customschema.spec_of(kind.name),
            "status": anything,
        },
        "x-kubernetes-group-version-kind": gvk,
    }
    return name


_PACKAGES = {"meta_v1": "io.k8s.apimachinery.pkg.apis.meta.v1", "apiextensions_v1": "io.k8s.apiextensions-apiserver.v1"}


def _schema_name(type_name: str) -> str:
    module, _, cls = type_name.partition(".")
    group, _, version = module.rpartition("_")
    return f"{_PACKAGES.get(module, f'io.k8s.api.{group}.{version}')}.{cls}"


def _add(type_name: str, schemas: Obj) -> str:
    """Put a type and all that it needs into the schemas; returns its name there."""
    name = _schema_name(type_name)
    if name in schemas:
        return name
    schemas[name] = entry = dict[str, Any](type="object")
    struct = schema.struct(type_name)
    text, texts = schema.describe(type_name)
    entry["description"] = text
    entry["properties"] = {
        field: _property(type_name, field, known.type, schemas) | {"description": texts[field]}
        for field, known in struct.fields.items()
    }
    required = [field for field, known in struct.fields.items() if known.required]
    if required:
        entry["required"] = required
    if type_name in ATOMIC_STRUCTS:
        entry["x-kubernetes-map-type"] = "atomic"
    return name


def _property(owner: str, field: str, kind: schema.Type, schemas: Obj) -> Obj:
    found = _of_type(kind, schemas)
    place = (owner, field)
    if kind.name == "list":
        if place in APPLY_KEYS:
            found["x-kubernetes-list-type"] = "map"
            found["x-kubernetes-list-map-keys"] = list(APPLY_KEYS[place])
        else:
            found["x-kubernetes-list-type"] = "set" if place in APPLY_SETS else "atomic"
    if place in ATOMIC_MAPS:
        found["x-kubernetes-map-type"] = "atomic"
    strategies = []
    if place in PATCH_KEYS:
        found["x-kubernetes-patch-merge-key"] = PATCH_KEYS[place]
        strategies.append("merge")
    if place in PATCH_SETS:
        strategies.append("merge")
    if place in RETAIN_KEYS:
        strategies.append("retainKeys")
    if strategies:
        found["x-kubernetes-patch-strategy"] = ",".join(strategies)
    return found


def _of_type(kind: schema.Type, schemas: Obj) -> dict[str, Any]:
    if kind.name == "struct":
        return {"allOf": [{"$ref": f"#/components/schemas/{_add(kind.struct, schemas)}"}], "default": {}}
    if kind.name == "list" and kind.of:
        return {"type": "array", "items": _of_type(kind.of, schemas)}
    if kind.name == "map" and kind.of:
        return {"type": "object", "additionalProperties": _of_type(kind.of, schemas)}
    return dict(_SCALARS[kind.name])
