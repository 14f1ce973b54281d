"""What a CustomResourceDefinition says: the kind, the fields of each version, its columns. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import re
from typing import Any

from pocket.objects import Kind, Obj, Subresource
from pocket.schemas import kubernetes
from pocket.schemas.model import Struct

_VERSION = re.compile(r"^v(\d+)(?:(alpha|beta)(\d+))?$")


def kind_of_definition(definition: Obj) -> Kind | None:
    """The kind that it brings; None as long as its names are not accepted or none of its versions is served."""
    if not is_established(definition):
        return None
    spec = definition["spec"]
    names, group = spec["names"], spec["group"]
    served = [version for version in spec["versions"] if version.get("served")]
    if not served:
        return None
    served.sort(key=lambda version: rank(str(version["name"])))
    preferred = served[0]
    below = preferred.get("subresources") or {}
    verbs = ("get", "patch", "update")
    subresources = {}
    if "status" in below:
        subresources["status"] = Subresource(group, preferred["name"], names["kind"], verbs)
    if below.get("scale"):
        subresources["scale"] = Subresource("autoscaling", "v1", "Scale", verbs)
    return Kind(
        name=names["kind"],
        plural=names["plural"],
        group=group,
        versions=tuple(version["name"] for version in served),
        namespaced=spec["scope"] == "Namespaced",
        short=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        singular=names.get("singular") or names["kind"].lower(),
        subresources=subresources,
        custom=True,
        selectable=tuple(
            dict.fromkeys(
                str(field["jsonPath"]).lstrip(".")
                for version in served
                for field in version.get("selectableFields") or ()
            )
        ),
        storage=next(version["name"] for version in spec["versions"] if version.get("storage")),
    )


def is_established(definition: Obj) -> bool:
    """Has it been told that its names are accepted?"""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(entry.get("type") == "Established" and entry.get("status") == "True" for entry in conditions)


def rank(version: str) -> tuple[int, int, int, str]:
    """v2 before v1 before v1beta2 before v1beta1 before v1alpha1 before anything else."""
    match = _VERSION.match(version)
    if match is None:
        return (3, 0, 0, version)
    major, stage, minor = match.groups()
    return ({None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), version)


def version_of(definition: Obj, name: str) -> Obj:
    """One of its versions. Raises KeyError."""
    for version in definition["spec"]["versions"]:
        if version["name"] == name:
            found: Obj = version
            return found
    raise KeyError(name)


def struct(definition: Obj, version: str) -> Struct:
    """The fields of an object in that version."""
    entry = version_of(definition, version)
    source: dict[str, Any] = {**((entry.get("schema") or {}).get("openAPIV3Schema") or {}), "type": "object"}
    source.setdefault("properties", {})
    if definition["spec"].get("preserveUnknownFields"):
        source["x-kubernetes-preserve-unknown-fields"] = True
    source["x-kubernetes-embedded-resource"] = True
    properties = {key: value for key, value in source["properties"].items() if key not in _HEAD}
    return Struct("", {**source, "properties": properties}, kubernetes.struct)


_HEAD = ("apiVersion", "kind", "metadata")
