"""The side panel: what one node, one edge or a whole namespace does, in numbers and over time.

1. A selection (fields of a node) becomes matchers of Prometheus.
2. Totals come from instant queries over the window, plots from range queries; all are asked side by side.
3. Reporters are not added up. Where receiver and sender both report a series, one of them is believed: the expression
   `sum by (all labels) (receivers) or sum by (all labels) (senders)` is the same rule as the graph's (queries.py).
4. The rows become JSON.

Everything here is pure; panel.py asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph import response_times
from graph.promql import differs, equals, quote
from graph.protocols import NO_RESPONSE
from graph.queries import ENDS, REQUEST, SHORTEST_RATE, TCP, lost
from graph.response_times import QUANTILES
from graph.rows import Row, Series
from graph.traffic import UNKNOWN

Json = dict[str, Any]

CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")


@dataclass(frozen=True)
class Selection:
    """A node, by its fields. Empty fields do not matter."""

    node_type: str
    namespace: str = ""
    workload: str = ""
    app: str = ""
    version: str = ""
    service: str = ""
    hosts: tuple[str, ...] = ()  # of a ServiceEntry
    aggregate: str = ""  # `request_operation=read`


def matchers(selection: Selection, end: str) -> list[str]:
    """1. The matchers for one end of traffic, `source` or `destination`. A service is always what was asked for."""
    if selection.node_type == "unknown":
        return [f'{end}_workload="{UNKNOWN}"', f'{end}_workload_namespace="{UNKNOWN}"']
    if selection.node_type == "aggregate":
        label, _, value = selection.aggregate.partition("=")
        return [f"{label}={quote(value)}", *_service(selection)]
    if selection.node_type == "service":
        return _service(selection)
    found = [f'{end}_workload_namespace="{selection.namespace}"']
    if selection.workload and selection.workload != UNKNOWN:
        return [*found, f"{end}_workload={quote(selection.workload)}"]
    if selection.app:
        found.append(f"{end}_canonical_service={quote(selection.app)}")
    if selection.version:
        found.append(f"{end}_canonical_revision={quote(selection.version)}")
    return found


def _service(selection: Selection) -> list[str]:
    if selection.hosts:
        return [equals("destination_service_name", [quote(host)[1:-1] for host in selection.hosts])]
    found = [f"destination_service_namespace={quote(selection.namespace)}"] if selection.namespace else []
    return [*found, f"destination_service_name={quote(selection.service)}"] if selection.service else found


Alternatives = Sequence[Sequence[str]]
"""Traffic that fits one of several lists of matchers."""


def node_directions(selection: Selection) -> dict[str, Alternatives]:
    """What goes in and what goes out; a service sends nothing of its own."""
    directions: dict[str, Alternatives] = {"in": [matchers(selection, "destination")]}
    if selection.node_type not in ("service", "aggregate"):
        directions["out"] = [matchers(selection, "source")]
    return directions


def edge_directions(source: Selection, target: Selection) -> dict[str, Alternatives]:
    return {"edge": [[*matchers(source, "source"), *matchers(target, "destination")]]}


def graph_directions(namespaces: Sequence[str]) -> dict[str, Alternatives]:
    """In: from outside the namespaces; out: to outside; total: all that touches them. See queries.lost."""
    unreached = lost(namespaces).split(", ")
    into = equals("destination_workload_namespace", namespaces)
    out_of = [
        equals("source_workload_namespace", namespaces),
        differs("destination_workload_namespace", namespaces),
    ]
    return {
        "in": [[differs("source_workload_namespace", namespaces), into], unreached],
        "out": [out_of],
        "total": [[into], out_of, unreached],  # no series fits two of them: Prometheus has the less to compare
    }


@dataclass(frozen=True)
class Window:
    """The time that is looked at. Seconds; `rate_window` is the range of `rate` in the plots."""

    end: int
    duration: int
    step: int
    rate_window: int

    @property
    def start(self) -> int:
        return self.end - self.duration


def window(end: int, duration: int, points: int, scrape_interval: float) -> Window:
    """A plot of at most so many points, for between two scrapes there is nothing to see: two for each are enough.

    A rate needs four scrapes, as Grafana takes it too ($__rate_interval).
    """
    step = max(1, math.ceil(duration / points), int(scrape_interval / 2))
    return Window(end, duration, step, max(step, math.ceil(4 * scrape_interval), SHORTEST_RATE))


def rates(metric: str, reporter: str, matching: Alternatives, seconds: int) -> str:
    """The rates of every series that one reporter tells of, or one of several (`destination|source`)."""
    how = "=~" if "|" in reporter else "="
    texts = [
        f"rate({metric}{{{', '.join([f'reporter{how}{quote(reporter)}', *matchers])}}}[{seconds}s])"
        for matchers in matching
    ]
    return " or ".join(texts)


def believed(metric: str, matching: Alternatives, seconds: int, labels: Sequence[str]) -> str:
    """3. The rate by all labels, each series from one reporter only: the receiver's word before the sender's."""
    by = ", ".join(labels)
    receivers, senders = (rates(metric, reporter, matching, seconds) for reporter in ("destination", "source"))
    return f"(sum by ({by}) ({receivers}) or sum by ({by}) ({senders}))"


def totals_queries(matching: Alternatives, seconds: int) -> dict[str, str]:
    """2. The instant queries of one direction. What was sent is what the proxy received (queries.TCP_BYTES)."""
    by_code = "response_code, grpc_response_status, request_protocol, response_flags, destination_service"
    queries = {
        "codes": f"sum by ({by_code}) ({believed('istio_requests_total', matching, seconds, (*ENDS, *REQUEST))}) > 0",
        "tcpSent": f"sum({believed('istio_tcp_received_bytes_total', matching, seconds, (*ENDS, *TCP))})",
        "tcpReceived": f"sum({believed('istio_tcp_sent_bytes_total', matching, seconds, (*ENDS, *TCP))})",
        "request": f"sum({believed('istio_request_bytes_sum', matching, seconds, ENDS)})",
        "response": f"sum({believed('istio_response_bytes_sum', matching, seconds, ENDS)})",
    }
    return queries | histogram_queries(matching, seconds)


def histogram_queries(matching: Alternatives, seconds: int) -> dict[str, str]:
    """What response_times.py needs: the buckets, and the sums of the times, of both reporters."""

    def of(part: str) -> str:
        metric = f"istio_request_duration_milliseconds_{part}"
        return rates(metric, "destination|source", matching, seconds)

    return {"buckets": f"sum by (reporter, le) ({of('bucket')})", "durations": f"sum by (reporter) ({of('sum')})"}


def times_queries(matching: Alternatives, seconds: int, first: str) -> dict[str, str]:
    """Response times in milliseconds, one query for each, to show and to copy: they give what response_times.py does.

    `first`: the reporter whose times are believed first.
    """

    second = "source" if first == "destination" else "destination"

    def of(reporter: str, part: str) -> str:
        return rates(f"istio_request_duration_milliseconds_{part}", reporter, matching, seconds)

    # Comparing with 0 drops what is not a number, so that the other reporter is heard.
    queries = {
        "avg": " or ".join(
            f"(sum({of(reporter, 'sum')}) / sum({of(reporter, 'count')}) >= 0)" for reporter in (first, second)
        )
    }
    for name, quantile in QUANTILES.items():
        queries[name] = " or ".join(
            f"(histogram_quantile({quantile:g}, sum by (le) ({of(reporter, 'bucket')})) >= 0)"
            for reporter in (first, second)
        )
    return queries


def series_queries(matching: Alternatives, seconds: int) -> dict[str, str]:
    """2. The range queries of one direction."""
    requests = believed("istio_requests_total", matching, seconds, (*ENDS, *REQUEST))
    failed = [[*matchers, 'response_code=~"0|[45].*"'] for matchers in matching]
    return {
        "rate": f"sum({requests})",
        "errors": f"sum({believed('istio_requests_total', failed, seconds, (*ENDS, *REQUEST))})",
        **histogram_queries(matching, seconds),
        "tcpSent": f"sum({believed('istio_tcp_received_bytes_total', matching, seconds, (*ENDS, *TCP))})",
        "tcpReceived": f"sum({believed('istio_tcp_sent_bytes_total', matching, seconds, (*ENDS, *TCP))})",
    }


def direction_json(
    totals: Mapping[str, Sequence[Row]],
    series: Mapping[str, Sequence[Series]],
    queries: Mapping[str, str],
    duration: int,
    first: str,
) -> Json:
    """4. One direction. `first`: the reporter whose response times are believed first."""
    sent, received = scalar(totals["tcpSent"]), scalar(totals["tcpReceived"])
    now = response_times.of_rows(totals["buckets"], totals["durations"], first)
    plots = {name: points(found[0].points) if found else [] for name, found in series.items()}
    times = response_times.of_series(series.get("buckets", ()), series.get("durations", ()), first)
    return {
        "http": http_json(totals["codes"], duration),
        "tcp": {"sent": sent or 0.0, "received": received or 0.0} if sent or received else None,
        "responseTime": {name: round(now[name], 4) if name in now else None for name in response_times.NAMES},
        "throughput": {name: scalar(totals[name]) for name in ("request", "response")},
        "series": {
            **{name: plots.get(name, []) for name in ("rate", "errors")},
            **{name: points(found) for name, found in times.items()},
            **{name: plots.get(name, []) for name in ("tcpSent", "tcpReceived")},
        },
        "queries": dict(queries),
    }


def http_json(rows: Iterable[Row], duration: int) -> Json | None:
    """Shares of codes, with their flags and hosts; None if there was no request."""
    codes: dict[tuple[str, str, str], float] = {}
    for row in rows:
        code = row.labels.get("response_code", "")
        status = row.labels.get("grpc_response_status", "")
        if row.labels.get("request_protocol") == "grpc" and status and code.startswith("2"):
            code = f"{code} (gRPC {status})"
        key = (
            NO_RESPONSE if code == "0" else code,
            row.labels.get("response_flags") or "-",
            row.labels.get("destination_service", ""),
        )
        codes[key] = codes.get(key, 0.0) + row.value
    total = sum(codes.values())
    if total <= 0:
        return None
    classes = dict.fromkeys(CLASSES, 0.0)
    for (code, _, _), rate in codes.items():
        classes[class_of(code)] += rate
    failed = classes["4xx"] + classes["5xx"] + classes["none"]
    return {
        "rate": round(total, 4),
        "requests": round(total * duration, 1),
        "percentSuccess": round(100 * (total - failed) / total, 2),
        "percentError": round(100 * failed / total, 2),
        "classes": [
            {"class": name, "rate": round(rate, 4), "percent": round(100 * rate / total, 2)}
            for name, rate in classes.items()
        ],
        "codes": [
            {
                "code": code,
                "flags": flags,
                "host": host,
                "rate": round(rate, 4),
                "percent": round(100 * rate / total, 2),
            }
            for (code, flags, host), rate in sorted(codes.items())
        ],
    }


def class_of(code: str) -> str:
    """The class of a response code; a gRPC failure counts as 5xx, since it is the service that failed."""
    if "(gRPC" in code:
        return "2xx" if code.endswith("(gRPC 0)") else "5xx"
    return f"{code[0]}xx" if code[:1] in ("2", "3", "4", "5") else "2xx" if code[:1] == "1" else "none"


def scalar(rows: Sequence[Row]) -> float | None:
    """The one value of a query without labels, or None if there is none."""
    return round(rows[0].value, 4) if rows and math.isfinite(rows[0].value) else None


def points(found: Iterable[tuple[float, float]]) -> list[list[float | None]]:
    """A plot: pairs of unix seconds and value; None where the value is no number."""
    return [[at, round(value, 4) if math.isfinite(value) else None] for at, value in found]
