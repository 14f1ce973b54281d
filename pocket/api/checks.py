"""Small checks of one value, which the rules of several kinds share, in the real server's words. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from pocket.api import names
from pocket.api.names import duplicate, invalid, required, unsupported
from pocket.objects import FieldError, Obj

NON_NEGATIVE = "must be greater than or equal to 0"


class Raw:
    """Shown as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def one_of(spec: Obj, field: str, path: str, supported: tuple[str, ...]) -> list[FieldError]:
    value = spec.get(field)
    return [] if value is None or value in supported else [unsupported(f"{path}.{field}", value, supported)]


def at_least(spec: Obj, field: str, path: str, least: int, why: str) -> list[FieldError]:
    value = spec.get(field)
    return [invalid(f"{path}.{field}", value, why)] if isinstance(value, int) and value < least else []


def port_number(value: Any, path: str) -> list[FieldError]:
    if value is None:
        return [required(path)]
    return [] if 1 <= value <= 65535 else [invalid(path, value, "must be between 1 and 65535, inclusive")]


def port(value: Any, path: str) -> list[FieldError]:
    """A number, or the name of a container's port."""
    if value is None:
        return [required(path)]
    return port_number(value, path) if isinstance(value, int) else names.port_name(path, value)


_PERCENT = re.compile(r"^\d+%$")


def share(value: Any, path: str, most: int | None) -> list[FieldError]:
    """A count, or a percentage."""
    if value is None:
        return []
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(path, value, NON_NEGATIVE)]
    if not _PERCENT.match(value):
        why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"  # noqa: E501
        return [invalid(path, value, why)]
    return [invalid(path, value, "must not be greater than 100%")] if most and int(value[:-1]) > most else []


def is_zero(value: Any) -> bool:
    return value in (0, "0%")


def unique_names(entries: Any, path: str) -> list[FieldError]:
    seen: set[Any] = set()
    found = []
    for index, entry in enumerate(entries or []):
        name = entry.get("name")
        if name in seen:
            found.append(duplicate(f"{path}[{index}].name", name))
        seen.add(name)
    return found


IMMUTABLE = "field is immutable"


def same(new: Obj, old: Obj, *path: str) -> list[FieldError]:
    """A field that cannot be changed."""
    a: Any = new
    b: Any = old
    for key in path:
        a, b = (a or {}).get(key), (b or {}).get(key)
    if a == b:
        return []
    return [invalid(".".join(path), Raw(json.dumps(a, separators=(",", ":"), sort_keys=True)), IMMUTABLE)]


def same_data(new: Obj, old: Obj) -> list[FieldError]:
    """An immutable Secret or ConfigMap stays as it is."""
    why = "Forbidden: field is immutable when `immutable` is set"
    if not old.get("immutable"):
        return []
    found = [] if new.get("immutable") else [FieldError("immutable", why)]
    return found + [FieldError(field, why) for field in ("data", "binaryData") if new.get(field) != old.get(field)]
