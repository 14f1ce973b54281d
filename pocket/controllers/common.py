"""What the controllers share: names, owners, templates, deletion. Pure but for `delete`, which writes to the store."""

from __future__ import annotations

import copy
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pocket.kinds import fill_defaults
from pocket.objects import Obj, condition, kind_of, name_of, namespace_of, owner_of, uid_of
from pocket.store import NotFound, Store

# Kubernetes' alphabet for generated names: no vowels, nothing that looks alike.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_NAME = 63

HASH_LABEL = "pod-template-hash"


def random_suffix() -> str:
    """Five characters, as in the name of a pod."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def template_hash(template: Obj) -> str:
    """Ten characters that stand for a pod template; the same for the same content."""
    text = json.dumps(without_hash(template), sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    letters = []
    for _ in range(10):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return "".join(letters)


def without_hash(template: Obj) -> Obj:
    """The template as its Deployment has it."""
    template = copy.deepcopy(template)
    labels = (template.get("metadata") or {}).get("labels")
    if labels:
        labels.pop(HASH_LABEL, None)
    return template


def owner_reference(owner: Obj) -> Obj:
    """`owner` as the controller of something."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": kind_of(owner),
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_from(template: Obj, owner: Obj, name: str | None = None) -> Obj:
    """A pod of that template that belongs to `owner`."""
    meta: dict[str, Any] = copy.deepcopy(template.get("metadata") or {})
    stem = name_of(owner)[: _LONGEST_NAME - 6]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name or f"{stem}-{random_suffix()}",
            "generateName": f"{stem}-",
            "namespace": namespace_of(owner),
            "labels": meta.get("labels") or {},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": copy.deepcopy(template["spec"]),
        "status": {"phase": "Pending"},
    }
    if not pod["metadata"]["annotations"]:
        del pod["metadata"]["annotations"]
    fill_defaults(pod)
    return pod


def available_in(pod: Obj, seconds: float, now: datetime) -> float | None:
    """Seconds until the pod has been ready for `seconds`; 0 when it has; None while it is not ready."""
    ready = condition(pod, "Ready")
    if ready is None or ready["status"] != "True" or pod["metadata"].get("deletionTimestamp"):
        return None
    if not seconds:
        return 0.0
    since = datetime.fromisoformat(ready["lastTransitionTime"])
    return max(seconds - (now - since).total_seconds(), 0.0)


def set_condition(
    conditions: list[Obj], kind: str, status: str, reason: str, message: str, time: str, *, updates: bool = False
) -> list[Obj]:
    """The conditions with one changed; its transition time moves only with its status.

    `updates`: it has a lastUpdateTime (Deployments), which moves with any change of status or reason.
    """
    old = next((entry for entry in conditions if entry["type"] == kind), None)
    new = {"type": kind, "status": status, "reason": reason, "message": message}
    same = old is not None and old["status"] == status
    new["lastTransitionTime"] = old["lastTransitionTime"] if old is not None and same else time
    if updates:
        unchanged = old is not None and same and old.get("reason") == reason
        new["lastUpdateTime"] = old.get("lastUpdateTime", time) if old is not None and unchanged else time
    return [*(entry for entry in conditions if entry["type"] != kind), new]


def by_owner(objects: Iterable[Obj]) -> dict[str, list[Obj]]:
    """Objects by the uid of the controller that owns them; without those that nobody owns."""
    found: dict[str, list[Obj]] = {}
    for obj in objects:
        owner = owner_of(obj)
        if owner is not None:
            found.setdefault(str(owner["uid"]), []).append(obj)
    return found


def moment() -> datetime:
    return datetime.now(UTC)


def delete(store: Store, obj: Obj) -> None:
    """Delete as a user would: a pod in its grace period, what has finalizers when they are gone, others at once."""
    name, namespace, kind = name_of(obj), namespace_of(obj), kind_of(obj)
    time = moment().strftime("%Y-%m-%dT%H:%M:%SZ")

    def mark(stored: Obj) -> None:
        stored["metadata"].setdefault("deletionTimestamp", time)
        if kind == "Pod":
            grace = stored["spec"].get("terminationGracePeriodSeconds")
            stored["metadata"].setdefault("deletionGracePeriodSeconds", 30 if grace is None else int(grace))

    try:
        stored = store.get(kind, namespace, name)
        if uid_of(stored) != uid_of(obj):
            return
        if stored["metadata"].get("finalizers") or (kind == "Pod" and stored["spec"].get("nodeName")):
            store.modify(kind, namespace, name, mark)
        else:
            store.delete(kind, namespace, name)
    except NotFound:
        pass  # somebody else was quicker


def is_terminating(namespaces: Mapping[str, Obj], name: str | None) -> bool:
    """Is that namespace gone or going? Nothing new is made in it then."""
    namespace = namespaces.get(name or "")
    return namespace is None or bool(namespace["metadata"].get("deletionTimestamp"))
