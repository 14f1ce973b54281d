"""The kind ReplicaSet: its defaults, rules and columns."""

from __future__ import annotations

from pocket.api import checks, podrules
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, CONTAINERS, NAME, Column, at
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _defaults(replicaset: Obj) -> None:
    spec = replicaset.setdefault("spec", {})
    podspec.unset(spec, "replicas", 1)
    podspec.template(spec.get("template"))
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        spec.setdefault("selector", {"matchLabels": dict(labels)})
    replicaset.setdefault("status", {}).setdefault("replicas", 0)


def _rules(replicaset: Obj) -> list[FieldError]:
    spec = replicaset["spec"]
    return podrules.workload(spec) + checks.at_least(spec, "minReadySeconds", "spec", 0, checks.NON_NEGATIVE)


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    return checks.same(new, old, "spec", "selector")


STRATEGY = Strategy(
    "ReplicaSet",
    fields=("status.replicas",),
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Desired", at("spec", "replicas", default=1), type="integer"),
        Column("Current", at("status", "replicas", default=0), type="integer"),
        Column("Ready", at("status", "readyReplicas", default=0), type="integer"),
        AGE,
        *CONTAINERS,
    ),
)
