"""Strategic merge patch: a merge patch that knows by which key the elements of a list belong together.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Directives: `$patch: replace|delete|merge`, `$deleteFromPrimitiveList/FIELD`, `$setElementOrder/FIELD`, `$retainKeys`.
Pure; results share nothing with the arguments.
"""

from __future__ import annotations

import copy
from typing import Any

from pocket.api.patch import PatchError
from pocket.schemas.model import Struct, Type

_DELETE_PRIMITIVE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"
_RETAIN = "$retainKeys"
_DIRECTIVE = "$patch"


def merge(target: Any, patch: Any, struct: Struct | None) -> Any:
    """Apply `patch` to an object of one of Kubernetes' own types. Raises PatchError."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch must be an object")
    return _merge_object(target, patch, struct)


def _merge_object(target: Any, patch: dict[str, Any], struct: Struct | None) -> Any:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return _clean({key: value for key, value in patch.items() if key != _DIRECTIVE})
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(f'unknown $patch directive "{directive}": known are replace, delete and merge')

    result: dict[str, Any] = copy.deepcopy(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        kept = _list_of(patch, _RETAIN)
        result = {key: value for key, value in result.items() if key in kept}

    for key, value in patch.items():
        if key in (_DIRECTIVE, _RETAIN) or key.startswith(_ORDER):
            continue
        if key.startswith(_DELETE_PRIMITIVE):
            field = key.removeprefix(_DELETE_PRIMITIVE)
            gone = _list_of(patch, key)
            if isinstance(result.get(field), list):
                result[field] = [entry for entry in result[field] if entry not in gone]
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            merged = _merge_object(result.get(key), value, _struct_of(_field(struct, key)))
            if value.get(_DIRECTIVE) == "delete":
                result.pop(key, None)
            else:
                result[key] = merged
        elif isinstance(value, list):
            result[key] = _merge_list(result.get(key), value, _field(struct, key))
        else:
            result[key] = value

    for key in patch:
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            if isinstance(result.get(field), list):
                known = _field(struct, field)
                merge_key = known.merge_key if known and known.merges else None
                result[field] = _ordered(result[field], _list_of(patch, key), merge_key)
    return result


def _merge_list(target: Any, patch: list[Any], kind: Type | None) -> list[Any]:
    merge_key = kind.merge_key if kind is not None and kind.merges else None
    if kind is not None and kind.merges and merge_key is None:
        present = target if isinstance(target, list) else []
        return present + [copy.deepcopy(entry) for entry in patch if entry not in present]
    if merge_key is None or any(not isinstance(entry, dict) for entry in patch):
        return [_clean(entry) for entry in patch if not _is_directive(entry)]
    if any(entry.get(_DIRECTIVE) == "replace" and merge_key not in entry for entry in patch):
        return [_clean(entry) for entry in patch if not _is_directive(entry)]

    result: list[Any] = copy.deepcopy(target) if isinstance(target, list) else []
    element = _struct_of(kind)
    for entry in patch:
        if merge_key not in entry:
            raise PatchError(f"map: {entry} does not contain declared merge key: {merge_key}")
        found = next(
            (i for i, old in enumerate(result) if isinstance(old, dict) and old.get(merge_key) == entry[merge_key]),
            None,
        )
        if entry.get(_DIRECTIVE) == "delete":
            # Every element with that key goes, as in the original.
            result = [o for o in result if not (isinstance(o, dict) and o.get(merge_key) == entry[merge_key])]
        elif found is None:
            result.append(_merge_object({}, entry, element))
        else:
            result[found] = _merge_object(result[found], entry, element)
    return result


def _ordered(items: list[Any], order: list[Any], merge_key: str | None) -> list[Any]:
    """Items in the order that the client wants.

    Those that the order does not name (they are the server's own) stay behind their former neighbour.
    """
    wanted = [entry.get(merge_key) for entry in order if isinstance(entry, dict)] if merge_key else list(order)

    def key(item: Any) -> Any:
        return item.get(merge_key) if merge_key and isinstance(item, dict) else item

    named = [item for name in wanted for item in items if key(item) == name]
    result: list[Any] = []
    queue = list(named)
    for item in items:
        if key(item) in wanted:
            if queue:
                result.append(queue.pop(0))
        else:
            result.append(item)
    return result + queue


def _is_directive(entry: Any) -> bool:
    return isinstance(entry, dict) and set(entry) == {_DIRECTIVE}


def _clean(value: Any) -> Any:
    """A copy without directives and nulls: what a patch says about a thing that is not there yet."""
    if isinstance(value, dict):
        return {
            key: _clean(entry)
            for key, entry in value.items()
            if entry is not None and not key.startswith((_DIRECTIVE, _RETAIN, _ORDER, _DELETE_PRIMITIVE))
        }
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    return value


def _list_of(patch: dict[str, Any], key: str) -> list[Any]:
    value = patch[key]
    if not isinstance(value, list):
        raise PatchError(f"{key} must be a list")
    return value


def _field(struct: Struct | None, field: str) -> Type | None:
    return struct.fields.get(field) if struct is not None else None


def _struct_of(kind: Type | None) -> Struct | None:
    """The type of the field, or of its elements, where that is an object with named fields."""
    if kind is None:
        return None
    return (kind.of if kind.name in ("list", "map") and kind.of else kind).struct
