"""The kind ConfigMap: its defaults, rules and columns."""

from __future__ import annotations

from pocket.api import checks, names
from pocket.api.names import invalid
from pocket.kinds.columns import AGE, NAME, Column
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _rules(configmap: Obj) -> list[FieldError]:
    data, binary = configmap.get("data") or {}, configmap.get("binaryData") or {}
    found = names.config_keys(data, "data") + names.config_keys(binary, "binaryData")
    found += [invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary]
    if sum(len(value) for value in (*data.values(), *binary.values())) > 1024 * 1024:
        found.append(FieldError("", "Too long: may not be more than 1048576 bytes"))
    return found


STRATEGY = Strategy(
    "ConfigMap",
    rules=_rules,
    changes=checks.same_data,
    columns=(
        NAME,
        Column("Data", lambda obj, _: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), type="integer"),
        AGE,
    ),
)
