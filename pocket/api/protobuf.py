"""Bodies in protobuf: kubectl sends them where it makes an object itself (`create secret`, `create namespace`, ...).

An object comes as four magic bytes, an envelope with its apiVersion and kind, and its fields by number
(https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding). The numbers come with the schemas.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import unpack
from typing import Any

from pocket.objects import Obj
from pocket.schemas import kubernetes
from pocket.schemas.model import Struct, Type

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEPTH = 40  # levels of messages in messages


class ProtobufError(ValueError):
    """The body cannot be read."""


@dataclass(frozen=True)
class _Numbered:
    name: str
    optional: bool  # a pointer in Go: it is there or not. The others are always sent, and mean nothing when zero
    type: Type


Numbers = dict[int, "_Numbered | Numbers"]
"""Fields by number; the fields of a message that stand in the one around it in JSON."""


@functools.cache
def _numbered(struct: Struct) -> Numbers:
    """The fields by their numbers, which come with the schema (`metadata=1 replicas=2* exec=1.1*`)."""
    found: Numbers = {}
    for entry in str(struct.source.get("x-protobuf", "")).split():
        name, _, number = entry.partition("=")
        *around, last = (int(part) for part in number.rstrip("*").split("."))
        place = found
        for outer in around:
            below = place.setdefault(outer, {})
            if isinstance(below, dict):
                place = below
        if known := struct.fields.get(name):
            place[last] = _Numbered(name, number.endswith("*"), known)
    return found


def parse_object(body: bytes) -> Obj:
    """The object in a body. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not begin with the four bytes that mark a Kubernetes object")
    api_version = kind = ""
    raw = b""
    for number, value in _fields(body[len(_MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            names = {inner: entry for inner, entry in _fields(value) if isinstance(entry, bytes)}
            api_version, kind = _text(names.get(1, b"")), _text(names.get(2, b""))
        elif number == 2 and isinstance(value, bytes):
            raw = value
        elif value:
            raise ProtobufError(f"the envelope has a field {number}, which pocket does not know")
    group, _, version = api_version.rpartition("/")
    if kind == "DeleteOptions":
        group, version = "", "v1"  # every group has them, and they are the same in all
    try:
        struct = kubernetes.of_kind(group, version, kind)
    except KeyError:
        struct = None
    if struct is None or not struct.source.get("x-protobuf"):
        raise ProtobufError(f"pocket reads {kind or 'this object'} as JSON or YAML only, not as protobuf")
    return {"apiVersion": api_version, "kind": kind, **_message(raw, struct.name, _numbered(struct), _DEPTH)}


def _message(data: bytes, name: str, known: Numbers, depth: int) -> Obj:
    if depth == 0:
        raise ProtobufError("messages are nested too deeply")
    result: Obj = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            raise ProtobufError(
                f"pocket does not know field number {number} of {name} in protobuf: "
                "send the object as JSON or YAML (kubectl apply -f)"
            )
        if isinstance(field, dict):
            result |= _message(_bytes(value), name, field, depth - 1)
        elif field.type.name == "list" and field.type.of:
            result.setdefault(field.name, []).append(_value(value, field.type.of, depth))
        elif field.type.name == "map" and field.type.of:
            key, entry = _entry(value, field.type.of, depth)
            result.setdefault(field.name, {})[key] = entry
        else:
            decoded = _value(value, field.type, depth)
            if field.optional or decoded not in ("", 0, False, None, {}):
                result[field.name] = decoded
    return result


def _entry(value: int | float | bytes, kind: Type, depth: int) -> tuple[str, Any]:
    """One entry of a map: a message of key and value."""
    parts = dict(_fields(_bytes(value)))
    return _text(_bytes(parts.get(1, b""))), _value(parts.get(2, b""), kind, depth)


def _value(value: int | float | bytes, kind: Type, depth: int) -> Any:
    match kind.name:
        case "string":
            return _text(_bytes(value))
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "boolean":
            return _int(value) != 0
        case "integer":
            return _signed(value)
        case "quantity":
            return _text(_bytes(dict(_fields(_bytes(value))).get(1, b"")))
        case "time":
            parts = dict(_fields(_bytes(value)))
            seconds, nanos = _signed(parts.get(1, 0)), _int(parts.get(2, 0))
            if not seconds:
                return None
            try:  # Go's zero time is the year 1
                text = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
            except OverflowError:
                raise ProtobufError(f"a time is out of range: {seconds} seconds") from None
            return f"{text}.{nanos // 1000:06}Z" if kind.precise else f"{text}Z"
        case "int-or-string":
            parts = dict(_fields(_bytes(value)))
            return _text(_bytes(parts.get(3, b""))) if parts.get(1) else _value(parts.get(2, 0), _INTEGER, depth)
        case "struct" if kind.struct is not None:
            return _message(_bytes(value), kind.struct.name, _numbered(kind.struct), depth - 1)
        case "number":
            return value if isinstance(value, float) else _int(value)
        case "list" if kind.of:  # a list in a map: a message of its own in protobuf
            return [_value(entry, kind.of, depth) for _, entry in _fields(_bytes(value))]
        case "any":
            return _any(_bytes(value), kind.reference.rpartition(".")[2], depth)
    raise ProtobufError(f"pocket does not read values of type {kind.name} in protobuf")


def _any(data: bytes, name: str, depth: int) -> Any:
    """A type that is written otherwise in JSON than by its fields (k8s.io/apiextensions-apiserver, generated.proto)."""
    fields = list(_fields(data))
    parts = dict(fields)
    match name:
        case "JSONSchemaPropsOrArray" if 1 in parts:
            return _schema(parts[1], depth)
        case "JSONSchemaPropsOrArray":
            return [_schema(value, depth) for number, value in fields if number == 2]
        case "JSONSchemaPropsOrBool":
            return _schema(parts[2], depth) if 2 in parts else bool(parts.get(1))
        case "JSONSchemaPropsOrStringArray" if 1 in parts:
            return _schema(parts[1], depth)
        case "JSONSchemaPropsOrStringArray":
            return [_text(_bytes(value)) for number, value in fields if number == 2]
        case "CustomResourceSubresourceStatus":
            return {}
    try:
        return json.loads(_text(_bytes(parts.get(1, b"null"))))  # raw JSON
    except ValueError as error:
        raise ProtobufError(f"a {name or 'value'} is no JSON: {error}") from None


def _schema(value: int | float | bytes, depth: int) -> Obj:
    struct = kubernetes.struct("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    return _message(_bytes(value), struct.name, _numbered(struct), depth - 1)


_INTEGER = Type({"type": "integer"}, None)


def _fields(data: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Number and value of each field: an integer, or bytes (https://protobuf.dev/programming-guides/encoding/)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ProtobufError("the body ends in the middle of a field")
            yield number, data[at : at + length]
            at += length
        elif wire == 1:
            if at + 8 > len(data):
                raise ProtobufError("the body ends in the middle of a number")
            yield number, unpack("<d", data[at : at + 8])[0]
            at += 8
        else:
            raise ProtobufError(f"field {number} is encoded in a way that Kubernetes does not use ({wire})")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ProtobufError("the body ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ProtobufError("a number is too long")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ProtobufError("a text is not UTF-8") from None


def _bytes(value: int | float | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ProtobufError("a number stands where a text or a message belongs")


def _signed(value: int | float | bytes) -> int:
    number = _int(value)
    return number - 2**64 if number >= 2**63 else number


def _int(value: int | float | bytes) -> int:
    if isinstance(value, int):
        return value
    raise ProtobufError("a text or a message stands where a number belongs")
