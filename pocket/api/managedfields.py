"""Who owns which field: the sets of fields in `metadata.managedFields`, and server-side apply on top of them.

https://kubernetes.io/docs/reference/using-api/server-side-apply/

A set of fields is the nested dictionary of the wire format (FieldsV1): `f:NAME` is a field, `k:{...}` an element of a
list that is identified by some of its fields, `v:...` a value in a list that is a set, `.` the thing itself.
A leaf is an empty dictionary. Everything here is pure.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pocket.objects import Obj
from pocket.schemas.model import Struct, Type

Path = tuple[str, ...]
FieldSet = frozenset[Path]

# Not owned by anybody: the server sets them, or they say which object it is.
_UNOWNED = {("f:apiVersion",), ("f:kind",)} | {
    ("f:metadata", f"f:{name}")
    for name in (
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "managedFields", "selfLink",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where we are in the schema: decides how the value merges."""

    type: Type | None = None  # None: nothing is known there
    struct: Struct | None = None  # the fields, if they have names

    def is_granular(self, value: Any) -> bool:
        """Can parts of the value have owners of their own?"""
        if isinstance(value, dict):
            return not (self.type and self.type.atomic) and not (self.struct and self.struct.atomic)
        return isinstance(value, list) and self.type is not None and self.type.list_type in ("map", "set")

    def child(self, name: str) -> Place:
        if self.struct is not None:
            return _place(self.struct.fields.get(name))
        return self.element()

    def element(self) -> Place:
        return _place(self.type.of) if self.type is not None else NOWHERE


def _place(kind: Type | None) -> Place:
    return Place(kind, kind.struct) if kind is not None else NOWHERE


NOWHERE = Place()


def root(struct: Struct | None) -> Place:
    """The place of a whole object of that type."""
    return Place(None, struct)


def element_step(place: Place, entry: Any) -> str:
    """How an element of a keyed list or a set is called in a path: `k:{"name":"web"}`, `v:"x"`."""
    if place.type is None or place.type.list_type != "map":
        return "v:" + json.dumps(entry, separators=(",", ":"))
    named = {}
    for key in sorted(place.type.list_keys):
        known = place.element().child(key).type
        value = entry.get(key) if isinstance(entry, dict) else None
        if value is None and known is not None:
            value = known.default  # a port that names no protocol is one of TCP
        if value is not None:
            named[key] = value
    return "k:" + json.dumps(named, separators=(",", ":"))


def children(place: Place, value: Any) -> Iterator[tuple[str, Any, Place]]:
    """The parts of a granular value: step, value, place."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield f"f:{key}", entry, place.child(key)
    else:
        for entry in value:
            yield element_step(place, entry), entry, place.element()


def fields_of(place: Place, value: Any, path: Path = ()) -> Iterator[Path]:
    """Every field of a value: its leaves, and each element of a list as itself (`.`)."""
    if path in _UNOWNED:
        return
    if not place.is_granular(value) or not value:
        if path:
            yield path
        return
    if path and path[-1].startswith("k:"):
        yield (*path, ".")
    for step, entry, below in children(place, value):
        yield from fields_of(below, entry, (*path, step))


def value_at(place: Place, value: Any, path: Path) -> tuple[bool, Any]:
    """Is the field there, and what is its value?"""
    for step in path:
        if step == ".":
            return True, None
        if not isinstance(value, (dict, list)) or not place.is_granular(value):
            return False, None
        for name, entry, below in children(place, value):
            if name == step:
                value, place = entry, below
                break
        else:
            return False, None
    return True, value


# -- the wire format -----------------------------------------------------------------------------------------------


def to_wire(fields: FieldSet) -> Obj:
    """FieldsV1 of a set."""
    tree: Obj = {}
    for path in sorted(fields):
        place = tree
        for step in path:
            place = place.setdefault(step, {})
    return tree


def from_wire(tree: Any, path: Path = ()) -> Iterator[Path]:
    """The fields of a FieldsV1."""
    if not isinstance(tree, dict):
        return
    for step, below in tree.items():
        here = (*path, step)
        if below:
            yield from from_wire(below, here)
        else:
            yield here


# -- owners ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owner:
    """One entry of managedFields."""

    manager: str
    operation: Literal["Apply", "Update"]
    subresource: str
    api_version: str
    time: str
    fields: FieldSet


def owners_of(obj: Obj) -> list[Owner]:
    """The entries of an object's managedFields."""
    return [
        Owner(
            str(entry.get("manager", "")),
            "Apply" if entry.get("operation") == "Apply" else "Update",
            str(entry.get("subresource") or ""),
            str(entry.get("apiVersion", "")),
            str(entry.get("time", "")),
            frozenset(from_wire(entry.get("fieldsV1"))),
        )
        for entry in obj["metadata"].get("managedFields") or ()
    ]


def set_owners(obj: Obj, owners: list[Owner]) -> None:
    """Write the entries into the object; one that owns nothing any more goes."""
    entries = []
    for owner in owners:
        if not owner.fields:
            continue
        entry: Obj = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": owner.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_wire(owner.fields),
        }
        if owner.subresource:
            entry["subresource"] = owner.subresource
        entries.append(entry)
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


@dataclass(frozen=True)
class Writer:
    """Who writes now."""

    manager: str
    api_version: str
    time: str
    subresource: str = ""


def after_update(place: Place, old: Obj | None, new: Obj, owners: list[Owner], writer: Writer) -> list[Owner]:
    """The owners after a create, an update or a patch other than apply.

    What the writer changed or added is its own, and nobody else's; what is gone belongs to nobody.
    """
    present = frozenset(fields_of(place, new))
    before = frozenset(fields_of(place, old)) if old is not None else frozenset()
    changed = frozenset(
        path
        for path in present
        if path not in before or (old is not None and value_at(place, old, path) != value_at(place, new, path))
    )
    if not changed and present == before:
        return owners
    result: list[Owner] = []
    mine: FieldSet = frozenset()
    for owner in owners:
        if (owner.manager, owner.operation, owner.subresource) == (writer.manager, "Update", writer.subresource):
            mine = owner.fields & present
            continue
        kept = (owner.fields & present) - changed
        result.append(Owner(owner.manager, owner.operation, owner.subresource, owner.api_version, owner.time, kept))
    result.append(
        Owner(writer.manager, "Update", writer.subresource, writer.api_version, writer.time, mine | changed)
    )
    return result


# -- apply -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FieldConflict:
    """A field that the applied object sets to another value than its owner did."""

    manager: str
    operation: str
    path: Path

    @property
    def field(self) -> str:
        """`.spec.template.spec.containers[name="web"].image`"""
        text = ""
        for step in self.path:
            if step.startswith("f:"):
                text += f".{step[2:]}"
            elif step.startswith("k:"):
                keys = json.loads(step[2:])
                text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "]"
            elif step.startswith("v:"):
                text += f"[={step[2:]}]"
        return text


def conflicts(place: Place, live: Obj, applied: Obj, owners: list[Owner], writer: Writer) -> list[FieldConflict]:
    """The fields that `applied` would take from other managers by changing their value."""
    found = []
    wanted = frozenset(fields_of(place, applied))
    for owner in owners:
        if _is_mine(owner, writer):
            continue
        for path in sorted(owner.fields):
            if path[-1] == ".":
                continue
            taken = path in wanted and value_at(place, live, path) != value_at(place, applied, path)
            # An owner of a part conflicts with a writer of the whole as well.
            if taken and value_at(place, live, path)[0]:
                found.append(FieldConflict(owner.manager, owner.operation, path))
    return found


def apply(place: Place, live: Obj, applied: Obj, owners: list[Owner], writer: Writer) -> tuple[Obj, list[Owner]]:
    """The live object with `applied` merged in, and the owners after that.

    What the writer applied before and leaves out now goes, unless somebody else owns it too.
    Conflicts are the caller's business: here the writer wins.
    """
    mine_before = next((owner.fields for owner in owners if _is_mine(owner, writer)), frozenset())
    others = [owner for owner in owners if not _is_mine(owner, writer)]
    wanted = frozenset(fields_of(place, applied))
    merged = _merge(place, copy.deepcopy(live), applied)

    owned_elsewhere: set[Path] = set()
    for owner in others:
        owned_elsewhere |= owner.fields
    # Elements of lists as a whole first: without its key, an element could not be found any more.
    for path in sorted(mine_before - wanted, key=lambda path: (path[-1] != ".", -len(path))):
        if path not in owned_elsewhere:
            _drop(place, merged, path, wanted | owned_elsewhere)

    result = []
    for owner in others:
        # Shared where the values agree, taken where they do not.
        lost = {path for path in owner.fields & wanted if value_at(place, live, path) != value_at(place, merged, path)}
        kept = owner.fields - lost
        result.append(Owner(owner.manager, owner.operation, owner.subresource, owner.api_version, owner.time, kept))
    mine = Owner(writer.manager, "Apply", writer.subresource, writer.api_version, writer.time, wanted)
    old = next((owner for owner in owners if _is_mine(owner, writer)), None)
    if old is not None and old.fields == wanted and merged == live:
        mine = old  # nothing happened: the time stays, so that the write changes nothing
        result.insert([_is_mine(owner, writer) for owner in owners].index(True), mine)
        return merged, result
    return merged, [*result, mine]


def _is_mine(owner: Owner, writer: Writer) -> bool:
    return (owner.manager, owner.operation, owner.subresource) == (writer.manager, "Apply", writer.subresource)


def _merge(place: Place, live: Any, applied: Any) -> Any:
    if not place.is_granular(applied) or not isinstance(live, type(applied)):
        return copy.deepcopy(applied)
    if isinstance(applied, dict):
        for key, value in applied.items():
            live[key] = _merge(place.child(key), live[key], value) if key in live else copy.deepcopy(value)
        return live
    # The applied elements come in the order of the file; those of others stay behind them.
    steps = {element_step(place, entry): entry for entry in live}
    merged = []
    for entry in applied:
        step = element_step(place, entry)
        merged.append(_merge(place.element(), steps.pop(step), entry) if step in steps else copy.deepcopy(entry))
    return _in_live_order(place, live, merged, list(steps.values()))


def _in_live_order(place: Place, live: list[Any], merged: list[Any], rest: list[Any]) -> list[Any]:
    """Elements that only the live list has keep their place relative to those before them."""
    if not rest:
        return merged
    result = list(merged)
    names = [element_step(place, entry) for entry in result]
    order = [element_step(place, entry) for entry in live]
    for entry in rest:
        at = order.index(element_step(place, entry))
        before = next((names.index(name) for name in reversed(order[:at]) if name in names), -1)
        result.insert(before + 1, entry)
        names.insert(before + 1, element_step(place, entry))
    return result


def _drop(place: Place, value: Any, path: Path, owned: set[Path] | FieldSet) -> None:
    """Take the field at `path` out of the value, in place."""
    if path[-1] == ".":
        # The element as itself: it goes when nobody owns anything in it.
        if any(other[: len(path) - 1] == path[:-1] for other in owned):
            return
        path = path[:-1]
    parent_place, parent = place, value
    for step in path[:-1]:
        for name, entry, below in children(parent_place, parent) if isinstance(parent, (dict, list)) else ():
            if name == step:
                parent_place, parent = below, entry
                break
        else:
            return
    step = path[-1]
    if isinstance(parent, dict):
        parent.pop(step[2:], None)
        if not parent and len(path) > 1:
            _drop_empty(place, value, path[:-1], owned)
    elif isinstance(parent, list):
        parent[:] = [entry for entry in parent if element_step(parent_place, entry) != step]
        if not parent and len(path) > 1:
            _drop_empty(place, value, path[:-1], owned)


def _drop_empty(place: Place, value: Any, path: Path, owned: set[Path] | FieldSet) -> None:
    """A parent that has become empty goes too, unless it is an element of a list or somebody owns it."""
    if path[-1].startswith("f:") and path not in owned and path not in (("f:metadata",), ("f:spec",)):
        _drop(place, value, path, owned)
