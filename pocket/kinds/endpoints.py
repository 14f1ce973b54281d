"""The kind Endpoints: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket.kinds.columns import AGE, NAME, Column, more
from pocket.kinds.strategy import Strategy
from pocket.objects import Obj


def _endpoints(endpoints: Obj, _: datetime) -> str:
    entries: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = subset.get("addresses") or ()
        ports = subset.get("ports") or ()
        entries += [f"{address['ip']}:{port['port']}" for port in ports for address in addresses]
        if not ports:
            entries += [address["ip"] for address in addresses]
    return more(entries)


def _defaults(endpoints: Obj) -> None:
    for subset in endpoints.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


STRATEGY = Strategy(
    "Endpoints",
    defaults=_defaults,
    columns=(NAME, Column("Endpoints", _endpoints), AGE),
)
