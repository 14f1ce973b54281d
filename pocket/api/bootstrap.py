"""The objects that every cluster has before anybody creates one."""

from __future__ import annotations

import copy

from pocket.api import crds, rbac
from pocket.kinds import fill_defaults, strategy
from pocket.kinds.namespace import AUTHORITY, PROTECTED, furnish
from pocket.objects import Obj, kind_of, name_of
from pocket.store import Store


def bootstrap(store: Store, authority: str = "") -> None:
    """The system's namespaces with what each has, and the definitions of the kinds that come along; repeatable.

    `authority` is the certificate of the API server's authority, in PEM.
    """
    if authority:
        _publish(store, authority)
    for name in PROTECTED:
        ensure_namespace(store, name)
    crds.install(store)
    for obj in rbac.roles():
        if store.find(kind_of(obj), None, name_of(obj)) is None:
            store.create(obj)
    store.forget()


def _publish(store: Store, authority: str) -> None:
    """Have the certificate where namespaces take it from; a new one goes to all of them."""
    source = store.find("ConfigMap", "kube-system", AUTHORITY)
    if source is not None and source["data"] == {"ca.crt": authority}:
        return
    for old in store.list("ConfigMap"):
        if old["metadata"]["name"] == AUTHORITY:
            store.delete("ConfigMap", old["metadata"]["namespace"], AUTHORITY)
    meta = {"name": AUTHORITY, "namespace": "kube-system"}
    store.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": authority}})


def ensure_namespace(store: Store, name: str, labels: dict[str, str] | None = None) -> None:
    """A namespace with its ServiceAccount `default`, as if it had been created through the API; repeatable."""
    if store.find("Namespace", None, name) is None:
        namespace: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        if labels:
            namespace["metadata"]["labels"] = dict(labels)
        fill_defaults(namespace)
        store.create(namespace)
    furnish(store, name)


def complete(store: Store, obj: Obj) -> Obj:
    """A copy of an object of pocket's own with what the API would have filled in: defaults, a cluster IP.

    For whoever writes to the store directly. Idempotent.
    """
    obj = copy.deepcopy(obj)
    fill_defaults(obj)
    strategy(kind_of(obj)).complete(obj, store)
    return obj
