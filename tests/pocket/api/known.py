"""The kinds that a fresh pocket knows, by what the store calls them."""

from __future__ import annotations

from pocket.api import crds
from pocket.api.catalog import Catalog
from pocket.objects import Kind, Obj, kind_of
from pocket.schemas.model import Struct
from pocket.store import Store


def fresh() -> Catalog:
    """Kubernetes' own kinds, and those whose definitions pocket brings along."""
    store = Store()
    crds.install(store)
    return Catalog(store)


CATALOG = fresh()
KINDS: dict[str, Kind] = {kind.key: kind for kind in CATALOG if "patch" in kind.verbs and kind.group != "events.k8s.io"}


def struct_of(obj: Obj) -> Struct:
    """The fields of the object's kind."""
    kind = KINDS[kind_of(obj)]
    version = str(obj.get("apiVersion", kind.versions[0])).rpartition("/")[2]
    return CATALOG.struct(kind, version)
