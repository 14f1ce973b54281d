"""Bodies in: JSON or YAML to an object, and the strict check of its fields against the schema.

The wording is that of the real API server, since people search for it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pocket.api import errors, protobuf
from pocket.objects import Obj
from pocket.schemas.model import Struct, Type

DEEPEST = 200
"""Levels of nesting that an object may have; the schemas of definitions need some seventy."""

MAX_BODY = 3 * 1024 * 1024
"""Bytes that a request body may have: the real API server's limit."""


@dataclass
class Findings:
    """What is wrong with an object as it was written."""

    unknown: list[str] = field(default_factory=list)  # paths of fields that the schema does not know
    duplicate: list[str] = field(default_factory=list)  # paths of fields written twice
    wrong: list[str] = field(default_factory=list)  # complete messages about values of the wrong type
    unknown_in: list[tuple[Obj, str]] = field(default_factory=list)  # where the unknown fields stand, with their key

    def strict(self) -> list[str]:
        """The messages that only strict validation makes an error of."""
        return [f'unknown field "{path}"' for path in self.unknown] + [
            f'duplicate field "{path}"' for path in self.duplicate
        ]


class _Repeated(dict[str, Any]):
    """An object of which a key was written twice."""

    repeated: list[str]


def parse(body: bytes, content_type: str) -> tuple[Any, list[str]]:
    """The value in a JSON or YAML body, and the paths of the fields that were written twice. Raises ApiError 400."""
    try:
        value = _from_yaml(body) if "yaml" in content_type else json.loads(body, object_pairs_hook=_pairs)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise errors.bad_request(f"the body of the request could not be read: {error}") from None
    duplicates: list[str] = []
    return _plain(value, "", duplicates, DEEPEST), duplicates


def parse_object(body: bytes, content_type: str) -> tuple[Obj, list[str]]:
    """As parse, for a body that must be an object; it may also be in protobuf."""
    if content_type == protobuf.MEDIA_TYPE:
        try:
            return protobuf.parse_object(body), []
        except protobuf.ProtobufError as error:
            raise errors.bad_request(f"the body of the request could not be read: {error}") from None
    value, duplicates = parse(body, content_type)
    if not isinstance(value, dict):
        raise errors.bad_request("the body of the request must be an object")
    return value, duplicates


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    keys = [key for key, _ in pairs]
    marked = _Repeated(value)
    marked.repeated = sorted({key for key in keys if keys.count(key) > 1})
    return marked


def _plain(value: Any, path: str, duplicates: list[str], levels: int) -> Any:
    """The value without marks, and with texts that can be written; collects the paths of repeated keys."""
    if levels == 0:
        raise errors.bad_request(f"the body of the request could not be read: more than {DEEPEST} levels of nesting")
    if isinstance(value, str):
        return _written(value)
    if isinstance(value, dict):
        if isinstance(value, _Repeated):
            duplicates.extend(join(path, key) for key in value.repeated)
        return {
            _written(key): _plain(entry, join(path, key), duplicates, levels - 1) for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_plain(entry, f"{path}[{index}]", duplicates, levels - 1) for index, entry in enumerate(value)]
    return value


def _written(text: str) -> str:
    """Half of a pair of surrogates (`\\ud800`) stands for no letter: as in Go, it becomes U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class _Loader(yaml.CSafeLoader):
    """YAML as JSON has it: no dates, and repeated keys marked."""


def _mapping(loader: yaml.CSafeLoader, node: yaml.MappingNode) -> dict[str, Any]:
    return _pairs(
        [(_key(loader.construct_object(key, True)), loader.construct_object(value, True)) for key, value in node.value]
    )


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _from_yaml(body: bytes) -> Any:
    with contextlib.suppress(ValueError):
        return json.loads(body, object_pairs_hook=_pairs)  # what kubectl sends, whatever the header says
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(body, Loader=yaml.CSafeLoader)):
        # A small body could unfold to gigabytes.
        raise ValueError("aliases are not accepted in the body of a request: write the value out")
    return yaml.load(body, Loader=_Loader)  # noqa: S506 - a subclass of the safe loader


def repeated(body: bytes) -> list[str]:
    """The keys that YAML (or JSON, which is YAML) has twice in one mapping, as Go's library tells of them."""
    found: list[str] = []

    def look(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    found.append(f'line {key.start_mark.line + 1}: key "{key.value}" already set in map')
                seen.add(str(key.value))
                look(value)
        elif isinstance(node, yaml.SequenceNode):
            for entry in node.value:
                look(entry)

    look(yaml.compose(body, Loader=yaml.CSafeLoader))
    return found


def join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def check(value: Obj, struct: Struct) -> Findings:
    """Compare an object with its type, field by field.

    Values of another type are `wrong` in Kubernetes' own types only: of a custom resource, they are what its schema
    refuses (values.py).
    """
    findings = Findings()
    _check_struct(value, struct, "", findings)
    return findings


def prune(obj: Obj, paths: list[str]) -> None:
    """Take the fields at these paths (`spec.http[0].rout`) out of the object, in place; those that are there."""
    for path in paths:
        steps = [int(index) if index else key for key, index in _STEP.findall(path)]
        place: Any = obj
        for step in steps[:-1]:
            try:
                place = place[step]
            except (KeyError, IndexError, TypeError):
                place = None
        if isinstance(place, dict):
            place.pop(steps[-1], None)


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_GO_TYPES = {
    "string": "string", "integer": "int32", "number": "float64", "boolean": "bool", "time": "v1.Time",
    "bytes": "[]uint8", "list": "[]", "map": "map[string]string", "struct": "struct",
}  # fmt: skip
_QUANTITY = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")


def is_quantity(value: Any) -> bool:
    """Is this a resource quantity: `100m`, `64Mi`, `1`?"""
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or (
        isinstance(value, str) and _QUANTITY.match(value) is not None
    )


def _check_struct(value: Any, struct: Struct, path: str, findings: Findings) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        if struct.name:
            findings.wrong.append(f"json: cannot unmarshal {_json_type(value)} into Go value of type {struct.name}")
        return
    for key, entry in value.items():
        field_path = join(path, key)
        known = struct.fields.get(key)
        if known is not None:
            _check_value(entry, known, field_path, struct.name, findings)
        elif not struct.kept:
            findings.unknown.append(field_path)
            findings.unknown_in.append((value, key))


def _check_value(value: Any, kind: Type, path: str, owner: str, findings: Findings) -> None:
    if value is None or kind.name == "any":
        return
    if not _fits(value, kind):
        if owner:
            findings.wrong.append(_wrong(value, kind, path, owner))
    elif kind.struct is not None:
        _check_struct(value, kind.struct, path, findings)
    elif kind.name == "list" and kind.of:
        for index, entry in enumerate(value):
            if entry is None and kind.of.name != "any" and owner:
                findings.wrong.append(_wrong(entry, kind.of, f"{path}[{index}]", owner))
            _check_value(entry, kind.of, f"{path}[{index}]", owner, findings)
    elif kind.name == "map" and kind.of:
        for key, entry in value.items():
            _check_value(entry, kind.of, join(path, key), owner, findings)


def _fits(value: Any, kind: Type) -> bool:
    match kind.name:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "time":
            return isinstance(value, str) and _TIME.match(value) is not None
        case "bytes":
            return isinstance(value, str) and _is_base64(value)
        case "quantity":
            return is_quantity(value)
        case "int-or-string":
            return isinstance(value, (int, str)) and not isinstance(value, bool)
        case "list":
            return isinstance(value, list)
        case "map" | "struct":
            return isinstance(value, dict)
        case "any":
            return True


def _wrong(value: Any, kind: Type, path: str, owner: str) -> str:
    if kind.name == "quantity" and isinstance(value, str):
        return (
            f"{path}: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    if kind.name == "bytes" and isinstance(value, str):
        return f"{path}: illegal base64 data"
    if kind.name == "time" and isinstance(value, str):
        return f'{path}: parsing time "{value}" as "2006-01-02T15:04:05Z07:00" failed'
    wanted = {"quantity": "resource.Quantity", "int-or-string": "intstr.IntOrString"}.get(
        kind.name, _GO_TYPES.get(kind.name, kind.name)
    )
    if kind.name == "list" and kind.of:
        wanted = f"[]{kind.of.struct.name if kind.of.struct else _GO_TYPES.get(kind.of.name, kind.of.name)}"
    elif kind.struct is not None:
        wanted = kind.struct.name
    return f"json: cannot unmarshal {_json_type(value)} into Go struct field {owner}.{path} of type {wanted}"


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "null" if value is None else "object"


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
