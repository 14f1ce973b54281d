"""Which kinds there are at the moment: Kubernetes' own, and those that CustomResourceDefinitions have brought."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from pocket.kinds import strategy
from pocket.kinds.columns import Column
from pocket.objects import Kind, Obj, kind_of, name_of
from pocket.schemas import definitions, kubernetes, printing
from pocket.schemas.model import Struct
from pocket.store import Event, Store

DEFINITION = "CustomResourceDefinition"

METRICS = "metrics.k8s.io"
_READ = ("get", "list")
COMPUTED = (
    Kind("NodeMetrics", "nodes", METRICS, ("v1beta1",), namespaced=False, verbs=_READ),
    Kind("PodMetrics", "pods", METRICS, ("v1beta1",), verbs=_READ),
)
"""Kinds that are not stored: they are made when somebody asks, and can be read only."""


def _served(kind: Kind) -> Kind:
    lacks = strategy(kind).lacks
    kept = {name: below for name, below in kind.subresources.items() if name not in lacks}
    return replace(kind, subresources=kept)


class Catalog:
    """The kinds of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own = {(kind.group, kind.plural): _served(kind) for kind in (*kubernetes.kinds(), *COMPUTED)}
        self._brought: dict[str, Kind] = {}  # by the name of the definition
        self._structs: dict[tuple[str, str], Struct] = {}
        self._defaulted: set[tuple[str, str]] = set()  # whose schema has defaults
        self._columns: dict[tuple[str, str], tuple[Column, ...]] = {}
        self.revision = 0
        """Counts the changes, for whoever keeps what follows from the kinds."""
        for head in store.heads(DEFINITION):  # one at a time: all of them unpacked are 20 MB, which the process keeps
            self._learn(store.get(DEFINITION, None, name_of(head)))
        store.listen(self._heard)

    def __iter__(self) -> Iterator[Kind]:
        yield from self._own.values()
        yield from self._brought.values()

    def find(self, group: str, plural: str) -> Kind | None:
        """The kind at `/apis/GROUP/VERSION/PLURAL`."""
        return self._own.get((group, plural)) or self._brought.get(f"{plural}.{group}")

    def by_kind(self, group: str, name: str) -> Kind | None:
        """The kind of that name."""
        return next((kind for kind in self if (kind.group, kind.name) == (group, name)), None)

    def groups(self) -> dict[str, list[str]]:
        """Every named group and its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for kind in self:
            if kind.group:
                versions = found.setdefault(kind.group, [])
                versions += [entry for entry in kind.versions if entry not in versions]
        return {group: sorted(versions, key=definitions.rank) for group, versions in sorted(found.items())}

    def struct(self, kind: Kind, version: str) -> Struct:
        """The fields of the kind. Raises KeyError for one that is computed."""
        if not kind.custom:
            return kubernetes.of_kind(kind.group, version, kind.name)
        place = (f"{kind.plural}.{kind.group}", version)
        if place not in self._structs:
            self._structs[place] = made = definitions.struct(self.definition(kind), version)
            if '"default":' in json.dumps(made.source):
                self._defaulted.add(place)
        return self._structs[place]

    def defaulted(self, kind: Kind, version: str) -> Struct | None:
        """The fields of a custom kind whose schema has defaults, perhaps later ones than a stored object has seen."""
        if not kind.custom:
            return None
        made = self.struct(kind, version)
        return made if (f"{kind.plural}.{kind.group}", version) in self._defaulted else None

    def definition(self, kind: Kind) -> Obj:
        """What brought a custom kind."""
        return self._store.get(DEFINITION, None, f"{kind.plural}.{kind.group}")

    def columns(self, kind: Kind, version: str) -> tuple[Column, ...] | None:
        """The columns that the kind's definition names; None for Kubernetes' own."""
        if not kind.custom:
            return None
        place = (f"{kind.plural}.{kind.group}", version)
        if place not in self._columns:
            self._columns[place] = printing.columns(definitions.version_of(self.definition(kind), version))
        return self._columns[place]

    def _heard(self, event: Event) -> None:
        if kind_of(event.object) != DEFINITION:
            return
        if event.type == "DELETED":
            self._forget(name_of(event.object))
        else:
            self._learn(event.object)

    def _learn(self, definition: Obj) -> None:
        self._forget(name_of(definition))
        kind = definitions.kind_of_definition(definition)
        if kind is not None:
            self._brought[name_of(definition)] = kind

    def _forget(self, name: str) -> None:
        self.revision += 1
        self._brought.pop(name, None)
        for kept in (self._structs, self._columns):
            for place in [place for place in kept if place[0] == name]:
                del kept[place]
        self._defaulted = {place for place in self._defaulted if place[0] != name}
