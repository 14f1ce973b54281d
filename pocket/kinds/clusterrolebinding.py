"""The kind ClusterRoleBinding: who has which role; api/rbac.py reads it."""

from __future__ import annotations

from datetime import datetime

from pocket.api import checks, escalation
from pocket.kinds.columns import AGE, NAME, Column
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _role(binding: Obj, _: datetime) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    return checks.same(new, old, "roleRef")


STRATEGY = Strategy(
    "ClusterRoleBinding", changes=_changes, grants=escalation.binding, columns=(NAME, Column("Role", _role), AGE)
)
