"""The CustomResourceDefinitions that `kubectl get crd` shows: the kinds of Istio and of the Prometheus operator.

They are descriptions only. Pocket serves these kinds by itself and takes no others.
"""

from __future__ import annotations

from pocket.api import schema
from pocket.api.errors import resource_name
from pocket.objects import KINDS, Kind, Obj
from pocket.store import Store, now


def definitions() -> list[Obj]:
    """One for each custom kind, without what the store fills in."""
    return [_definition(kind) for kind in KINDS.values() if not schema.is_builtin(kind)]


def _definition(kind: Kind) -> Obj:
    names: Obj = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.name,
        "listKind": f"{kind.name}List",
    }
    if kind.short:
        names["shortNames"] = list(kind.short)
    if kind.categories:
        names["categories"] = list(kind.categories)
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource_name(kind)},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "conversion": {"strategy": "None"},
            "names": names,
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == kind.versions[0],
                    "schema": {"openAPIV3Schema": anything},
                    "subresources": {"status": {}},
                }
                for version in kind.versions
            ],
        },
        "status": {
            "acceptedNames": names,
            "storedVersions": [kind.versions[0]],
            "conditions": [
                {"type": name, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now()}
                for name, reason, message in (
                    ("NamesAccepted", "NoConflicts", "no conflicts found"),
                    ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
                )
            ],
        },
    }


def install(store: Store) -> None:
    """Put the definitions into the store, or bring them up to date."""
    for definition in definitions():
        old = store.find("CustomResourceDefinition", None, definition["metadata"]["name"])
        if old is None:
            store.create(definition)
        elif old.get("spec") != definition["spec"]:
            store.update(definition)
