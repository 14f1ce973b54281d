"""How healthy an edge is, by Kiali's default thresholds, and how numbers are written on it."""

from __future__ import annotations

from typing import Any

HEALTHY, DEGRADED, FAILING, IDLE, TCP = "healthy", "degraded", "failing", "idle", "tcp"
COLOURS = {HEALTHY: "#3e8635", DEGRADED: "#f0ab00", FAILING: "#c9190b", IDLE: "#8a8d90", TCP: "#002952"}

# Percentages. 5xx and no answer: any failure degrades, from 10 failing. 4xx: from 10 degraded, from 20 failing.
SERVER_FAILING = 10.0
CLIENT_DEGRADED, CLIENT_FAILING = 10.0, 20.0


def of_edge(traffic: dict[str, Any]) -> str:
    """The health of the `traffic` of an edge in the graph's JSON."""
    protocol, rates = traffic.get("protocol", ""), traffic.get("rates") or {}
    total = float(rates.get(protocol, 0))
    if total <= 0:
        return IDLE
    if protocol == "tcp":
        return TCP
    if protocol == "grpc":
        return _judge(100 * float(rates.get("grpcErr", 0)) / total, 0.0)
    server = float(rates.get("http5xx", 0)) + float(rates.get("httpNoResponse", 0))
    return _judge(100 * server / total, 100 * float(rates.get("http4xx", 0)) / total)


def _judge(server: float, client: float) -> str:
    if server >= SERVER_FAILING or client >= CLIENT_FAILING:
        return FAILING
    return DEGRADED if server > 0 or client >= CLIENT_DEGRADED else HEALTHY


def label(traffic: dict[str, Any]) -> list[str]:
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
