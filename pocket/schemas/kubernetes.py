"""Kubernetes' own types and kinds, from the files beside this one (`refresh.py` says where they come from).

The types stand one a line in a file that is read when a type is asked for: a pocket needs a tenth of them, and none
of their descriptions, which are the most of it.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from pocket.objects import Kind, Subresource
from pocket.schemas.model import Struct

_FOLDER = Path(__file__).parent
_TYPES = _FOLDER / "kubernetes.jsonl"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"


@functools.cache
def kinds() -> tuple[Kind, ...]:
    """Every kind of Kubernetes, as its discovery lists them."""
    return tuple(
        Kind(
            name=entry["kind"],
            plural=entry["plural"],
            group=entry["group"],
            versions=tuple(entry["types"]),
            namespaced=entry["namespaced"],
            short=tuple(entry["short"]),
            categories=tuple(entry["categories"]),
            singular=entry["singular"],
            verbs=tuple(entry["verbs"]),
            subresources={
                name: Subresource(below["group"], below["version"], below["kind"], tuple(below["verbs"]))
                for name, below in entry["subresources"].items()
            },
        )
        for entry in json.loads((_FOLDER / "kinds.json").read_text())
    )


@functools.cache
def module_version(module: str) -> str:
    """The version of the module that schemas come from (`istio.io/api`): `1.31.4`. Raises KeyError."""
    lines = [line.split() for line in (_FOLDER / "go.mod").read_text().splitlines()]
    return {line[0]: line[1].removeprefix("v") for line in lines if len(line) == 2}[module]


@functools.cache
def _index() -> dict[str, tuple[int, int]]:
    """Where each type stands in the file: first byte, and the byte behind its last one."""
    found, at = {}, 0
    with _TYPES.open("rb") as file:
        for line in file:
            found[line.split(b'"', 4)[3].decode()] = (at, at + len(line))
            at += len(line)
    return found


def names() -> list[str]:
    """The full names of all types (`io.k8s.api.core.v1.Container`)."""
    return list(_index())


def source(name: str) -> dict[str, Any]:
    """A type as upstream publishes it, with its descriptions; not kept. Raises KeyError."""
    start, end = _index()[name]
    with _TYPES.open("rb") as file:
        file.seek(start)
        found: dict[str, Any] = json.loads(file.read(end - start))["schema"]
    return found


@functools.cache
def struct(name: str) -> Struct:
    """The type of that full name. Raises KeyError."""
    return Struct(name.rpartition(".")[2], _plain(source(name)), struct)


def _plain(schema: Any) -> Any:
    """Without descriptions, which only `kubectl explain` reads."""
    if not isinstance(schema, dict):
        return schema
    return {
        key: {field: _plain(entry) for field, entry in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key != "description"
    }


@functools.cache
def _types() -> dict[tuple[str, str, str], str]:
    """Group, version and kind -> the full name of its type."""
    found = {("", "v1", name): f"{_META}.{name}" for name in ("DeleteOptions", "Status")}
    for entry in json.loads((_FOLDER / "kinds.json").read_text()):
        found |= {(entry["group"], version, entry["kind"]): name for version, name in entry["types"].items()}
        found |= {
            (below["group"], below["version"], below["kind"]): below["type"]
            for below in entry["subresources"].values()
            if below["type"]
        }
    return found


def name_of(group: str, version: str, kind: str) -> str:
    """The full name of a kind's type. Raises KeyError for a kind that is not Kubernetes' own."""
    return _types()[group, version, kind]


def of_kind(group: str, version: str, kind: str) -> Struct:
    """The fields of a kind of Kubernetes' own. Raises KeyError."""
    return struct(name_of(group, version, kind))


def type_meta() -> dict[str, Any]:
    """The fields `apiVersion` and `kind`, with their descriptions."""
    fields = source(f"{_META}.Status")["properties"]
    return {name: fields[name] for name in ("apiVersion", "kind")}


METADATA = f"{_META}.ObjectMeta"
