"""The PromQL of the graph, as readable text.

For the namespaces X and a window of N seconds, three queries for each metric, in the order in which they are believed:

0. what the senders say of requests into X that never reached a workload,
1. what the receivers in X say,
2. what the senders in X say.

Reporters are never added up: a series that two queries bring counts once (see telemetry.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graph.params import GraphOptions

_OF_ONE_END = ("cluster", "workload_namespace", "workload", "canonical_service", "canonical_revision")
ENDS = (
    *(f"source_{label}" for label in _OF_ONE_END),
    *(f"destination_{label}" for label in _OF_ONE_END),
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
)
REQUEST = ("request_protocol", "response_code", "grpc_response_status", "response_flags")
MESSAGE = ("request_protocol", "response_flags")
TCP = ("response_flags",)

SHORTEST_RATE = 20
"""Seconds. In plots, a rate over less is mostly noise at the few requests per second of the exercise."""

HTTP_PROTOCOLS = frozenset({"http"})
GRPC_PROTOCOLS = frozenset({"grpc"})


@dataclass(frozen=True)
class TrafficQuery:
    """One query whose rows are traffic."""

    promql: str
    metric: str
    protocols: frozenset[str]  # rows of other protocols are skipped; `tcp` stands for every row of a TCP metric


@dataclass(frozen=True)
class ValueQuery:
    """One query whose rows are decorations of edges: response times or throughput."""

    promql: str
    by_destination: bool  # rows know their destination only: for the edges service -> workload


def equals(label: str, names: Sequence[str]) -> str:
    """A matcher for one of several names."""
    return f'{label}="{names[0]}"' if len(names) == 1 else f'{label}=~"{_any(names)}"'


def differs(label: str, names: Sequence[str]) -> str:
    return f'{label}!="{names[0]}"' if len(names) == 1 else f'{label}!~"{_any(names)}"'


def _any(names: Sequence[str]) -> str:
    return "|".join(name.replace(".", "\\\\.") for name in names)


def selectors(namespaces: Sequence[str]) -> tuple[str, str, str]:
    """The three selectors, in the order of belief."""
    hosts = namespaces[0] if len(namespaces) == 1 else f"({_any(namespaces)})"
    return (
        f'reporter="source", {differs("source_workload_namespace", namespaces)}, '
        'destination_workload_namespace="unknown", destination_workload="unknown", '
        f'destination_service=~"^.+\\\\.{hosts}\\\\..+$"',
        f'reporter="destination", {equals("destination_workload_namespace", namespaces)}',
        f'reporter="source", {equals("source_workload_namespace", namespaces)}',
    )


def rate(metric: str, selector: str, labels: Sequence[str], seconds: int, *, idle: bool = False) -> str:
    positive = "" if idle else " > 0"
    return f"round(sum(rate({metric}{{{selector}}}[{seconds}s])) by ({', '.join(labels)}){positive}, 0.001)"


def metrics(options: GraphOptions) -> list[tuple[str, tuple[str, ...], frozenset[str]]]:
    """The metrics that the asked-for rates need: (metric, its labels, the protocols to take from it)."""
    requests = frozenset(
        protocol for protocol, kind in (("http", options.rate_http), ("grpc", options.rate_grpc)) if kind == "requests"
    )
    chosen: list[tuple[str, tuple[str, ...], frozenset[str]]] = []
    if requests:
        chosen.append(("istio_requests_total", (*ENDS, *REQUEST), requests))
    if options.rate_grpc in ("sent", "total"):
        chosen.append(("istio_request_messages_total", (*ENDS, *MESSAGE), GRPC_PROTOCOLS))
    if options.rate_grpc in ("received", "total"):
        chosen.append(("istio_response_messages_total", (*ENDS, *MESSAGE), GRPC_PROTOCOLS))
    if options.rate_tcp in ("sent", "total"):
        chosen.append(("istio_tcp_sent_bytes_total", (*ENDS, *TCP), frozenset({"tcp"})))
    if options.rate_tcp in ("received", "total"):
        chosen.append(("istio_tcp_received_bytes_total", (*ENDS, *TCP), frozenset({"tcp"})))
    return chosen


def traffic(options: GraphOptions) -> list[TrafficQuery]:
    """All queries for traffic; those of one metric follow each other in the order of belief."""
    return [
        TrafficQuery(
            rate(metric, selector, labels, options.duration, idle=options.include_idle_edges), metric, protocols
        )
        for metric, labels, protocols in metrics(options)
        for selector in selectors(options.namespaces)
    ]


def _decoration_sources(options: GraphOptions, reporter: str | None) -> list[str]:
    """Whom to ask about times and sizes: the receivers in the namespaces first, then the senders."""
    incoming = equals("destination_service_namespace", options.namespaces)
    outgoing = equals("source_workload_namespace", options.namespaces)
    if reporter is None:
        return [f'reporter="destination", {incoming}', f'reporter="source", {outgoing}']
    elsewhere = differs("source_workload_namespace", options.namespaces)
    return [f'reporter="{reporter}", {elsewhere}, {incoming}', f'reporter="{reporter}", {outgoing}']


def _groupings(options: GraphOptions) -> list[tuple[tuple[str, ...], str, bool]]:
    """(labels, further matcher, by destination?).

    Quantiles of several sources cannot be added up afterwards. So where service nodes stand in between,
    Prometheus is asked for the edge service -> workload as a whole.
    """
    with_protocol = (*ENDS, "request_protocol")
    if not options.inject_service_nodes:
        return [(with_protocol, "", False)]
    of_destination = tuple(label for label in with_protocol if not label.startswith("source_"))
    return [
        (of_destination, ', destination_workload!="unknown"', True),
        (with_protocol, ', destination_workload="unknown"', False),
    ]


def response_times(options: GraphOptions) -> list[ValueQuery]:
    """Milliseconds. Every answered request counts, failures too."""
    metric, window = "istio_request_duration_milliseconds", f"[{options.duration}s]"
    found = []
    for labels, matcher, by_destination in _groupings(options):
        for selector in _decoration_sources(options, None):
            chosen = f"{{{selector}{matcher}}}{window}"
            if options.response_time == "avg":
                by = ", ".join(labels)
                promql = f"sum(rate({metric}_sum{chosen})) by ({by}) / sum(rate({metric}_count{chosen})) by ({by}) > 0"
            else:
                by = ", ".join(("le", *labels))
                quantile = int(options.response_time) / 100
                promql = f"histogram_quantile({quantile:g}, sum(rate({metric}_bucket{chosen})) by ({by})) > 0"
            found.append(ValueQuery(promql, by_destination))
    return found


def throughputs(options: GraphOptions) -> list[ValueQuery]:
    """Bytes per second of bodies: requests as the senders count them, responses as the receivers do."""
    reporter = "source" if options.throughput == "request" else "destination"
    return [
        ValueQuery(
            f"sum(rate(istio_{options.throughput}_bytes_sum{{{selector}{matcher}}}[{options.duration}s])) "
            f"by ({', '.join(labels)}) > 0",
            by_destination,
        )
        for labels, matcher, by_destination in _groupings(options)
        for selector in _decoration_sources(options, reporter)
    ]


def aggregates(options: GraphOptions) -> list[str]:
    """Traffic by operation, as the receivers classify it."""
    labels = (*ENDS, *REQUEST, options.aggregate)
    named = f'{options.aggregate}!="", {options.aggregate}!="unknown"'
    selector = f'reporter="destination", {equals("destination_service_namespace", options.namespaces)}, {named}'
    return [rate("istio_requests_total", selector, labels, options.duration)]
