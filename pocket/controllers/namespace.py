"""Namespaces: a ServiceAccount `default` in each, and emptying those that are being deleted."""

from __future__ import annotations

import contextlib

from pocket.controllers import common
from pocket.controllers.garbage import FOREGROUND, ORPHAN
from pocket.kinds import strategy
from pocket.kinds.customresourcedefinition import FINALIZER
from pocket.kinds.namespace import furnish
from pocket.objects import Obj, key_of, kind_of, name_of
from pocket.store import NotFound, Store

WATCHES = None  # everything

# Owners before what they own, so that nobody makes new ones.
_OF_OWNERS = frozenset((FOREGROUND, ORPHAN))
_FIRST = ("Deployment", "Job", "ReplicaSet", "Service")


def reconcile(store: Store) -> float | None:
    """Care for every namespace."""
    for namespace in store.list("Namespace"):
        if namespace["metadata"].get("deletionTimestamp"):
            _empty(store, namespace)
        else:
            furnish(store, name_of(namespace))
    for head in store.heads("CustomResourceDefinition"):
        if FINALIZER in (head["metadata"].get("finalizers") or ()):
            _empty_definition(store, store.get("CustomResourceDefinition", None, name_of(head)))
    return None


def _empty_definition(store: Store, definition: Obj) -> None:
    """Delete the objects of a kind that goes, and let it go when the last one has gone."""
    kind = key_of(definition["spec"]["group"], definition["spec"]["names"]["kind"])
    for obj in store.list(kind):
        if not obj["metadata"].get("deletionTimestamp"):
            common.delete(store, obj)
    if not store.list(kind):
        kept = [entry for entry in definition["metadata"]["finalizers"] if entry != FINALIZER]
        if kept:
            definition["metadata"]["finalizers"] = kept
            store.update(definition)
        else:
            store.delete("CustomResourceDefinition", None, name_of(definition))


def _empty(store: Store, namespace: Obj) -> None:
    name = name_of(namespace)

    def terminating(obj: Obj) -> None:
        obj.setdefault("status", {})["phase"] = "Terminating"

    store.modify("Namespace", None, name, terminating)
    kinds = [*_FIRST, *(kind for kind in store.kinds() if kind not in _FIRST)]
    for kind in kinds:
        for obj in store.list(kind, name):
            held = set(obj["metadata"].get("finalizers") or ())
            # Nobody waits for the dependents of what goes with all of them; operators clear up behind their own.
            if held & _OF_OWNERS if "." in kind else held and not strategy(kind).finished_elsewhere:
                store.modify(kind, name, name_of(obj), _without_finalizers)
                obj = store.get(kind, name, name_of(obj))
            if not obj["metadata"].get("deletionTimestamp") or not strategy(kind).finished_elsewhere:
                common.delete(store, obj)
    if not any(store.list(kind, name) for kind in kinds):
        with contextlib.suppress(NotFound):
            store.delete("Namespace", None, name)


def _without_finalizers(obj: Obj) -> None:
    kept = [entry for entry in obj["metadata"]["finalizers"] if entry not in _OF_OWNERS and "." in kind_of(obj)]
    obj["metadata"]["finalizers"] = kept
