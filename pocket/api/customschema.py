"""The schemas of the custom kinds, for `kubectl explain`: made from the mesh's table of supported fields."""

from __future__ import annotations

from pocket.mesh import supported
from pocket.objects import Obj


def spec_of(kind: str) -> Obj:
    """The OpenAPI schema of the `spec` of a custom kind. Raises KeyError for a kind that the mesh does not know."""
    return _object(supported.SPECS[kind])


def _schema(field: supported.Field) -> Obj:
    schema = _one(field)
    if field.many:
        schema = {"type": "array", "items": schema, "x-kubernetes-list-type": "atomic"}
    if field.status == "refused":
        schema["description"] = f"Not supported by pocket: {field.note}."
    elif field.status == "no effect":
        schema["description"] = f"Accepted without effect in pocket: {field.note}."
    elif field.note:
        schema["description"] = field.note
    return schema


def _one(field: supported.Field) -> Obj:
    if field.type == "object":
        return _object(field)
    if field.type == "map":
        values = _schema(field.values) if field.values else {"type": "string"}
        return {"type": "object", "additionalProperties": values}
    if field.type == "any":
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema: Obj = {"type": field.type}
    if field.enum:
        schema["enum"] = list(field.enum)
    if field.low is not None:
        schema["minimum"] = field.low
    if field.high is not None:
        schema["maximum"] = field.high
    return schema


def _object(field: supported.Field) -> Obj:
    schema: Obj = {
        "type": "object",
        "properties": {name: _schema(below) for name, below in field.fields.items()},
    }
    required = [name for name, below in field.fields.items() if below.required]
    if required:
        schema["required"] = required
    return schema
