"""The PromQL of the graph, as readable text.

For the namespaces X and a window of N seconds, three queries for each metric, in the order in which they are believed:

0. what the senders say of requests into X that never reached a workload,
1. what the receivers in X say (before it, in an ambient namespace, where receivers may have no proxy: what senders
   outside X say),
2. what the senders in X say.

A zoomed graph asks for the traffic of its node only: what comes in as the receivers tell it, and what goes out.
Reporters are never added up: a series that two queries bring counts once (see telemetry.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graph.params import GraphOptions
from graph.promql import any_of, differs, equals

_OF_ONE_END = ("cluster", "workload_namespace", "workload", "canonical_service", "canonical_revision")
ENDS = (
    *(f"source_{label}" for label in _OF_ONE_END),
    *(f"destination_{label}" for label in _OF_ONE_END),
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
)
REQUEST = ("request_protocol", "response_code", "grpc_response_status", "response_flags")
TCP = ("response_flags",)

SHORTEST_RATE = 20
"""Seconds. In plots, a rate over less is mostly noise at the few requests per second of the exercise."""


@dataclass(frozen=True)
class TrafficQuery:
    """One query whose rows are traffic."""

    promql: str
    metric: str
    protocols: frozenset[str]  # rows of other protocols are skipped
    protocol: str = ""  # of every row; empty: the rows say it themselves


@dataclass(frozen=True)
class ValueQuery:
    """One query whose rows are decorations of edges: response times or throughput."""

    promql: str
    by_destination: bool  # rows know their destination only: for the edges service -> workload


def lost(namespaces: Sequence[str]) -> str:
    """Requests from elsewhere into the namespaces that never reached a workload."""
    hosts = namespaces[0] if len(namespaces) == 1 else f"({any_of(namespaces)})"
    return (
        f"{differs('source_workload_namespace', namespaces)}, "
        'destination_workload_namespace="unknown", destination_workload="unknown", '
        f'destination_service=~"^.+\\\\.{hosts}\\\\..+$"'
    )


def reporter(who: str, ambient: str) -> str:
    """The matcher for one reporter; where waypoints count, they tell both ways."""
    return f'reporter=~"waypoint|{who}"' if ambient in ("total", "waypoint") else f'reporter="{who}"'


def selectors(options: GraphOptions, kind: str, ambient: Sequence[str] = ()) -> list[str]:
    """The selectors of one kind of metric (`requests`, `messages`, `tcp`), in the order of belief.

    `ambient`: those of the namespaces that are in ambient mode.
    """
    sent, received = (reporter(who, options.ambient) for who in ("source", "destination"))
    found = []
    if options.focus is None:
        names = options.namespaces
        found.append(f"{sent}, {lost(names)}")
        if ambient and kind != "tcp":
            outside = differs("source_workload_namespace", ambient)
            found.append(f'reporter="source", {outside}, {equals("destination_workload_namespace", ambient)}')
        found.append(f"{received}, {equals('destination_workload_namespace', names)}")
        found.append(f"{sent}, {equals('source_workload_namespace', names)}")
    else:
        if ambient and kind == "requests":
            received = reporter("source|destination", options.ambient).replace('="s', '=~"s')
        focus = options.focus
        if focus.service and kind == "requests":
            found.append(", ".join((sent, *focus.lost())))
        found.append(", ".join((received, *focus.incoming())))
        if outgoing := focus.outgoing():
            found.append(", ".join((sent, *outgoing)))
    # Of TCP, ztunnels tell as well; they count where all of the ambient mesh does, or they alone.
    without_ztunnel = 'app!="ztunnel", ' if kind == "tcp" and options.ambient in ("none", "waypoint") else ""
    return [without_ztunnel + one for one in found]


def rate(metric: str, selector: str, labels: Sequence[str], seconds: int, *, idle: bool = False) -> str:
    positive = "" if idle else " > 0"
    return f"round(sum(rate({metric}{{{selector}}}[{seconds}s])) by ({', '.join(labels)}){positive}, 0.001)"


TCP_BYTES = {
    "sent": ("istio_tcp_received_bytes_total",),
    "received": ("istio_tcp_sent_bytes_total",),
    "total": ("istio_tcp_received_bytes_total", "istio_tcp_sent_bytes_total"),
    "none": (),
}
"""Kiali's rates by Istio's metrics. Istio counts from the proxy's side: what a client sends, its proxy receives
(Kiali's graph/telemetry/istio/istio.go: "L4 telemetry is backwards", istio/istio issue 32399)."""
_MESSAGES = {
    "sent": ("istio_request_messages_total",),
    "received": ("istio_response_messages_total",),
    "total": ("istio_request_messages_total", "istio_response_messages_total"),
}


def traffic(options: GraphOptions, ambient: Sequence[str] = ()) -> list[TrafficQuery]:
    """All queries for traffic; those of one metric follow each other in the order of belief."""
    found: list[TrafficQuery] = []

    def ask(kind: str, metric: str, labels: Sequence[str], protocols: Iterable[str], protocol: str = "") -> None:
        for selector in selectors(options, kind, ambient):
            promql = rate(metric, selector, labels, options.seconds, idle=options.include_idle_edges)
            found.append(TrafficQuery(promql, metric, frozenset(protocols), protocol))

    requests = [name for name, kind in (("http", options.rate_http), ("grpc", options.rate_grpc)) if kind == "requests"]
    if requests:
        ask("requests", "istio_requests_total", (*ENDS, *REQUEST), requests)
    for metric in _MESSAGES.get(options.rate_grpc, ()):
        ask("messages", metric, ENDS, ["grpc"], "grpc")
    for metric in TCP_BYTES[options.rate_tcp]:
        ask("tcp", metric, ("app", *ENDS, *TCP), ["tcp"], "tcp")
    return found


def _decoration_sources(options: GraphOptions, who: str | None) -> list[str]:
    """Whom to ask about times and sizes: the receivers in the namespaces first, then the senders."""
    incoming = equals("destination_service_namespace", options.namespaces)
    outgoing = equals("source_workload_namespace", options.namespaces)
    if who is None:
        sent, received = (reporter(one, options.ambient) for one in ("source", "destination"))
        return [f"{received}, {incoming}", f"{sent}, {outgoing}"]
    told = reporter(who, options.ambient)
    return [f"{told}, {differs('source_workload_namespace', options.namespaces)}, {incoming}", f"{told}, {outgoing}"]


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
    metric, window = "istio_request_duration_milliseconds", f"[{options.seconds}s]"
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
    who = "source" if options.throughput == "request" else "destination"
    return [
        ValueQuery(
            f"sum(rate(istio_{options.throughput}_bytes_sum{{{selector}{matcher}}}[{options.seconds}s])) "
            f"by ({', '.join(labels)}) > 0",
            by_destination,
        )
        for labels, matcher, by_destination in _groupings(options)
        for selector in _decoration_sources(options, who)
    ]


def aggregates(options: GraphOptions) -> list[str]:
    """Traffic by operation, as the receivers classify it."""
    labels = (*ENDS, *REQUEST, options.aggregate)
    named = f'{options.aggregate}!="", {options.aggregate}!="unknown"'
    told = reporter("destination", options.ambient)
    selector = f"{told}, {equals('destination_service_namespace', options.namespaces)}, {named}"
    return [rate("istio_requests_total", selector, labels, options.seconds)]


def security(options: GraphOptions) -> list[str]:
    """Rates of what is drawn, by the security of the connection and by who was at its ends, as the receivers tell."""
    labels = (*ENDS, "source_principal", "destination_principal", "connection_security_policy")
    metrics = ["istio_requests_total"] if "requests" in (options.rate_http, options.rate_grpc) else []
    metrics += _MESSAGES.get(options.rate_grpc, ())
    metrics += TCP_BYTES[options.rate_tcp]
    told = reporter("destination", options.ambient)
    elsewhere = differs("source_workload_namespace", options.namespaces)
    selectors = [
        f"{told}, {elsewhere}, {equals('destination_service_namespace', options.namespaces)}",
        f"{told}, {equals('source_workload_namespace', options.namespaces)}",
    ]
    return [rate(metric, selector, labels, options.seconds) for metric in metrics for selector in selectors]
