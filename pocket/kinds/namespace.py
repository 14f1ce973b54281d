"""The kind Namespace: its defaults, rules and columns."""

from __future__ import annotations

from pocket.api import errors, names
from pocket.kinds.columns import AGE, NAME, Column, at
from pocket.kinds.strategy import Deletion, Strategy
from pocket.objects import Obj, name_of
from pocket.schemas import kubernetes
from pocket.store import Store


def _defaults(namespace: Obj) -> None:
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")
    labels = namespace["metadata"].get("labels") or {}
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": name}


PROTECTED = ("default", "kube-system", "kube-public", "kube-node-lease")
AUTHORITY = "kube-root-ca.crt"
"""The ConfigMap with the certificate of the API server's authority, which is in each namespace."""


def _created(store: Store, namespace: Obj) -> None:
    furnish(store, name_of(namespace))


def furnish(store: Store, namespace: str) -> None:
    """Every namespace has a ServiceAccount called default, and the certificate of the API's authority; repeatable."""
    if store.find("ServiceAccount", namespace, "default") is None:
        meta = {"name": "default", "namespace": namespace}
        store.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    source, own = (store.find("ConfigMap", place, AUTHORITY) for place in ("kube-system", namespace))
    if source is not None and own is None:
        meta = {"name": AUTHORITY, "namespace": namespace}
        store.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": source["data"]})
    elif source is not None and own is not None and own.get("data") != source["data"]:
        store.update({**own, "data": source["data"]})


def _deletion(namespace: Obj, _: int | None, __: Store) -> Deletion:
    """It empties first: its controller takes it out then."""
    if name_of(namespace) in PROTECTED:
        kind = next(kind for kind in kubernetes.kinds() if kind.key == "Namespace")
        raise errors.forbidden(kind, name_of(namespace), "this namespace may not be deleted")
    namespace["status"] = (namespace.get("status") or {}) | {"phase": "Terminating"}
    return Deletion("mark")


STRATEGY = Strategy(
    "Namespace",
    name_rule=names.label_1123,
    fields=("status.phase",),
    created=_created,
    deletion=_deletion,
    finished_elsewhere=True,
    defaults=_defaults,
    columns=(NAME, Column("Status", at("status", "phase")), AGE),
)
