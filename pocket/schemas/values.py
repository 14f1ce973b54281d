"""What the structural schema of a CustomResourceDefinition makes of an object's values: defaults, and what is wrong.

In the words of the real server (kube-openapi's validation). Pure, but that `fill_defaults` changes the object in place.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from pocket.api import ages
from pocket.objects import FieldError, Obj
from pocket.schemas import cel
from pocket.schemas.model import Json, Struct, Type

_ERRORS = 20  # of one object: more help nobody


def fill_defaults(value: Any, struct: Struct) -> None:
    """Put the schema's defaults where nothing is written, at every depth that is there."""
    if not isinstance(value, dict):
        return
    for name, kind in struct.fields.items():
        if struct.source.get("x-kubernetes-embedded-resource") and name == "metadata":
            continue
        if kind.default is not None and value.get(name) is None:
            value[name] = copy.deepcopy(kind.default)
        if name in value:
            _fill(value[name], kind)


def _fill(value: Any, kind: Type) -> None:
    if kind.struct is not None:
        fill_defaults(value, kind.struct)
    elif kind.of is not None and isinstance(value, (dict, list)):
        for entry in value.values() if isinstance(value, dict) else value:
            _fill(entry, kind.of)


def check(obj: Obj, old: Obj | None, struct: Struct) -> list[FieldError]:
    """Everything that the schema refuses, its rules included; without metadata, which has rules of its own."""
    below = {name: value for name, value in obj.items() if name not in ("metadata",)}
    before = None if old is None else {name: value for name, value in old.items() if name != "metadata"}
    found = []
    for error in _check(below, struct.source, ""):
        found.append(error)
        if len(found) == _ERRORS:
            return found
    return found or cel.check(obj, before, struct.source)


def _check(value: Any, schema: Json, path: str) -> Iterator[FieldError]:
    if value is None:
        if schema.get("nullable"):
            return
        yield FieldError(path, f'Invalid value: "null": {path} in body must be of type {schema.get("type")}: "null"')
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            yield _type_error(value, "integer,string", path)
            return
    elif (wanted := schema.get("type")) and not _is(value, wanted):
        yield _type_error(value, wanted, path)
        return
    if "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(json.dumps(entry) for entry in schema["enum"])
        yield FieldError(path, f"Unsupported value: {json.dumps(value)}: supported values: {listed}")
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, path)
    yield from _combined(value, schema, path)


def _is(value: Any, wanted: str) -> bool:
    match wanted:
        case "integer":
            return (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return True


def _type_error(value: Any, wanted: str, path: str) -> FieldError:
    given = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}[
        type(value)
    ]
    return _wrong(path, given, f'must be of type {wanted}: "{given}"')


def _wrong(path: str, value: Any, why: str) -> FieldError:
    return FieldError(path, f"Invalid value: {json.dumps(value)}: {path} in body {why}")


def _text(value: str, schema: Json, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield _wrong(path, value, f"should be at least {schema['minLength']} chars long")
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        yield FieldError(path, f"Too long: may not be more than {schema['maxLength']} bytes")
    if (pattern := schema.get("pattern")) and not _matches(pattern, value):
        yield _wrong(path, value, f"should match '{pattern}'")
    form = schema.get("format")
    if form == "date-time" and ages.parse_time(value) is None:
        yield _wrong(path, value, f'must be of type date-time: "{value}"')


@functools.lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str] | None:
    for posix, written in _POSIX.items():
        pattern = pattern.replace(posix, written)
    try:
        return re.compile(pattern)
    except re.error:
        return None  # Go's syntax is a little wider: what cannot be read here refuses nothing


_POSIX = {
    "[[:alnum:]]": "[0-9A-Za-z]",
    "[:alnum:]": "0-9A-Za-z",
    "[:digit:]": "0-9",
    "[:alpha:]": "A-Za-z",
    r"\z": r"\Z",
}


def _matches(pattern: str, value: str) -> bool:
    compiled = _pattern(pattern)
    return compiled is None or compiled.search(value) is not None


def _number(value: float, schema: Json, path: str) -> Iterator[FieldError]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        yield _wrong(
            path, value, f"should be greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{low}"
        )
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        yield _wrong(
            path, value, f"should be less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{high}"
        )
    if (step := schema.get("multipleOf")) and value % step:
        yield _wrong(path, value, f"should be a multiple of {step}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and not -(2**bits) <= value < 2**bits:
        yield _wrong(path, value, f"must be of type {schema['format']}")


def _list(value: list[Any], schema: Json, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minItems", 0):
        yield _wrong(path, len(value), f"should have at least {schema['minItems']} items")
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield FieldError(path, f"Too many: {len(value)}: must have at most {schema['maxItems']} items")
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
    if kind in ("set", "map"):
        seen: list[Any] = []
        for index, entry in enumerate(value):
            named = {key: entry.get(key) for key in keys} if kind == "map" and isinstance(entry, dict) else entry
            if named in seen:
                yield FieldError(f"{path}[{index}]", f"Duplicate value: {json.dumps(named)}")
            seen.append(named)
    if below := schema.get("items"):
        for index, entry in enumerate(value):
            yield from _check(entry, below, f"{path}[{index}]")


def _object(value: Obj, schema: Json, path: str) -> Iterator[FieldError]:
    for name in schema.get("required") or ():
        if name not in value:
            yield FieldError(_join(path, name), "Required value")
    if len(value) < schema.get("minProperties", 0):
        yield _wrong(path, len(value), f"should have at least {schema['minProperties']} properties")
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield FieldError(path, f"Too many: {len(value)}: must have at most {schema['maxProperties']} items")
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, entry in value.items():
        if name in properties:
            yield from _check(entry, properties[name], _join(path, name))
        elif isinstance(others, dict):
            yield from _check(entry, others, f"{path}[{name}]")


def _combined(value: Any, schema: Json, path: str) -> Iterator[FieldError]:
    for below in schema.get("allOf") or ():
        yield from _check(value, below, path)
    if (choices := schema.get("anyOf")) and not any(_fits(value, entry) for entry in choices):
        yield _wrong(path, value, "must validate at least one schema (anyOf)")
    if (choices := schema.get("oneOf")) and sum(_fits(value, entry) for entry in choices) != 1:
        yield _wrong(path, value, "must validate one and only one schema (oneOf)")
    if "not" in schema and _fits(value, schema["not"]):
        yield _wrong(path, value, "must not validate the schema (not)")


def _fits(value: Any, schema: Json) -> bool:
    return next(_check(value, schema, ""), None) is None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
