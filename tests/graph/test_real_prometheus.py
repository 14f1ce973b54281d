"""The PromQL itself, against a real Prometheus: over recorded states, and over an exporter whose counters advance."""

from __future__ import annotations

import json
import math
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from graph import details, graphs, panel, pipeline, report, reports, routing
from graph.params import GraphOptions
from graph.prometheus import Prometheus
from graph.servers import Servers
from graph.settings import Settings
from tests.graph import prometheus_binary, promql, test_golden, world
from tests.graph.fake_kubernetes import FakeKubernetes
from tests.graph.fake_prometheus import FakePrometheus
from tests.graph.standin import free_port

NS = world.NS


@pytest.fixture(scope="module")
def recorded(recorded_prometheus: FakePrometheus) -> Prometheus:
    return Prometheus(recorded_prometheus.url)


@pytest.mark.parametrize(
    ("state", "graph_type"), [("canary", "versionedApp"), ("canary", "service"), ("unreached", "workload")]
)
def test_the_graph_is_the_same_as_from_designed_rows(
    recorded: Prometheus, recorded_prometheus: FakePrometheus, state: str, graph_type: str
) -> None:
    recorded_prometheus.state = state
    options = GraphOptions((NS,), graph_type, 60, int(time.time()), inject_service_nodes=True)
    asked = pipeline.plan(options, test_golden.cluster(state))
    drawn = []
    for rows in (
        {text: recorded.query(text, options.query_time) for text in asked.texts()},
        promql.rows(asked.texts(), state),
    ):
        result, _ = pipeline.traffic_map(asked, rows, test_golden.cluster(state))
        drawn.append(numbers(pipeline.to_json(options, result)["elements"]))
    assert drawn[0] == drawn[1]


def numbers(elements: Any) -> Any:
    """Numbers in strings as numbers, to compare them within what rounding may do."""
    if isinstance(elements, dict):
        return {name: numbers(value) for name, value in elements.items()}
    if isinstance(elements, list):
        return [numbers(value) for value in elements]
    try:
        return pytest.approx(float(elements), abs=0.02, rel=0.03)
    except (TypeError, ValueError):
        return elements


def test_operations_and_idle_edges_are_asked_in_valid_promql(
    recorded: Prometheus, recorded_prometheus: FakePrometheus
) -> None:
    recorded_prometheus.state = "operations"
    everything = test_golden.Case("operations", options={"appenders": test_golden.BASE | {"aggregateNode"}})
    options = replace(
        test_golden.options_of(everything),
        query_time=int(time.time()),
        include_idle_edges=True,
        response_time="avg",
        rate_tcp="total",
        rate_grpc="total",
    )
    answers = {text: recorded.query(text, options.query_time) for text in pipeline.plan(options).texts()}
    assert any("request_operation" in row.labels for rows in answers.values() for row in rows)


def test_several_namespaces_are_asked_in_valid_promql(
    recorded: Prometheus, recorded_prometheus: FakePrometheus
) -> None:
    recorded_prometheus.state = "unreached"
    options = GraphOptions((NS, "istio-system", "with.dot"), "versionedApp", 60, int(time.time()))
    rows = {text: recorded.query(text, options.query_time) for text in pipeline.plan(options).texts()}
    result, _ = pipeline.traffic_map(pipeline.plan(options), rows, None)
    gateway = next(node for node in result.nodes.values() if node.workload == "istio-ingressgateway")
    assert "isOutside" not in gateway.marks
    assert gateway.rates["httpOut"] == pytest.approx(6.0, abs=0.01)


class Exporter:
    """Serves counters that advance with time, as a sidecar does; remembers nothing, so scrapes are consistent."""

    def __init__(self, state: str) -> None:
        self._series = world.merged_by_metric(world.STATES[state])
        self._began = time.time()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def text(self) -> str:
        passed = time.time() - self._began
        lines = []
        for metric, series in self._series.items():
            for one in series:
                value = one.rate * passed if "bytes" in metric or metric.endswith("_sum") else int(one.rate * passed)
                lines.append(f"{metric}{world.text_of(one.labels)} {value}\n")
        return "".join(lines)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped an exporter of the canary, every second for a while."""
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = Exporter("canary")
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "sidecars", "static_configs": [{"targets": [exporter.address]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                prometheus_binary.find("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    limit = time.monotonic() + 90
    while True:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < limit, "nothing was scraped within 90 s"
        try:
            rows = prometheus.query("min(count_over_time(istio_requests_total[1h]))", time.time())
        except Exception:
            rows = []
        if rows and rows[0].value >= 12:
            break
        time.sleep(0.2)
    yield prometheus
    process.terminate()
    process.wait(20)
    exporter.close()


WINDOW = 10


def by_hand(prometheus: Prometheus, selector: str, at: int) -> dict[tuple[str, ...], float]:
    """Requests within the window by (reporter, source, version, code), computed from the raw samples.

    This is Prometheus' rule for `increase`: the slope between first and last sample, extrapolated to the window's ends,
    but by half an interval only where the end is further away than 1.1 intervals, and not below a count of zero.
    """
    answer = prometheus._ask("query", {"query": f"istio_requests_total{{{selector}}}[{WINDOW}s]", "time": str(at)})
    found: dict[tuple[str, ...], float] = {}
    for series in answer["result"]:
        samples = [(float(when), float(value)) for when, value in series["values"]]
        if len(samples) < 2:
            continue
        (first, start_value), (last, end_value) = samples[0], samples[-1]
        between = last - first
        interval = between / (len(samples) - 1)
        before, after = first - (at - WINDOW), at - last
        growth = end_value - start_value
        if growth > 0 and start_value >= 0:
            before = min(before, between * start_value / growth)
        reach = between
        reach += before if before < 1.1 * interval else interval / 2
        reach += after if after < 1.1 * interval else interval / 2
        labels = series["metric"]
        key = tuple(
            labels[name]
            for name in (
                "reporter",
                "source_workload",
                "destination_workload",
                "destination_canonical_revision",
                "response_code",
            )
        )
        found[key] = found.get(key, 0.0) + growth * reach / between
    return found


def test_report_equals_numbers_computed_by_hand(live: Prometheus, fake_kubernetes: FakeKubernetes) -> None:
    fake_kubernetes.state = "canary"
    servers = Servers(Settings(prometheus_url=live.url, kubernetes_url=fake_kubernetes.url))
    at = int(time.time())
    answer, advice = reports.ask(servers, NS, "cmpt756s2", at, WINDOW)
    servers.close()
    assert not advice
    raw = by_hand(live, f'destination_service_name="cmpt756s2",destination_service_namespace="{NS}"', at)
    sent = by_hand(live, f'source_canonical_service="cmpt756s2",source_workload_namespace="{NS}"', at)
    for version in answer["versions"]:
        name = version["version"]

        def of(source: str, *codes: str, name: str = name) -> float:
            return sum(raw.get(("destination", source, f"cmpt756s2-{name}", name, code), 0.0) for code in codes)

        inside = version["in"]
        assert inside["success"]["unrounded"] == pytest.approx(of("istio-ingressgateway", "200"), abs=0.01)
        assert inside["failed"]["unrounded"] == pytest.approx(of("istio-ingressgateway", "500"), abs=0.01)
        assert inside["metrics"]["unrounded"] == pytest.approx(of("unknown", "200"), abs=0.01)
        passed_on = sent[("destination", f"cmpt756s2-{name}", "cmpt756db", "v1", "200")]
        assert version["out"]["services"]["cmpt756db"]["unrounded"] == pytest.approx(passed_on, abs=0.01)
        assert version["notPassedOn"]["rejected"]["unrounded"] == inside["failed"]["unrounded"]
        # Sums are of the rounded parts.
        assert inside["total"]["requests"] == sum(inside[part]["requests"] for part in ("success", "failed", "metrics"))
        assert (
            version["notPassedOn"]["total"]["requests"]
            == inside["total"]["requests"] - version["out"]["total"]["requests"]
        )
    assert answer["total"]["in"]["total"]["requests"] == sum(
        one["in"]["total"]["requests"] for one in answer["versions"]
    )
    assert [one["version"] for one in answer["versions"]] == ["v1", "v2"]


def test_graph_equals_numbers_computed_by_hand(live: Prometheus, fake_kubernetes: FakeKubernetes) -> None:
    fake_kubernetes.state = "canary"
    servers = Servers(Settings(prometheus_url=live.url, kubernetes_url=fake_kubernetes.url))
    at = int(time.time())
    options = GraphOptions((NS,), "versionedApp", WINDOW, at)
    result = graphs.traffic_map(servers, options).map
    servers.close()
    raw = by_hand(live, f'destination_service_namespace="{NS}"', at)
    names = {node.id: node.workload for node in result.nodes.values()}
    found = {
        (names[edge.source], names[edge.target]): edge.rates.get("http", 0.0)
        for edge in result.edges()
        if edge.protocol == "http"
    }
    wanted: dict[tuple[str, str], float] = {}
    for (reporter, source, target, _, _), requests in raw.items():
        if reporter == "destination" and requests > 0:
            wanted[source, target] = wanted.get((source, target), 0.0) + requests / WINDOW
    assert {pair for pair, rate in found.items() if rate} == {pair for pair, rate in wanted.items() if rate > 0.0005}
    for pair, rate in found.items():
        assert rate == pytest.approx(wanted[pair], abs=0.0025)  # each of its series is rounded to 0.001


def test_details_and_weights_from_recorded_traffic(recorded: Prometheus, recorded_prometheus: FakePrometheus) -> None:
    recorded_prometheus.state = "canary"
    now = int(time.time())
    matching = details.edge_directions(
        details.Selection("service", NS, service="cmpt756s2"),
        details.Selection("app", NS, "cmpt756s2-v2", "cmpt756s2", "v2"),
    )["edge"]
    totals = {name: recorded.query(text, now) for name, text in details.totals_queries(matching, 60).items()}
    answer = details.direction_json(totals, {}, {}, 60, "source")
    assert answer["http"]["rate"] == pytest.approx(0.5 + 1 / 30, abs=0.001)
    assert answer["http"]["percentError"] == pytest.approx(100 * 0.25 / (0.5 + 1 / 30), abs=0.1)
    for name, text in details.times_queries(matching, 60, "source").items():  # the PromQL that the panel shows
        assert answer["responseTime"][name] == pytest.approx(recorded.query(text, now)[0].value, abs=0.0001), name
    # Half of them 11 ms, half (the rejected) 3 ms, and half a millisecond for the network: the senders' view.
    assert answer["responseTime"]["avg"] == pytest.approx(7.5, abs=0.01)
    observed = routing.observed(
        recorded.query(routing.observed_query(NS, "cmpt756s2", 60), now), test_golden.cluster("canary")
    )
    assert observed == {("gateway", "v1"): pytest.approx(270, abs=0.1), ("gateway", "v2"): pytest.approx(30, abs=0.1)}


def test_report_of_a_service_that_only_speaks_tcp(recorded: Prometheus, recorded_prometheus: FakePrometheus) -> None:
    recorded_prometheus.state = "v1"
    tcp = recorded.query(report.bytes_query(NS, ["cmpt756db"], 60), time.time())
    assert [row.value for row in tcp] == [pytest.approx(6 * 520 * 3.2 * 60, rel=0.001)]


def test_details_of_a_big_mesh_equal_the_promql_that_they_show(
    recorded_prometheus: FakePrometheus, fake_kubernetes: FakeKubernetes
) -> None:
    """Also over time: the plots come from two queries for all quantiles, the panel shows one query for each."""
    recorded_prometheus.state = fake_kubernetes.state = "big"
    servers = Servers(Settings(prometheus_url=recorded_prometheus.url, kubernetes_url=fake_kubernetes.url))
    try:
        window = panel.window(servers, int(time.time()), 60, 4)
        total = panel.graph_details(servers, [NS], window)["directions"]["total"]
        for name in ("rate", "avg", "p50", "p95", "p99"):
            shown = servers.prometheus().query_range(total["queries"][name], window.start, window.end, window.step)
            assert len(shown) == 1
            wanted = {round(at): value for at, value in shown[0].points if math.isfinite(value)}
            found = {round(at): value for at, value in total["series"][name]}
            assert found == pytest.approx(wanted, abs=0.001), name
            assert wanted, name
    finally:
        servers.close()


def test_the_scrape_interval_is_known_from_the_second_sample_on(live: Prometheus) -> None:
    """Long before the window of five minutes is full."""
    servers = Servers(Settings(prometheus_url=live.url))
    try:
        assert servers.scrape_interval() == pytest.approx(1, abs=0.2)
    finally:
        servers.close()
