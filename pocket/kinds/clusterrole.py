"""The kind ClusterRole: what somebody may do; api/rbac.py reads it."""

from __future__ import annotations

from pocket.api import escalation
from pocket.kinds.columns import NAME, Column, at
from pocket.kinds.strategy import Strategy

STRATEGY = Strategy(
    "ClusterRole", grants=escalation.role, columns=(NAME, Column("Created At", at("metadata", "creationTimestamp")))
)
