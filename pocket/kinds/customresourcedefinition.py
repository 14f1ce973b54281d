"""The kind CustomResourceDefinition: a kind that people bring, and what becomes of its objects when it goes."""

from __future__ import annotations

from pocket.api import names
from pocket.api.names import invalid, required, unsupported
from pocket.kinds.columns import NAME, Column, at
from pocket.kinds.strategy import Deletion, Strategy
from pocket.objects import FieldError, Obj, key_of, name_of
from pocket.schemas import cel, kubernetes
from pocket.store import Store, now

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def _defaults(definition: Obj) -> None:
    spec = definition.setdefault("spec", {})
    given = spec.get("names") or {}
    if given.get("kind"):
        given.setdefault("singular", str(given["kind"]).lower())
        given.setdefault("listKind", f"{given['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})


def _rules(definition: Obj) -> list[FieldError]:
    spec = definition["spec"]
    given, versions = spec.get("names") or {}, spec.get("versions") or []
    found = names.subdomain("spec.group", str(spec.get("group") or ""))
    plural, group = given.get("plural"), spec.get("group")
    if name_of(definition) != f"{plural}.{group}":
        why = 'must be spec.names.plural+"."+spec.group'
        found.append(invalid("metadata.name", name_of(definition), why))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        found.append(unsupported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced")))
    if spec["conversion"].get("strategy") != "None":
        why = "not supported by pocket: it calls no webhook for conversion; versions differ in nothing but their name"
        found.append(FieldError("spec.conversion.strategy", why))
    if not versions:
        found.append(required("spec.versions", "must have at least one version"))
    elif sum(1 for version in versions if version.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        found.append(invalid("spec.versions", [version.get("name") for version in versions], why))
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            found.append(required(path, "schemas are required"))
        else:
            found += _structural(schema, path, top=True)
            found += cel.problems(schema, path)
    return found


def _structural(schema: Obj, path: str, *, top: bool = False) -> list[FieldError]:
    """https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema"""
    found: list[FieldError] = []
    anything = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
    if not schema.get("type") and not anything:
        found.append(
            required(f"{path}.type", "must not be empty for specified " + ("root" if top else "object fields"))
        )
    elif top and schema.get("type") != "object":
        found.append(invalid(f"{path}.type", schema.get("type"), "must be object at the root"))
    if schema.get("type") == "array" and "items" not in schema:
        found.append(required(f"{path}.items", "must be specified"))
    for name, below in (schema.get("properties") or {}).items():
        if top and name in ("apiVersion", "kind", "metadata"):
            continue
        found += _structural(below, f"{path}.properties[{name}]")
    if isinstance(schema.get("items"), dict):
        found += _structural(schema["items"], f"{path}.items")
    if isinstance(schema.get("additionalProperties"), dict):
        found += _structural(schema["additionalProperties"], f"{path}.additionalProperties")
    return found


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    return [
        invalid(f"spec.{field}", new["spec"].get(field), "field is immutable")
        for field in ("group", "scope")
        if new["spec"].get(field) != old["spec"].get(field)
    ]


def _complete(definition: Obj, store: Store) -> None:
    """What the controllers of a real server say within a second: the names are accepted, the kind is there."""
    spec, status = definition["spec"], definition.setdefault("status", {})
    given = spec["names"]
    beside = [
        name_of(head)
        for head in store.heads("CustomResourceDefinition")
        if name_of(head).endswith(f".{spec['group']}") and name_of(head) != name_of(definition)
    ]
    others = [store.get("CustomResourceDefinition", None, name)["status"]["acceptedNames"] for name in beside]
    own = [kind for kind in kubernetes.kinds() if kind.group == spec["group"]]
    taken = any(given.get("kind") == other.get("kind") for other in others)
    taken = taken or any(given.get("kind") == kind.name or given.get("plural") == kind.plural for kind in own)
    stored = [version["name"] for version in spec.get("versions") or () if version.get("storage")]
    status["acceptedNames"] = {} if taken else given
    status["storedVersions"] = list(dict.fromkeys([*(status.get("storedVersions") or ()), *stored]))
    refused = f'"{given.get("kind")}" is already in use'
    told = (
        (
            "NamesAccepted", not taken, "KindConflict" if taken else "NoConflicts",
            refused if taken else "no conflicts found",
        ),
        (
            "Established", not taken, "NotAccepted" if taken else "InitialNamesAccepted",
            "not all names are accepted" if taken else "the initial names have been accepted",
        ),
    )  # fmt: skip
    before = {entry.get("type", ""): entry for entry in status.get("conditions") or ()}
    conditions = [entry for name, entry in before.items() if name not in ("NamesAccepted", "Established")]
    for name, holds, reason, message in told:
        state = "True" if holds else "False"
        old = before.get(name)
        since = old["lastTransitionTime"] if old and old["status"] == state else now()
        conditions.append(
            {"type": name, "status": state, "reason": reason, "message": message, "lastTransitionTime": since}
        )
    status["conditions"] = conditions


def _deletion(definition: Obj, _: int | None, store: Store) -> Deletion:
    """Its objects go first, those with finalizers in their time: the controller of namespaces empties both."""
    spec = definition["spec"]
    if not store.list(key_of(spec["group"], spec["names"]["kind"])):
        return Deletion("remove")
    finalizers = definition["metadata"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)
    conditions = [entry for entry in definition["status"].get("conditions") or () if entry.get("type") != "Terminating"]
    conditions.append(
        {
            "type": "Terminating", "status": "True", "reason": "InstanceDeletionInProgress",
            "message": "CustomResource deletion is in progress", "lastTransitionTime": now(),
        }
    )  # fmt: skip
    definition["status"]["conditions"] = conditions
    return Deletion("mark", 0)


STRATEGY = Strategy(
    "CustomResourceDefinition",
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    complete=_complete,
    deletion=_deletion,
    columns=(NAME, Column("Created At", at("metadata", "creationTimestamp"))),
)
