"""What an OpenAPI schema says, in the form that everything here works with: types with fields, read when asked for.

The same for Kubernetes' own types (which refer to each other by name) and for the structural schemas of
CustomResourceDefinitions (which are nested in each other). https://kubernetes.io/docs/reference/using-api/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

Json = Mapping[str, Any]

TypeName = Literal[
    "string", "integer", "number", "boolean", "time", "bytes", "quantity", "int-or-string", "any", "list", "map",
    "struct",
]  # fmt: skip

_REFERENCE = "#/components/schemas/"
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


class Struct:
    """One type with named fields."""

    __slots__ = ("atomic", "fields", "kept", "name", "required", "source")

    def __init__(self, name: str, source: Json, find: Find | None) -> None:
        self.name = name  # `Container`; "" for a type that has no name
        self.source = source
        self.required: tuple[str, ...] = tuple(source.get("required") or ())
        self.atomic: bool = source.get("x-kubernetes-map-type") == "atomic"
        self.kept: bool = bool(source.get("x-kubernetes-preserve-unknown-fields"))  # fields that it does not name
        properties: Json = source.get("properties") or {}
        self.fields: dict[str, Type] = {field: Type(entry, find) for field, entry in properties.items()}
        if source.get("x-kubernetes-embedded-resource") and find is not None:
            meta = {"$ref": f"{_REFERENCE}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
            for field, entry in (("apiVersion", {"type": "string"}), ("kind", {"type": "string"}), ("metadata", meta)):
                self.fields.setdefault(field, Type(entry, find))


Find = Callable[[str], Struct | None]
"""The type that a reference names; None for one that is no struct."""


class Type:
    """The type of a field, of a list's elements, of a map's values, and how it merges."""

    __slots__ = ("_find", "_struct", "atomic", "list_keys", "list_type", "merge_key", "merges", "name", "of", "source")

    def __init__(self, source: Json, find: Find | None) -> None:
        self.source = source
        self._find = find
        self._struct: Struct | None = None
        self.of: Type | None = None
        self.name: TypeName = self._named(source)
        self.list_type: str = source.get("x-kubernetes-list-type") or "atomic"
        self.list_keys: tuple[str, ...] = tuple(source.get("x-kubernetes-list-map-keys") or ())
        self.atomic: bool = source.get("x-kubernetes-map-type") == "atomic"
        self.merge_key: str | None = source.get("x-kubernetes-patch-merge-key")
        self.merges: bool = "merge" in (source.get("x-kubernetes-patch-strategy") or "").split(",")

    @property
    def struct(self) -> Struct | None:
        """The fields, for a struct."""
        if self._struct is None and self.name == "struct":
            reference = _reference(self.source)
            if reference and self._find:
                self._struct = self._find(reference)
            else:
                self._struct = Struct("", self.source, self._find)
        return self._struct

    @property
    def reference(self) -> str:
        """The full name of the type that it refers to; "" for one that has none."""
        return _reference(self.source)

    @property
    def precise(self) -> bool:
        """Is it a time with microseconds?"""
        return self.reference.endswith(".MicroTime")

    @property
    def default(self) -> Any:
        """The value where there is none; None without one."""
        return self.source.get("default")

    def _named(self, source: Json) -> TypeName:
        if reference := _reference(source):
            return _REFERENCES.get(reference, "struct")
        if source.get("x-kubernetes-int-or-string"):
            return "int-or-string"
        kind = source.get("type")
        if kind == "array":
            self.of = Type(source.get("items") or {}, self._find)
            return "list"
        if kind == "object" or (kind is None and "properties" in source):
            if "properties" in source or source.get("x-kubernetes-embedded-resource"):
                return "struct"
            values = source.get("additionalProperties")
            if isinstance(values, Mapping):
                self.of = Type(values, self._find)
                return "map"
            return "any" if values or source.get("x-kubernetes-preserve-unknown-fields") else "struct"
        if kind == "string":
            return _FORMATS.get(source.get("format", ""), "string")
        return kind if kind in ("integer", "number", "boolean") else "any"


_FORMATS: dict[str, TypeName] = {"date-time": "time", "byte": "bytes", "int-or-string": "int-or-string"}
# Types that are written otherwise than as an object with their fields.
_REFERENCES: dict[str, TypeName] = {
    _QUANTITY: "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": "any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    **{
        f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{name}": "any"
        for name in ("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray",
                     "CustomResourceSubresourceStatus")
    },
}  # fmt: skip


def _reference(source: Json) -> str:
    """The type that is referred to, also in the form that leaves room for a default."""
    for entry in (source, *(source.get("allOf") or ())):
        reference = entry.get("$ref")
        if isinstance(reference, str):
            return reference.removeprefix(_REFERENCE)
    return ""
