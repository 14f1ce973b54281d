"""Namespaces: a ServiceAccount `default` in each, and emptying those that are being deleted."""

from __future__ import annotations

import contextlib

from pocket.controllers import common
from pocket.objects import KINDS, Obj, name_of
from pocket.store import NotFound, Store

WATCHES = tuple(KINDS)

# Owners before what they own, so that nobody makes new ones.
_FIRST = ("Deployment", "Job", "ReplicaSet", "Service")


def reconcile(store: Store) -> float | None:
    """Care for every namespace."""
    for namespace in store.list("Namespace"):
        if namespace["metadata"].get("deletionTimestamp"):
            _empty(store, namespace)
        elif store.find("ServiceAccount", name_of(namespace), "default") is None:
            store.create(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "metadata": {"name": "default", "namespace": name_of(namespace)},
                }
            )
    return None


def _empty(store: Store, namespace: Obj) -> None:
    name = name_of(namespace)

    def terminating(obj: Obj) -> None:
        obj.setdefault("status", {})["phase"] = "Terminating"

    store.modify("Namespace", None, name, terminating)
    kinds = [*_FIRST, *(kind.name for kind in KINDS.values() if kind.namespaced and kind.name not in _FIRST)]
    for kind in kinds:
        for obj in store.list(kind, name):
            if kind != "Pod" and obj["metadata"].get("finalizers"):
                # Nobody waits for the dependents of what goes with all of them.
                store.modify(kind, name, name_of(obj), _without_finalizers)
                obj = store.get(kind, name, name_of(obj))
            if not obj["metadata"].get("deletionTimestamp") or kind != "Pod":
                common.delete(store, obj)
    if not any(store.list(kind, name) for kind in kinds):
        with contextlib.suppress(NotFound):
            store.delete("Namespace", None, name)


def _without_finalizers(obj: Obj) -> None:
    obj["metadata"].pop("finalizers", None)
