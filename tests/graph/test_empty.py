from __future__ import annotations

from graph import empty
from graph.cluster import Cluster, Workload
from graph.empty import Scrapes

NS = ("c756ns",)
LABELLED = Cluster(namespaces={"c756ns": {"istio-injection": "enabled"}}, loaded=frozenset(NS))
BARE = Cluster(namespaces={"c756ns": {}}, loaded=frozenset(NS))
INSIDE = [Workload("c756ns", "cmpt756s1", {"app": "cmpt756s1"}, 1, (), False)]
OUTSIDE = [Workload("c756ns", "cmpt756s1", {"app": "cmpt756s1"}, 1, ("cmpt756s1-x",), False)]
FINE = Scrapes(targets_up=9, istio_series=20, namespace_series=12)


def why(cluster: Cluster | None, workloads: list[Workload], scrapes: Scrapes, duration: int = 60) -> tuple[str, str]:
    advice = empty.why(NS, duration, cluster, workloads, scrapes)
    assert advice.cure
    return advice.reason, advice.message + " " + advice.cure


def test_no_namespace() -> None:
    assert why(Cluster(), [], FINE)[0] == "notDeployed"


def test_no_pods() -> None:
    reason, text = why(LABELLED, [], FINE)
    assert reason == "notDeployed"
    assert "No pod runs in c756ns" in text


def test_no_sidecar_because_of_the_label() -> None:
    reason, text = why(BARE, OUTSIDE, FINE)
    assert reason == "noSidecar"
    assert "kubectl label namespace c756ns istio-injection=enabled" in text


def test_no_sidecar_because_the_pods_are_older() -> None:
    reason, text = why(LABELLED, OUTSIDE, FINE)
    assert reason == "noSidecar"
    assert "older than the label" in text
    assert "kubectl label" not in text


def test_nothing_scraped_at_all() -> None:
    assert why(LABELLED, INSIDE, Scrapes(None, 0, 0))[0] == "nothingScraped"


def test_no_target_answers() -> None:
    reason, text = why(LABELLED, INSIDE, Scrapes(0, 0, 0))
    assert reason == "nothingScraped"
    assert "none of its targets" in text


def test_no_istio_metrics() -> None:
    reason, text = why(LABELLED, INSIDE, Scrapes(9, 0, 0))
    assert reason == "nothingScraped"
    assert "istio_requests_total" in text


def test_no_traffic_in_the_window() -> None:
    reason, text = why(LABELLED, INSIDE, FINE, 600)
    assert reason == "noTraffic"
    assert "in the last 10 min" in text


def test_no_traffic_of_this_namespace_ever() -> None:
    assert "in the last hour" in why(LABELLED, INSIDE, Scrapes(9, 20, 0))[1]


def test_without_the_kubernetes_api_it_asks_prometheus_only() -> None:
    assert why(None, [], FINE)[0] == "noTraffic"


def test_some_pods_without_sidecar_are_a_warning() -> None:
    (warning,) = empty.without_sidecar([*INSIDE, *OUTSIDE])
    assert "cmpt756s1-x" in warning.message
    assert empty.without_sidecar(INSIDE) == []
