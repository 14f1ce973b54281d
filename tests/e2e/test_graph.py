"""The exercise as a person sees it: the page in a browser, on a whole pocket. And the dashboards' PromQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Load
from tests.graph.page.browsing import LivePage, chromium, pages

MUSIC_RATE, USER_RATE = 20.0, 4.0
VIEW = {"namespaces": NAMESPACE, "graphType": "versionedApp", "duration": "60", "refresh": "0"}
HEALTHY = {"healthy", "tcp"}


@pytest.fixture(scope="module")
def traffic(cluster: Cluster) -> Iterator[None]:
    """Songs and users, so slowly that the machine has time for the browser."""
    with (
        Load(cluster.song_urls, cluster.token, clients=4, pause=4 / MUSIC_RATE),
        Load(cluster.user_urls, cluster.token, clients=2, pause=2 / USER_RATE),
    ):
        yield


@pytest.fixture
def page(cluster: Cluster) -> Iterator[LivePage]:
    """A page; at its end there must have been no console error and no request to elsewhere."""
    with chromium() as browser, pages(browser, lambda page: LivePage(page, f"{cluster.base}/kiali")) as make:
        yield make()


def until(page: LivePage, what: str, seen: Callable[[], bool], seconds: float) -> float:
    """Presses the blue button until the picture is as it should be. How long that took."""
    began = time.monotonic()
    while not seen():
        taken = time.monotonic() - began
        assert taken < seconds, f"not within {seconds} s: {what}; edges: {picture(page)}"
        page.page.wait_for_timeout(700)
        page.refresh()
    return time.monotonic() - began


def picture(page: LivePage) -> dict[str, tuple[str, str]]:
    """Health and label of each edge, by what it is called."""
    return {edge["title"]: (edge["health"], edge["label"]) for edge in page.edges()}


def rate_into(page: LivePage, workload: str) -> float:
    nodes = {node["id"]: node["data"] for node in page.nodes()}
    return sum(
        float(edge["data"]["traffic"].get("rates", {}).get("http", 0))
        for edge in page.edges()
        if nodes[edge["data"]["target"]].get("workload") == workload
    )


def all_green(page: LivePage) -> bool:
    return all(health in HEALTHY for health, _ in picture(page).values())


@pytest.mark.usefixtures("traffic")
def test_the_exercise_in_the_picture(cluster: Cluster, page: LivePage) -> None:
    page.open(**VIEW)
    page.wait("window.c756 && c756.graph() !== null", seconds=30)  # perhaps an empty one: nothing was scraped yet

    # 1. A healthy system.
    def whole() -> bool:
        shapes = {node["shape"] for node in page.nodes()}
        titles = picture(page)
        return (
            {"app", "service", "serviceentry", "box"} <= shapes
            and rate_into(page, "cmpt756s2-v1") > 1
            and rate_into(page, "cmpt756s1") > 0.2
            and any(health == "tcp" and label.endswith("ps") for health, label in titles.values())
        )

    until(page, "every node of the exercise", whole, 90)
    until(page, "everything green", lambda: all_green(page), 75)
    names = {node["data"].get("app") for node in page.nodes() if node["shape"] == "box"}
    assert names >= {"cmpt756s1", "cmpt756s2", "cmpt756db"}
    compare_with_prometheus(cluster, page)

    try:
        # 2. A tenth to version 2: red, within half a minute.
        cluster.run("tools/s2ver.sh", "v2")
        until(page, "the edge to v2 is red", lambda: edge_to(page, "cmpt756s2-v2")["health"] == "failing", 30)
        routing = settled(cluster)
        for destination, weight in zip(routing["routes"][0]["destinations"], (90.0, 10.0), strict=True):
            assert destination["weight"] == weight
            seen = destination["observed"]
            # Four times the half interval of 95 %: one run in many millions is out of it by chance.
            assert abs(seen["percent"] - weight) < 2 * (seen["high"] - seen["low"]), routing
        assert routing["routes"][0]["gateways"] == ["c756-gateway"]
        page.refresh()
        failed = edge_to(page, "cmpt756s2-v2")["data"]["traffic"]["rates"]
        assert 20 < float(failed["httpPercentErr"]) < 80, failed
        assert edge_to(page, "cmpt756s2-v1")["health"] == "healthy"
        page.click(page.node("service", service="cmpt756s2"))
        page.wait("document.querySelectorAll('.routing .route').length === 2")
    finally:
        cluster.run("tools/s2ver.sh", "v1")

    # 3. Back: in half a minute the window of half a minute holds nothing of it. Prometheus' reads are looked for here,
    # not at the beginning, where two of them would be a minute of waiting.
    page.ready(**{**VIEW, "duration": "30"})
    until(page, "everything green again", lambda: all_green(page) and rate_into(page, "cmpt756s2-v1") > 1, 60)
    until(page, "v2 gets what Prometheus reads, and no more", lambda: rate_into(page, "cmpt756s2-v2") < 0.08, 20)
    page.ready(**VIEW)
    until(page, "unknown", lambda: any(node["shape"] == "unknown" for node in page.nodes()), 60)
    sources = cluster_query(
        cluster,
        'sum by (source_workload) (rate(istio_requests_total{destination_workload="cmpt756s2-v2"}[30s])) > 0',
    )
    assert {row["metric"]["source_workload"] for row in sources} <= {"unknown"}
    check_dashboards(cluster)


def edge_to(page: LivePage, workload: str) -> dict[str, Any]:
    """The edge from the service node to a workload; an empty one while there is none."""
    nodes = {node["id"]: node["data"] for node in page.nodes()}
    found = [
        edge
        for edge in page.edges()
        if nodes[edge["data"]["target"]].get("workload") == workload
        and nodes[edge["data"]["source"]]["nodeType"] == "service"
    ]
    return found[0] if found else {"health": "none", "data": {"traffic": {}}}


def cluster_query(cluster: Cluster, promql: str, at: float | None = None) -> list[dict[str, Any]]:
    """What pocket's Prometheus answers."""
    parameters = {"query": promql} | ({"time": f"{at:.0f}"} if at else {})
    answer = requests.post(f"{cluster.base}/prometheus/api/v1/query", data=parameters, timeout=20)
    assert answer.status_code == 200, f"{promql}: {answer.text}"
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def age(cluster: Cluster) -> float:
    """Seconds since the namespace was made."""
    made = cluster.kubectl("get", "namespace", NAMESPACE, "--output=jsonpath={.metadata.creationTimestamp}")
    return (datetime.now(UTC) - datetime.fromisoformat(made.strip())).total_seconds()


def compare_with_prometheus(cluster: Cluster, page: LivePage) -> None:
    """The picture's rates are those of Prometheus at the same moment, within 10 %."""
    # Of a younger namespace the graph asks for less than 60 s, as Kiali does.
    page.page.wait_for_timeout(1000 * max(0.0, 61 - age(cluster)))
    page.refresh()
    at = page.page.evaluate("c756.graph().timestamp")
    for service in ("cmpt756s1", "cmpt756s2", "cmpt756db"):
        promql = f'sum(rate(istio_requests_total{{reporter="destination",destination_service_name="{service}"}}[60s]))'
        wanted = float(cluster_query(cluster, promql, at)[0]["value"][1])
        nodes = {node["id"]: node["data"] for node in page.nodes()}
        shown = sum(
            float(edge["data"]["traffic"]["rates"].get("http", 0))
            for edge in page.edges()
            if nodes[edge["data"]["source"]].get("service") == service
        )
        assert shown == pytest.approx(wanted, rel=0.1), service


def settled(cluster: Cluster) -> dict[str, Any]:
    """The routes beside what was observed since they were changed, once that is enough to compare."""
    parameters = {"namespace": NAMESPACE, "nodeType": "service", "service": "cmpt756s2", "duration": "60s"}
    deadline = time.monotonic() + 60
    while True:
        answer = requests.get(f"{cluster.base}/kiali/api/c756/details/node", params=parameters, timeout=20).json()
        routing: dict[str, Any] = answer["routing"]
        destinations = routing["routes"][0]["destinations"]
        if destinations[0]["verdict"] not in ("notComparable", "noTraffic"):
            return routing
        assert time.monotonic() < deadline, routing
        time.sleep(1)


def check_dashboards(cluster: Cluster) -> None:
    """Every PromQL of cluster/dashboards, as the metrics page fills it in, returns data of this cluster."""
    base = f"{cluster.base}/kiali/api/c756/dashboards"
    deadline = time.monotonic() + 75  # the Flask exporters are read every 30 s, and a rate needs two readings
    boards = requests.get(base, timeout=20).json()
    assert len(boards) == len(list((cluster.root / "cluster" / "dashboards").glob("*.json")))
    asked = 0
    for board in boards:
        for panel in requests.get(f"{base}/{board['uid']}?duration=10m", timeout=20).json()["panels"]:
            for promql in panel.get("queries", ()):
                asked += 1
                while not any(numbers(row) for row in cluster_query(cluster, promql)):
                    assert time.monotonic() < deadline, f"{board['title']}, {panel['title']}: no data from {promql}"
                    time.sleep(2)
    assert asked > 30


def numbers(row: dict[str, Any]) -> bool:
    return str(row["value"][1]) != "NaN"
