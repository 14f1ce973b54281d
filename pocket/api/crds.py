"""The CustomResourceDefinitions that a pocket brings along: Istio's, the Gateway API's, the Prometheus operator's.

They are upstream's, and like any other: whoever brings other versions of them applies those. A pocket with newer ones
replaces its own at the next start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from pocket.kinds import fill_defaults, strategy
from pocket.objects import Obj, kind_of, name_of
from pocket.store import Store

FILES = tuple(
    Path(__file__).parents[1] / "schemas" / f"{name}.jsonl" for name in ("istio", "gateway-api", "monitoring")
)
GROUPS = ("istio.io", "gateway.networking.k8s.io", "monitoring.coreos.com")
"""The ends of the groups of these kinds: what others bring, others act on."""

_KEPT = ("kube-system", "pocket-definitions")
"""The ConfigMap that says which of them have been installed."""


def definitions() -> Iterator[Obj]:
    """All of them, without what the server fills in."""
    for path in FILES:
        for line in path.read_bytes().splitlines():
            yield json.loads(line)


def install(store: Store) -> None:
    """Put the definitions into the store; nothing happens where that has been done."""
    stamps = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in FILES}
    known = store.find("ConfigMap", *_KEPT)
    if known is not None and known["data"] == stamps:
        return
    for definition in definitions():
        fill_defaults(definition)
        old = store.find(kind_of(definition), None, name_of(definition))
        if old is not None:
            definition["metadata"] = {**old["metadata"], **definition["metadata"]}
            definition["status"] = old.get("status") or {}
        strategy(kind_of(definition)).complete(definition, store)
        (store.create if old is None else store.update)(definition)
    head = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": _KEPT[0], "name": _KEPT[1]}}
    (store.create if known is None else store.update)({**(known or head), "data": stamps})
