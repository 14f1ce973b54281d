"""The garbage collector: what has lost all its owners goes too.

Background, foreground and orphaning deletion, for which the API server sets the finalizers
(https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pocket.controllers import common
from pocket.kinds import strategy
from pocket.objects import Obj, key_of, kind_of, name_of, namespace_of, uid_of
from pocket.store import NotFound, Store

WATCHES = None  # everything

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass
class Plan:
    """What is to be done."""

    delete: list[Obj] = field(default_factory=list)
    disown: list[tuple[Obj, set[str]]] = field(default_factory=list)  # object, uids of owners to forget
    finish: list[tuple[Obj, str]] = field(default_factory=list)  # owner, finalizer that is done


def decide(objects: Sequence[Obj]) -> Plan:
    """Look at everything that is there. Pure."""
    by_uid = {uid_of(obj): obj for obj in objects}
    dependents: dict[str, list[Obj]] = {}
    for obj in objects:
        for reference in obj["metadata"].get("ownerReferences") or ():
            dependents.setdefault(str(reference["uid"]), []).append(obj)
    plan = Plan()
    for owner in objects:
        finalizers = owner["metadata"].get("finalizers") or ()
        if not owner["metadata"].get("deletionTimestamp"):
            continue
        below = dependents.get(uid_of(owner), [])
        if ORPHAN in finalizers:
            plan.disown += [(obj, {uid_of(owner)}) for obj in below]
            plan.finish.append((owner, ORPHAN))
        elif FOREGROUND in finalizers:
            blocking = [obj for obj in below if _blocks(obj, owner)]
            plan.delete += [obj for obj in below if not obj["metadata"].get("deletionTimestamp")]
            if not blocking:
                plan.finish.append((owner, FOREGROUND))
    for obj in objects:
        references = obj["metadata"].get("ownerReferences") or ()
        missing = {str(entry["uid"]) for entry in references if not _is_there(entry, by_uid)}
        if not missing or obj["metadata"].get("deletionTimestamp"):
            continue
        if len(missing) == len(references):
            if all(obj is not other for other in plan.delete):
                plan.delete.append(obj)
        else:
            plan.disown.append((obj, missing))
    return plan


def _is_there(reference: Obj, by_uid: Mapping[str, Obj]) -> bool:
    owner = by_uid.get(str(reference["uid"]))
    return owner is not None and kind_of(owner) == _key(reference) and name_of(owner) == reference["name"]


def _key(reference: Obj) -> str:
    return key_of(str(reference.get("apiVersion", "")).rpartition("/")[0], str(reference["kind"]))


def _blocks(obj: Obj, owner: Obj) -> bool:
    references = obj["metadata"].get("ownerReferences") or ()
    return any(entry["uid"] == uid_of(owner) and entry.get("blockOwnerDeletion") for entry in references)


def reconcile(store: Store) -> float | None:
    """Do it, in the store."""
    plan = decide([obj for kind in store.kinds() if strategy(kind).watched for obj in store.heads(kind)])
    for obj, uids in plan.disown:

        def disown(stored: Obj, uids: set[str] = uids) -> None:
            kept = [entry for entry in stored["metadata"].get("ownerReferences") or () if entry["uid"] not in uids]
            stored["metadata"]["ownerReferences"] = kept
            if not kept:
                del stored["metadata"]["ownerReferences"]

        try:
            store.modify(kind_of(obj), namespace_of(obj), name_of(obj), disown)
        except NotFound:
            continue
    for obj in plan.delete:
        common.delete(store, obj)
    for owner, finalizer in plan.finish:
        _finish(store, owner, finalizer)
    return None


def _finish(store: Store, owner: Obj, finalizer: str) -> None:
    """Take our finalizer away; with the last one the owner itself goes."""

    def without(stored: Obj) -> None:
        stored["metadata"]["finalizers"] = [entry for entry in stored["metadata"]["finalizers"] if entry != finalizer]

    try:
        stored = store.modify(kind_of(owner), namespace_of(owner), name_of(owner), without)
        if not stored["metadata"]["finalizers"] and not strategy(kind_of(stored)).finished_elsewhere:
            store.delete(kind_of(owner), namespace_of(owner), name_of(owner))
    except NotFound:
        pass  # it has gone by itself
