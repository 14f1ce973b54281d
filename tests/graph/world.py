"""Traffic by design: each state of the exercise as a list of flows, whose rates are known exactly.

From the flows come the series of Istio's metrics (for golden tests), the text that promtool turns into Prometheus'
blocks (for tests against a real Prometheus), and the objects of the cluster (for the Kubernetes API's stand-in).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

BUCKETS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, math.inf)  # milliseconds; fewer than Istio's, to keep it small
NS, CLUSTER = "c756ns", "Kubernetes"
DYNAMO = "dynamodb.us-west-2.amazonaws.com"


@dataclass(frozen=True)
class Who:
    """A workload, as metrics name it."""

    namespace: str = "unknown"
    workload: str = "unknown"
    app: str = "unknown"
    version: str = "unknown"
    cluster: str = CLUSTER

    def labels(self, end: str) -> dict[str, str]:
        return {
            f"{end}_cluster": self.cluster,
            f"{end}_workload_namespace": self.namespace,
            f"{end}_workload": self.workload,
            f"{end}_canonical_service": self.app,
            f"{end}_canonical_revision": self.version,
        }


NOBODY = Who(cluster="unknown")
GATEWAY = Who("istio-system", "istio-ingressgateway", "istio-ingressgateway", "latest")
S1 = Who(NS, "cmpt756s1", "cmpt756s1", "v1")
S2V1 = Who(NS, "cmpt756s2-v1", "cmpt756s2", "v1")
S2V2 = Who(NS, "cmpt756s2-v2", "cmpt756s2", "v2")
DB = Who(NS, "cmpt756db", "cmpt756db", "v1")


@dataclass(frozen=True)
class Flow:
    """Requests (or bytes) of one kind. `reporters`: whose metrics tell of it."""

    source: Who
    target: Who
    host: str
    rate: float  # requests per second; of tcp: bytes that the source sends per second
    code: str = "200"
    flags: str = "-"
    protocol: str = "http"
    reporters: tuple[str, ...] = ("source", "destination")
    millis: float = 8.0  # the median response time
    request_bytes: float = 400.0
    response_bytes: float = 900.0  # of tcp: bytes that come back for each byte sent
    service_namespace: str = NS
    service_name: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    def labels(self, reporter: str) -> dict[str, str]:
        labels = {
            "reporter": reporter,
            **self.source.labels("source"),
            **self.target.labels("destination"),
            "destination_service": self.host,
            "destination_service_name": self.service_name or self.host.split(".")[0],
            "destination_service_namespace": self.service_namespace,
            "request_protocol": self.protocol,
            "response_flags": self.flags,
            "connection_security_policy": "none" if reporter == "destination" else "unknown",
            **self.extra,
        }
        return labels if self.protocol == "tcp" else {**labels, "response_code": self.code}


def host(app: str, namespace: str = NS) -> str:
    return f"{app}.{namespace}.svc.cluster.local"


def http(source: Who, target: Who, rate: float, code: str = "200", **more: Any) -> Flow:
    more.setdefault("host", host(target.app, target.namespace))
    more.setdefault("service_namespace", target.namespace)
    return Flow(source, target, rate=rate, code=code, **more)


def scraped(target: Who) -> Flow:
    """Prometheus reads /metrics twice a minute, from outside the mesh."""
    return http(NOBODY, target, 1 / 30, reporters=("destination",), millis=3.0, response_bytes=6000.0)


def dynamo(rate: float) -> Flow:
    return Flow(
        DB, NOBODY, DYNAMO, rate, protocol="tcp", reporters=("source",), service_name=DYNAMO, response_bytes=2.2
    )


def story(user: float, music: float, share: float, failing: float, *, v2: bool = True) -> list[Flow]:
    """The exercise: reads of users and music; v2 gets `share` of the music and rejects `failing` of what it gets."""
    rejected = music * share * failing
    flows = [
        http(GATEWAY, S1, user, millis=12.0),
        http(S1, DB, user, millis=5.0),
        scraped(S1),
        scraped(S2V1),
        scraped(DB),
        dynamo(520.0 * (user + music - rejected)),
    ]
    for target, part in ((S2V1, music * (1 - share)), (S2V2, music * share)):
        bad = rejected if target is S2V2 else 0.0
        if part - bad > 0:
            flows.append(http(GATEWAY, target, part - bad, millis=11.0))
            flows.append(http(target, DB, part - bad, millis=5.0))
        if bad > 0:  # without asking the datastore, and so faster
            flows.append(http(GATEWAY, target, bad, "500", millis=3.0, response_bytes=300.0))
    return [*flows, scraped(S2V2)] if v2 else flows


def big(services: int = 50, edges: int = 300) -> list[Flow]:
    """A mesh of many services, the same at every call."""
    chance = random.Random(756)
    apps = [Who(NS, f"svc{n:02d}-v1", f"svc{n:02d}", "v1") for n in range(services)]
    pairs: set[tuple[int, int]] = {((n - 1) // 3, n) for n in range(1, services)}
    while len(pairs) < edges:
        first, second = sorted(chance.sample(range(services), 2))
        pairs.add((first, second))
    flows = [http(GATEWAY, apps[0], 40.0)]
    for first, second in sorted(pairs):
        rate = round(chance.uniform(0.1, 20), 3)
        flows.append(http(apps[first], apps[second], rate, millis=chance.uniform(2, 90)))
        if chance.random() < 0.2:
            flows.append(http(apps[first], apps[second], rate * chance.uniform(0.001, 0.3), "503", flags="UF"))
    return flows


def mutual(flow: Flow) -> Flow:
    """The same between two sidecars that have shown each other who they are."""
    if NOBODY in (flow.source, flow.target):
        return flow
    principals = {
        f"{end}_principal": f"spiffe://cluster.local/ns/{who.namespace}/sa/{who.app}"
        for end, who in (("source", flow.source), ("destination", flow.target))
    }
    return replace(flow, extra={"connection_security_policy": "mutual_tls", **principals})


STATES: dict[str, list[Flow]] = {
    "v1": story(1.0, 5.0, 0.0, 0.0, v2=False),
    "canary": story(1.0, 5.0, 0.1, 0.5),
    "rollback": story(1.0, 5.0, 0.0, 0.5),
    "fixed": story(1.0, 5.0, 0.1, 0.0),
    "shifted": story(1.0, 5.0, 1.0, 0.0),
    "unreached": [
        *story(1.0, 4.5, 0.0, 0.0, v2=False),
        http(
            GATEWAY, NOBODY, 0.5, "503", flags="NR", host=host("cmpt756s2"), service_namespace=NS, reporters=("source",)
        ),
        http(S1, NOBODY, 0.25, "0", flags="DC", host=host("cmpt756db"), service_namespace=NS, reporters=("source",)),
    ],
    "operations": [
        replace(flow, extra={"request_operation": "read" if flow.code == "200" else "failed"})
        if flow.source is GATEWAY
        else flow
        for flow in story(1.0, 5.0, 0.1, 0.5)
    ],
    "mutual": [mutual(flow) for flow in story(1.0, 5.0, 0.1, 0.5)],
    "nosidecar": [],
    "empty": [],
    "notscraped": [],
    "big": big(),
}
UP = {"v1": 9, "nosidecar": 4, "empty": 8, "notscraped": 0}
"""How many targets answer Prometheus; 9 where nothing else is said."""


REQUEST_MESSAGES, RESPONSE_MESSAGES = 1, 3
"""Messages for each call of gRPC."""
_OF_ANSWERS = ("request_protocol", "response_code", "response_flags", "grpc_response_status")


# -- series


@dataclass(frozen=True)
class Counter:
    """A series that grows evenly."""

    metric: str
    labels: dict[str, str]
    rate: float


@dataclass(frozen=True)
class Gauge(Counter):
    """A series that stays as it is."""


def counters(flows: list[Flow]) -> Iterator[Counter]:
    for flow in flows:
        for reporter in flow.reporters:
            labels = flow.labels(reporter)
            if flow.protocol == "tcp":
                # Istio counts from the proxy's side: it receives what the source sends.
                yield Counter("istio_tcp_received_bytes_total", labels, flow.rate)
                yield Counter("istio_tcp_sent_bytes_total", labels, flow.rate * flow.response_bytes)
                yield Counter("istio_tcp_connections_opened_total", labels, 0.01)
                continue
            yield Counter("istio_requests_total", labels, flow.rate)
            if flow.protocol == "grpc":
                # Messages have no code; that they are gRPC's is known from the metric.
                named = {k: v for k, v in labels.items() if k not in _OF_ANSWERS}
                yield Counter("istio_request_messages_total", named, flow.rate * REQUEST_MESSAGES)
                yield Counter("istio_response_messages_total", named, flow.rate * RESPONSE_MESSAGES)
            for name, size in (("request_bytes", flow.request_bytes), ("response_bytes", flow.response_bytes)):
                yield Counter(f"istio_{name}_sum", labels, flow.rate * size)
                yield Counter(f"istio_{name}_count", labels, flow.rate)
            # The sender also waits for the network: half a millisecond.
            millis = flow.millis + (0.5 if reporter == "source" else 0.0)
            name = "istio_request_duration_milliseconds"
            yield Counter(f"{name}_sum", labels, flow.rate * millis)
            yield Counter(f"{name}_count", labels, flow.rate)
            for bound in BUCKETS:
                le = "+Inf" if math.isinf(bound) else f"{bound:g}"
                yield Counter(f"{name}_bucket", {**labels, "le": le}, flow.rate * below(bound, millis))


def below(bound: float, median: float) -> float:
    """The part of response times up to a bound: a log-normal distribution."""
    if math.isinf(bound):
        return 1.0
    return 0.5 * (1 + math.erf(math.log(bound / median) / (0.6 * math.sqrt(2))))


def flask(flows: list[Flow]) -> Iterator[Counter]:
    """What the Flask exporter of each service counts: what its sidecar let in, without the scrapes."""
    for flow in flows:
        if (
            flow.protocol == "tcp"
            or "destination" not in flow.reporters
            or flow.source is NOBODY
            or flow.target.namespace != NS
        ):
            continue
        labels = {
            "job": flow.target.app,
            "service": flow.target.app,
            "namespace": NS,
            "pod": f"{flow.target.workload}-6d5f7c-abcde",
        }
        route = {"cmpt756s1": "/api/v1/user/<user_id>", "cmpt756s2": "/api/v1/music/<music_id>"}.get(
            flow.target.app, "/api/v1/datastore/read"
        )
        yield Gauge("app_info", {**labels, "exported_service": flow.target.app, "version": flow.target.version}, 1.0)
        yield Counter("flask_http_request_total", {**labels, "method": "GET", "status": flow.code}, flow.rate)
        timed = {**labels, "method": "GET", "status": flow.code, "url_rule": route}
        yield Counter("flask_http_request_duration_seconds_count", timed, flow.rate)
        yield Counter("flask_http_request_duration_seconds_sum", timed, flow.rate * flow.millis / 1000)
        for bound in BUCKETS:
            le = "+Inf" if math.isinf(bound) else f"{bound / 1000:g}"
            yield Counter(
                "flask_http_request_duration_seconds_bucket", {**timed, "le": le}, flow.rate * below(bound, flow.millis)
            )


def text_of(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def open_metrics(state: str, end: int, *, minutes: int = 70) -> Iterator[str]:
    """The samples of one state up to `end` (unix seconds): every 15 s in the last 15 minutes, every minute before."""
    times = [end - 15 * n for n in range(60)] + [end - 900 - 60 * n for n in range(1, minutes - 14)]
    times.sort()
    series = [*counters(STATES[state]), *(flask(STATES[state]) if state != "big" else ())]
    gone = [*counters(STATES["v1"])] if state == "empty" else []  # there was traffic, until 40 minutes ago
    by_metric: dict[str, list[Counter]] = {}
    for one in series:
        by_metric.setdefault(one.metric, []).append(one)
    for metric, found in sorted(by_metric.items()):
        yield f"# TYPE {metric.removesuffix('_total')} {'counter' if metric.endswith('_total') else 'unknown'}\n"
        for one in merged(found):
            name = f"{metric}{text_of(one.labels)}"
            for at in times:
                value = 1 if isinstance(one, Gauge) else one.rate * (at - times[0]) + 100
                yield f"{name} {value:.6f} {at}\n"
    for one in gone:
        for at in [at for at in times if at < end - 2400]:
            yield f"{one.metric}{text_of(one.labels)} {one.rate * (at - times[0]):.6f} {at}\n"
    for number in range(UP.get(state, 9)):
        for at in times:
            yield f'up{{instance="127.0.0.1:{20010 + number}",job="sidecars"}} 1 {at}\n'
    yield "# EOF\n"


def merged_by_metric(flows: list[Flow]) -> dict[str, list[Counter]]:
    by_metric: dict[str, list[Counter]] = {}
    for one in counters(flows):
        by_metric.setdefault(one.metric, []).append(one)
    return {metric: merged(found) for metric, found in by_metric.items()}


def merged(found: list[Counter]) -> list[Counter]:
    """Series with the same labels are one series."""
    by_labels: dict[str, Counter] = {}
    for one in found:
        key = text_of(one.labels)
        before = by_labels.get(key)
        by_labels[key] = one if before is None else replace(one, rate=one.rate + before.rate)
    return list(by_labels.values())
