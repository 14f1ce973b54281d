"""The kind ServiceAccount: its defaults, rules and columns."""

from __future__ import annotations

from pocket.kinds.columns import AGE, NAME, Column
from pocket.kinds.strategy import Strategy

STRATEGY = Strategy(
    "ServiceAccount",
    columns=(
        NAME,
        Column("Secrets", lambda account, _: len(account.get("secrets") or ()), type="integer"),
        AGE,
    ),
)
