"""Which changes of an object are refused: immutable fields. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pocket.api import checks
from pocket.api.names import invalid
from pocket.objects import FieldError, Obj

IMMUTABLE = "field is immutable"


def check(new: Obj, old: Obj) -> list[FieldError]:
    """What is wrong with the change itself, whatever the new object is like."""
    rule = _CHANGES.get(new["kind"])
    return rule(new, old) if rule else []


def _same(new: Obj, old: Obj, *path: str) -> list[FieldError]:
    a: Any = new
    b: Any = old
    for key in path:
        a, b = (a or {}).get(key), (b or {}).get(key)
    if a == b:
        return []
    return [invalid(".".join(path), checks.Raw(_short(a)), IMMUTABLE)]


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _selector_stays(new: Obj, old: Obj) -> list[FieldError]:
    return _same(new, old, "spec", "selector")


def _job_change(new: Obj, old: Obj) -> list[FieldError]:
    found = []
    for field in ("completions", "selector", "template", "completionMode"):
        found += _same(new, old, "spec", field)
    return found


def _pod_change(new: Obj, old: Obj) -> list[FieldError]:
    if new.get("spec") == old.get("spec"):
        return []
    why = (
        "Forbidden: pocket runs a pod as it was created and changes nothing in its spec: change the Deployment "
        "or the Job that made it, or delete the pod and create it anew"
    )
    changed = sorted(
        field
        for field in {*(new.get("spec") or {}), *(old.get("spec") or {})}
        if (new.get("spec") or {}).get(field) != (old.get("spec") or {}).get(field)
    )
    return [FieldError(f"spec.{changed[0]}", why)]


def _service_change(new: Obj, old: Obj) -> list[FieldError]:
    if "ExternalName" in (new["spec"].get("type"), old["spec"].get("type")):
        return []
    if new["spec"].get("clusterIP") == old["spec"].get("clusterIP"):
        return []
    return [invalid("spec.clusterIP", new["spec"].get("clusterIP"), IMMUTABLE)]


def _data_change(new: Obj, old: Obj) -> list[FieldError]:
    """An immutable Secret or ConfigMap stays as it is."""
    found = [] if new["kind"] != "Secret" else _same(new, old, "type")
    if old.get("immutable"):
        if not new.get("immutable"):
            found.append(FieldError("immutable", "Forbidden: field is immutable when `immutable` is set"))
        found += [
            FieldError(field, "Forbidden: field is immutable when `immutable` is set")
            for field in ("data", "binaryData")
            if new.get(field) != old.get(field)
        ]
    return found


_CHANGES: dict[str, Callable[[Obj, Obj], list[FieldError]]] = {
    "Deployment": _selector_stays,
    "ReplicaSet": _selector_stays,
    "Job": _job_change,
    "Pod": _pod_change,
    "Service": _service_change,
    "Secret": _data_change,
    "ConfigMap": _data_change,
}
