"""The objects that every cluster has before anybody creates one."""

from __future__ import annotations

import copy

from pocket.api import crds, defaults, services
from pocket.objects import Obj
from pocket.store import Store

NAMESPACES = ("default", "kube-system", "kube-public")


def bootstrap(store: Store) -> None:
    """The system's namespaces with their ServiceAccount, and the definitions of the custom kinds; repeatable."""
    for name in NAMESPACES:
        ensure_namespace(store, name)
    crds.install(store)


def ensure_namespace(store: Store, name: str, labels: dict[str, str] | None = None) -> None:
    """A namespace with its ServiceAccount `default`, as if it had been created through the API; repeatable."""
    if store.find("Namespace", None, name) is None:
        namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if labels:
            namespace["metadata"]["labels"] = dict(labels)
        defaults.apply(namespace)
        store.create(namespace)
    if store.find("ServiceAccount", name, "default") is None:
        store.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        )


def complete(store: Store, obj: Obj) -> Obj:
    """A copy of an object of pocket's own with what the API would have filled in: defaults, a cluster IP.

    For whoever writes to the store directly. Idempotent.
    """
    obj = copy.deepcopy(obj)
    defaults.apply(obj)
    if obj["kind"] == "Service":
        services.assign(obj, store.list("Service"))
    return obj
