"""Patches that need no schema: JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Pure; results share nothing."""

from __future__ import annotations

import copy
from typing import Any


class PatchError(Exception):
    """The patch cannot be applied to the object."""


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(document: Any, operations: Any) -> Any:
    """RFC 6902. Raises PatchError."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch must be a list of operations")
    box = {"": copy.deepcopy(document)}
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or not isinstance(operation.get("path"), str):
            raise PatchError(f"not an operation of a JSON patch: {operation!r}")
        _operate(box, operation)
    if "" not in box:
        raise PatchError("the patch leaves no object: it removes all of it")
    return box[""]


def _operate(box: Any, operation: dict[str, Any]) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(box, path, copy.deepcopy(_value(operation)))
        case "remove":
            _remove(box, path)
        case "replace":
            _find(box, path)
            if len(path) > 1:
                _remove(box, path)
            _add(box, path, copy.deepcopy(_value(operation)))
        case "move":
            source = _pointer(_from(operation))
            value = _find(box, source)
            _remove(box, source)
            _add(box, path, value)
        case "copy":
            _add(box, path, copy.deepcopy(_find(box, _pointer(_from(operation)))))
        case "test":
            if _find(box, path) != _value(operation):
                raise PatchError(f"testing value {operation['path']} failed")
        case other:
            raise PatchError(f'unexpected kind of operation: "{other}"')


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError(f"the operation {operation['op']} needs a value")
    return operation["value"]


def _from(operation: dict[str, Any]) -> str:
    if not isinstance(operation.get("from"), str):
        raise PatchError(f"the operation {operation['op']} needs a path in from")
    return str(operation["from"])


def _pointer(path: str) -> list[str]:
    """The steps of a JSON pointer; the first one leads into the box."""
    if path and not path.startswith("/"):
        raise PatchError(f'not a JSON pointer: "{path}"')
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _find(box: Any, path: list[str]) -> Any:
    place = box
    for step in path:
        try:
            place = place[_index(step, len(place) - 1)] if isinstance(place, list) else place[step]
        except (KeyError, TypeError):
            raise PatchError(f"the path {'/'.join(path)} does not exist") from None
    return place


def _add(box: Any, path: list[str], value: Any) -> None:
    parent = _find(box, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(path[-1], len(parent)), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise PatchError(f"the path {'/'.join(path[:-1])} leads to no object or list")


def _remove(box: Any, path: list[str]) -> None:
    _find(box, path)
    parent = _find(box, path[:-1])
    if isinstance(parent, list):
        del parent[_index(path[-1], len(parent) - 1)]
    else:
        del parent[path[-1]]


def _index(step: str, last: int) -> int:
    if not step.isascii() or not step.isdigit() or int(step) > last:
        raise PatchError(f'"{step}" is not an index of the list')
    return int(step)
