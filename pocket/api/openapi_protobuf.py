"""OpenAPI v2 in protobuf, the only form in which kubectl and client-go read it (gnostic's openapiv2/OpenAPIv2.proto).

The part that they look at: the types, and for each kind whether a PATCH may be asked to validate fields. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ASKED_FOR = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What comes back: the @ that clients ask with is no letter of a media type, and they could not read it."""

Json = Mapping[str, Any]


def encode(document: Json) -> bytes:
    """The document (`swagger: "2.0"`) as a message."""
    info = _text(1, document["info"]["title"]) + _text(2, document["info"]["version"])
    paths = b"".join(_bytes(2, _text(1, path) + _bytes(2, _path(item))) for path, item in document["paths"].items())
    return (
        _text(1, document["swagger"]) + _bytes(2, info) + _bytes(8, paths) + _bytes(9, _named(document["definitions"]))
    )  # fmt: skip


def _path(item: Json) -> bytes:
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}
    return b"".join(_bytes(numbers[verb], _operation(operation)) for verb, operation in item.items())


def _operation(operation: Json) -> bytes:
    query = [entry for entry in operation["parameters"] if entry["in"] == "query"]
    parameters = b"".join(
        # ParametersItem { parameter { non_body_parameter { query_parameter_sub_schema } } }
        _bytes(8, _bytes(1, _bytes(2, _bytes(3, _text(2, "query") + _text(4, entry["name"]) + _text(6, "string")))))
        for entry in query
    )
    return parameters + _extensions(13, operation)


def _named(schemas: Json) -> bytes:
    return b"".join(_bytes(1, _text(1, name) + _bytes(2, _schema(schema))) for name, schema in schemas.items())


def _schema(schema: Json) -> bytes:
    found = b""
    for number, field in ((1, "$ref"), (2, "format"), (4, "description")):
        if isinstance(schema.get(field), str):
            found += _text(number, schema[field])
    found += b"".join(_text(19, name) for name in schema.get("required") or ())
    found += b"".join(_bytes(20, _any(value)) for value in schema.get("enum") or ())
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        found += _bytes(21, _bytes(1, _schema(others)))
    elif others:
        found += _bytes(21, _varint(2 << 3) + _varint(1))
    if isinstance(schema.get("type"), str):
        found += _bytes(22, _text(1, schema["type"]))
    if isinstance(schema.get("items"), Mapping):
        found += _bytes(23, _bytes(1, _schema(schema["items"])))
    if schema.get("properties"):
        found += _bytes(25, _named(schema["properties"]))
    return found + _extensions(31, schema)


def _extensions(number: int, place: Json) -> bytes:
    return b"".join(
        _bytes(number, _text(1, name) + _bytes(2, _any(value)))
        for name, value in place.items()
        if name.startswith("x-kubernetes-") and name != "x-kubernetes-validations"
    )


def _any(value: Any) -> bytes:
    return _text(2, json.dumps(value))  # YAML, of which JSON is a part


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
