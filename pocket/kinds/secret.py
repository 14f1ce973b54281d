"""The kind Secret: its defaults, rules and columns."""

from __future__ import annotations

import base64

from pocket.api import checks, names
from pocket.api.names import required
from pocket.kinds.columns import AGE, NAME, Column, at
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj


def _defaults(secret: Obj) -> None:
    secret.setdefault("type", "Opaque")
    strings = secret.pop("stringData", None)
    if strings:
        data = secret.get("data") or {}
        data.update({key: base64.b64encode(str(value).encode()).decode() for key, value in strings.items()})
        secret["data"] = data


_SECRET_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _rules(secret: Obj) -> list[FieldError]:
    data = secret.get("data") or {}
    found = names.config_keys(data, "data")
    found += [required(f"data[{key}]") for key in _SECRET_KEYS.get(secret.get("type", ""), ()) if key not in data]
    if sum(len(value) for value in data.values()) > 4 * 1024 * 1024 // 3:
        found.append(FieldError("data", "Too long: may not be more than 1048576 bytes"))
    return found


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    return checks.same(new, old, "type") + checks.same_data(new, old)


STRATEGY = Strategy(
    "Secret",
    fields=("type",),
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Type", at("type")),
        Column("Data", lambda secret, _: len(secret.get("data") or ()), type="integer"),
        AGE,
    ),
)
