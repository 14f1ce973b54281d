"""How healthy traffic is, by Kiali's default tolerances, and how numbers are written on an edge.

The tolerances stand here only: the server judges, the page draws what it is told and shows them in its legend.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

# What an edge is drawn as.
HEALTHY, DEGRADED, FAILING, IDLE, TCP = "healthy", "degraded", "failing", "idle", "tcp"
COLOURS = {HEALTHY: "#3e8635", DEGRADED: "#f0ab00", FAILING: "#c9190b", IDLE: "#8a8d90", TCP: "#002952"}

# What Kiali's JSON says, the worst last.
NOT_KNOWN = "NA"
STATUSES = (NOT_KNOWN, "Healthy", "Degraded", "Failure")
_DRAWN = {"Healthy": HEALTHY, "Degraded": DEGRADED, "Failure": FAILING}


@dataclass(frozen=True)
class Tolerance:
    """From which percentage of errors on traffic is degraded or fails; degraded 0 means: any error."""

    name: str
    codes: re.Pattern[str]
    protocols: frozenset[str]
    degraded: float
    failure: float

    def as_json(self) -> Json:
        protocols = "|".join(sorted(self.protocols))
        return {"code": self.name, "protocol": protocols, "degraded": self.degraded, "failure": self.failure}


TOLERANCES = (
    Tolerance("5xx", re.compile(r"5\d\d"), frozenset({"http"}), 0, 10),
    Tolerance("4xx", re.compile(r"4\d\d"), frozenset({"http"}), 10, 20),
    Tolerance("gRPC errors", re.compile(r"[1-9]|1[0-6]"), frozenset({"grpc"}), 0, 10),
    Tolerance("no response", re.compile(r"-"), frozenset({"http", "grpc"}), 0, 10),
)
"""Kiali's defaults (config.AddHealthDefault); the same for what is sent and what is received."""

Codes = dict[str, dict[str, float]]
"""Rates by protocol and response code."""


def judge(codes: Codes) -> str:
    """One of STATUSES: the worst of all protocols and tolerances."""
    return STATUSES[max((_judge(protocol, rates)[0] for protocol, rates in codes.items()), default=0)]


def _judge(protocol: str, rates: Mapping[str, float]) -> tuple[int, float]:
    """Index of the status, and the percentage of errors that made it so."""
    total = sum(rates.values())
    if total <= 0:
        return 0, -1.0
    worst = 1, 0.0
    for tolerance in TOLERANCES:
        if protocol not in tolerance.protocols:
            continue
        errors = 100 * sum(rate for code, rate in rates.items() if tolerance.codes.fullmatch(code)) / total
        if errors > 0 and errors >= tolerance.degraded:
            worst = max(worst, (3 if errors >= tolerance.failure else 2, errors))
    return worst


def of_node(received: Codes, sent: Codes) -> Json:
    """The `healthData` of a node; Kiali repeats there the rates that it is made from, which stand on the edges."""
    judged = {protocol for tolerance in TOLERANCES for protocol in tolerance.protocols}
    both = [item for way in (received, sent) for item in way.items()]
    found = [_judge(protocol, rates) for protocol, rates in both if protocol in judged]  # of bytes nothing is said
    status, errors = max(found, default=(0, -1.0))
    total = sum(rate for way in (received, sent) for rates in way.values() for rate in rates.values())
    return {"status": {"status": STATUSES[status], "errorRatio": round(errors, 1), "totalRequestRate": round(total, 2)}}


def of_edge(edge: Json) -> str:
    """What an edge of the graph's JSON is drawn as."""
    traffic = edge["traffic"]
    if not traffic.get("rates"):
        return IDLE
    return TCP if traffic["protocol"] == "tcp" else _DRAWN.get(edge.get("healthStatus", ""), HEALTHY)


def label(traffic: Json) -> list[str]:
    """The lines of text on an edge: the rate, and the errors in percent if there are any."""
    protocol, rates = traffic.get("protocol", ""), traffic.get("rates") or {}
    if protocol not in rates:
        return []
    if protocol == "tcp":
        return [bytes_per_second(float(rates["tcp"]))]
    errors = float(rates.get(f"{protocol}PercentErr", 0))
    return [short(float(rates[protocol]))] + ([f"{short(errors, 1)}% err"] if errors > 0 else [])


def short(number: float, decimals: int = 2) -> str:
    """So many decimals, trailing zeros cut: 0.03, 4.5, 12."""
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def bytes_per_second(number: float) -> str:
    return f"{short(number)}bps" if number < 1024 else f"{short(number / 1024)}kps"
