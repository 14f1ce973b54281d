"""The kind PodDisruptionBudget: its defaults, rules and columns."""

from __future__ import annotations

from pocket.api import checks
from pocket.api.names import invalid
from pocket.kinds.columns import AGE, NAME, Column, at
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _rules(budget: Obj) -> list[FieldError]:
    spec = budget.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [invalid("spec", checks.Raw("{}"), "minAvailable and maxUnavailable cannot be both set")]
    found: list[FieldError] = []
    for field in ("minAvailable", "maxUnavailable"):
        if spec.get(field) is not None:
            found += checks.share(spec[field], f"spec.{field}", 100)
    return found


STRATEGY = Strategy(
    "PodDisruptionBudget",
    rules=_rules,
    columns=(
        NAME,
        Column("Min Available", at("spec", "minAvailable", default="N/A")),
        Column("Max Unavailable", at("spec", "maxUnavailable", default="N/A")),
        Column("Allowed Disruptions", at("status", "disruptionsAllowed", default=0), type="integer"),
        AGE,
    ),
)
