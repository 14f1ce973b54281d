"""What makes an object wrong although its fields are known and typed: what all kinds share, and each kind's own rules.

The rules and their wording are those of the real API server (pkg/apis/*/validation). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocket.api import names
from pocket.api.names import required
from pocket.kinds import strategy
from pocket.objects import FieldError, Obj, kind_of
from pocket.schemas.model import Struct


def check(obj: Obj, struct: Struct) -> list[FieldError]:
    """Everything that is wrong with a new object (defaults filled in) of that type, in the version that is stored."""
    found = metadata(obj)
    if struct.name:  # of a custom resource, its schema says so itself
        found += [error for error in _required(obj, struct, "") if error.path != "metadata"]
    return _unique(found + strategy(kind_of(obj)).rules(obj))


def check_update(new: Obj, old: Obj, struct: Struct) -> list[FieldError]:
    """Everything that is wrong with a changed object, and with the change itself."""
    return _unique(check(new, struct) + strategy(kind_of(new)).changes(new, old))


def _unique(found: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(found))


# -- metadata ----------------------------------------------------------------------------------------------------------


def metadata(obj: Obj) -> list[FieldError]:
    """Name, labels, annotations, finalizers, owners."""
    meta = obj["metadata"]
    found: list[FieldError] = []
    name = meta.get("name")
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    else:
        found += strategy(kind_of(obj)).name_rule("metadata.name", name)
    found += names.label_entries("metadata.labels", meta.get("labels"))
    found += names.annotation_entries("metadata.annotations", meta.get("annotations"))
    for index, owner in enumerate(meta.get("ownerReferences") or ()):
        found += [
            required(f"metadata.ownerReferences[{index}].{field}", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    for finalizer in meta.get("finalizers") or ():
        found += names.qualified("metadata.finalizers", finalizer)
    return found


def _required(value: Any, struct: Struct, path: str) -> Iterator[FieldError]:
    """The fields without which an object of this type makes no sense."""
    for name, kind in struct.fields.items():
        entry = value.get(name)
        here = f"{path}.{name}" if path else name
        if name == "status" and not path:
            continue  # the server's own
        if entry is None:
            # A field with a default is filled in: an empty text or a zero is no reason to refuse.
            if name in struct.required and kind.default in (None, {}):
                yield required(here)
        elif kind.struct is not None:
            yield from _required(entry, kind.struct, here)
        elif kind.name == "list" and kind.of is not None and kind.of.struct is not None:
            for index, element in enumerate(entry):
                if element is None:
                    yield required(f"{here}[{index}]")
                else:
                    yield from _required(element, kind.of.struct, f"{here}[{index}]")
