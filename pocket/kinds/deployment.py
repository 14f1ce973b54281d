"""The kind Deployment: its defaults, rules and columns."""

from __future__ import annotations

from pocket.api import checks, podrules
from pocket.api.names import invalid
from pocket.kinds import podspec
from pocket.kinds.columns import AGE, CONTAINERS, NAME, Column, at, spec_of, status_of
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _defaults(deployment: Obj) -> None:
    spec = deployment.setdefault("spec", {})
    podspec.unset(spec, "replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate")
        if rolling is None:
            rolling = strategy["rollingUpdate"] = {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    podspec.template(spec.get("template"))


def _rules(deployment: Obj) -> list[FieldError]:
    spec = deployment["spec"]
    found = podrules.workload(spec)
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        found += checks.at_least(spec, field, "spec", 0, checks.NON_NEGATIVE)
    if (spec.get("progressDeadlineSeconds") or 600) <= (spec.get("minReadySeconds") or 0):
        deadline = spec["progressDeadlineSeconds"]
        found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    strategy = spec.get("strategy") or {}
    found += checks.one_of(strategy, "type", "spec.strategy", ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        found.append(
            FieldError(
                "spec.strategy.rollingUpdate",
                "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            )
        )
    elif rolling is not None:
        found += checks.share(rolling.get("maxUnavailable"), "spec.strategy.rollingUpdate.maxUnavailable", 100)
        found += checks.share(rolling.get("maxSurge"), "spec.strategy.rollingUpdate.maxSurge", None)
        if checks.is_zero(rolling.get("maxUnavailable")) and checks.is_zero(rolling.get("maxSurge")):
            found.append(
                invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    rolling["maxUnavailable"],
                    "may not be 0 when `maxSurge` is 0",
                )
            )
    return found


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    return checks.same(new, old, "spec", "selector")


STRATEGY = Strategy(
    "Deployment",
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Ready", lambda obj, _: f"{status_of(obj).get('readyReplicas', 0)}/{spec_of(obj).get('replicas', 1)}"),
        Column("Up-to-date", at("status", "updatedReplicas", default=0), type="integer"),
        Column("Available", at("status", "availableReplicas", default=0), type="integer"),
        AGE,
        *CONTAINERS,
    ),
)
