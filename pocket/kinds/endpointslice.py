"""The kind EndpointSlice: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket.kinds.columns import AGE, NAME, Column, at, more
from pocket.kinds.strategy import Strategy
from pocket.objects import Obj


def _slice_addresses(endpointslice: Obj, _: datetime) -> str:
    addresses = [address for entry in endpointslice.get("endpoints") or () for address in entry.get("addresses") or ()]
    return more(addresses) if addresses else "<unset>"


def _slice_ports(endpointslice: Obj, _: datetime) -> str:
    ports = [str(port.get("port", "")) for port in endpointslice.get("ports") or ()]
    return more(ports) if ports else "<unset>"


def _defaults(endpointslice: Obj) -> None:
    for port in endpointslice.get("ports") or []:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


STRATEGY = Strategy(
    "EndpointSlice",
    defaults=_defaults,
    columns=(
        NAME,
        Column("AddressType", at("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
)
