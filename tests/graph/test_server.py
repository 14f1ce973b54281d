"""The HTTP API, as the page and other tools use it, over recorded traffic."""

from __future__ import annotations

import http.client
import re
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.graph.recorded import GraphServer

GRAPH = "namespaces/graph?namespaces=c756ns&graphType=versionedApp&duration=60s&injectServiceNodes=true"


def get(server: GraphServer, path: str, status: int = 200) -> Any:
    answer = requests.get(f"{server.url}/api/{path}", timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def rates(graph: Any) -> dict[tuple[str, str], dict[str, str]]:
    names = {
        node["data"]["id"]: node["data"].get("workload") or node["data"].get("service")
        for node in graph["elements"]["nodes"]
    }
    return {
        (names[edge["data"]["source"]], names[edge["data"]["target"]]): edge["data"]["traffic"]["rates"]
        for edge in graph["elements"]["edges"]
    }


def test_a_connection_that_was_idle_for_some_seconds_is_open(graph_server: GraphServer) -> None:
    """An Envoy in front keeps it for 55 s. A server that closes it first loses what comes in that moment."""
    connection = http.client.HTTPConnection(urlsplit(graph_server.url).netloc, timeout=30)
    for pause in (0, 4):  # gunicorn's own default is 2 s
        time.sleep(pause)
        connection.request("GET", "/kiali/healthz")
        with connection.getresponse() as answer:
            assert (answer.status, answer.getheader("Connection"), answer.read()) == (200, "keep-alive", b"ok")
        assert connection.sock is not None
        connection.auto_open = 0


def test_the_exercise_in_the_graph(graph_server: GraphServer) -> None:
    graph = get(graph_server, GRAPH)
    assert graph["c756"]["empty"] is None
    assert ("cmpt756s2", "cmpt756s2-v2") not in rates(graph)
    graph_server.set("canary")
    found = rates(get(graph_server, GRAPH))
    assert float(found["istio-ingressgateway", "cmpt756s2"]["http"]) == pytest.approx(5.0, abs=0.01)
    assert float(found["cmpt756s2", "cmpt756s2-v2"]["httpPercentErr"]) == pytest.approx(46.9, abs=0.2)
    assert float(found["cmpt756db", "dynamodb"]["tcp"]) == pytest.approx(2990, abs=2)
    graph_server.set("rollback")
    found = rates(get(graph_server, GRAPH))
    assert found["cmpt756s2", "cmpt756s2-v2"] == {"http": "0.03", "httpPercentReq": "0.7"}
    graph_server.set("shifted")
    found = rates(get(graph_server, GRAPH))
    assert found["cmpt756s2", "cmpt756s2-v2"]["http"] == "5.03"


def test_ids_and_order_stay_the_same(graph_server: GraphServer) -> None:
    first, second = (get(graph_server, GRAPH)["elements"] for _ in range(2))
    assert [node["data"]["id"] for node in first["nodes"]] == [node["data"]["id"] for node in second["nodes"]]
    assert [edge["data"]["id"] for edge in first["edges"]] == [edge["data"]["id"] for edge in second["edges"]]


def test_zoomed_view(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    path = "namespaces/c756ns/applications/cmpt756s2/versions/v2/graph?graphType=versionedApp&duration=60s"
    found = rates(get(graph_server, path))
    assert set(found) == {
        ("istio-ingressgateway", "cmpt756s2-v2"),
        ("unknown", "cmpt756s2-v2"),
        ("cmpt756s2-v2", "cmpt756db"),
    }
    found = rates(get(graph_server, f"{path}&injectServiceNodes=true"))
    assert ("cmpt756s2", "cmpt756s2-v2") in found
    assert ("cmpt756s2", "cmpt756s2-v1") not in found
    found = rates(
        get(graph_server, "namespaces/c756ns/services/cmpt756db/graph?graphType=workload&injectServiceNodes=1")
    )
    assert ("cmpt756db", "cmpt756db") in found
    get(graph_server, "namespaces/c756ns/applications/cmpt756s2/graph?graphType=workload", 400)


@pytest.mark.parametrize(
    ("state", "reason"), [("empty", "noTraffic"), ("notscraped", "nothingScraped"), ("nosidecar", "noSidecar")]
)
def test_an_empty_graph_says_why(graph_server: GraphServer, state: str, reason: str) -> None:
    graph_server.set(state)
    empty = get(graph_server, GRAPH)["c756"]["empty"]
    assert empty["reason"] == reason
    assert empty["message"]
    assert empty["cure"]


def test_prometheus_out_of_reach(graph_server: GraphServer) -> None:
    graph_server.down(True)
    for path in (GRAPH, "c756/details/graph?namespaces=c756ns", "c756/dashboards/c756-mesh"):
        error = get(graph_server, path, 503)
        assert error["reason"] == "prometheusUnreachable"
        assert graph_server.prometheus.url in error["error"]
        assert error["cure"]
    status = get(graph_server, "status")
    assert [one["reason"] for one in status["warningMessages"]] == ["prometheusUnreachable"]
    graph_server.down(False)
    assert get(graph_server, GRAPH)["elements"]["edges"]


def test_without_the_kubernetes_api_there_is_still_a_graph(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    graph_server.kubernetes.down = True
    graph = get(graph_server, GRAPH)
    assert [one["reason"] for one in graph["c756"]["warnings"]] == ["kubernetesUnreachable"]
    assert rates(graph)["cmpt756s2", "cmpt756s2-v2"]
    names = [one["name"] for one in get(graph_server, "namespaces")]
    assert names == ["c756ns", "istio-system"]
    node = get(graph_server, "c756/details/node?nodeType=service&namespace=c756ns&service=cmpt756s2")
    assert node["routing"] is None


def test_namespaces_and_status(graph_server: GraphServer) -> None:
    found = {one["name"]: one["c756"]["injection"] for one in get(graph_server, "namespaces")}
    assert found == {"c756ns": True, "default": False, "istio-system": False}
    servers = {one["name"]: one["version"] for one in get(graph_server, "status")["externalServices"]}
    assert servers["Kubernetes"] == "v1.33.0"
    assert servers["Prometheus"][0] in "23"
    assert get(graph_server, "config")["istioNamespace"] == "istio-system"


def test_details_of_a_service_with_weights(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    answer = get(
        graph_server, "c756/details/node?nodeType=service&namespace=c756ns&service=cmpt756s2&duration=60s&points=6"
    )
    inside = answer["directions"]["in"]
    assert inside["http"]["rate"] == pytest.approx(5 + 2 / 30, abs=0.01)
    assert inside["http"]["percentError"] == pytest.approx(4.93, abs=0.1)
    assert [one["class"] for one in inside["http"]["classes"]] == ["2xx", "3xx", "4xx", "5xx", "none"]
    assert {one["code"] for one in inside["http"]["codes"]} == {"200", "500"}
    assert len(inside["series"]["rate"]) == len(inside["series"]["p99"]) == 7
    assert inside["responseTime"]["p50"] < inside["responseTime"]["p95"] < inside["responseTime"]["p99"]
    assert set(answer["directions"]) == {"in"}
    gateway, mesh = sorted(answer["routing"]["routes"], key=lambda route: route["via"])
    assert [(one["subset"], one["weight"]) for one in gateway["destinations"]] == [("v1", 90), ("v2", 10)]
    v2 = gateway["destinations"][1]
    assert v2["observed"]["percent"] == pytest.approx(10, abs=0.1)
    assert v2["observed"]["low"] < 10 < v2["observed"]["high"]
    assert v2["verdict"] == "agrees"
    assert {one["verdict"] for one in mesh["destinations"]} == {"noTraffic"}


def test_weights_that_are_not_kept_are_seen(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    graph_server.kubernetes.state = "rollback"  # the objects say 100/0, the traffic is still 90/10
    answer = get(graph_server, "c756/details/node?nodeType=service&namespace=c756ns&service=cmpt756s2")
    gateway = next(route for route in answer["routing"]["routes"] if route["via"] == ["gateway"])
    assert [one["verdict"] for one in gateway["destinations"]] == ["below", "above"]


def test_details_of_every_kind_of_node(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    for node in get(graph_server, GRAPH)["elements"]["nodes"]:
        names = ("nodeType", "namespace", "workload", "app", "version", "service")
        query = "&".join(f"{name}={node['data'][name]}" for name in names if node["data"].get(name))
        answer = get(graph_server, f"c756/details/node?{query}")
        found = [direction for direction in answer["directions"].values() if direction["http"] or direction["tcp"]]
        assert found, query


def test_details_of_edges(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    path = (
        "c756/details/edge?source.nodeType=app&source.namespace=c756ns&source.workload=cmpt756db&source.app=cmpt756db"
        "&dest.nodeType=service&dest.namespace=c756ns&dest.service=dynamodb&protocol=tcp"
    )
    edge = get(graph_server, path)["directions"]["edge"]
    assert edge["http"] is None
    assert edge["tcp"] == {"sent": pytest.approx(2990, abs=2), "received": pytest.approx(6578, abs=4)}
    total = get(graph_server, "c756/details/graph?namespaces=c756ns")["directions"]
    assert total["in"]["http"]["rate"] == pytest.approx(6 + 4 / 30, abs=0.01)
    assert total["total"]["http"]["rate"] == pytest.approx(11.75 + 4 / 30, abs=0.01)  # v2 passes 0.25 of its 0.5 on
    assert total["out"]["tcp"]["sent"] == pytest.approx(2990, abs=2)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("namespaces/graph", "namespaces"),
        ("namespaces/graph?namespaces=c756ns&graphType=pie", "graphType"),
        ("namespaces/graph?namespaces=c756ns&speed=11", "speed"),
        ("namespaces?verbose=1", "verbose"),
        ("c756/details/node?nodeType=service&namespace=c756ns", "service"),
        ("c756/details/node?nodeType=planet&namespace=c756ns", "nodeType"),
        ("c756/details/node?nodeType=app&namespace=c756ns", "app"),
        ("c756/details/node?nodeType=workload&workload=a", "namespace"),
        ("c756/details/node?nodeType=app&namespace=c756ns&app=a%22%7D", "app"),
        ("c756/details/node?nodeType=app&namespace=c756ns&app=a&points=1", "points"),
        ("c756/details/edge?source.nodeType=unknown", "dest.nodeType"),
        ("c756/dashboards/c756-mesh?var-colour=red", "var-colour"),
        ("c756/dashboards/c756-mesh?var-namespace=nowhere", "var-namespace"),
        ("c756/dashboards/c756-mesh?duration=soon", "duration"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(graph_server: GraphServer, path: str, name: str) -> None:
    error = get(graph_server, path, 400)
    assert error["reason"] == "badParameter"
    assert name in error["error"]


def test_labels_with_quotes_do_not_become_promql(graph_server: GraphServer) -> None:
    answer = get(
        graph_server, "c756/details/node?nodeType=app&namespace=c756ns&app=cmpt756s2&version=v1%22%7D%20or%20%7B"
    )
    assert answer["directions"]["in"]["http"] is None


def test_every_dashboard_has_data_in_every_panel(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    boards = get(graph_server, "c756/dashboards")
    assert [board["uid"] for board in boards] == ["c756-dynamodb", "c756-mesh", "c756-services"]
    for board in boards:
        answer = get(graph_server, f"c756/dashboards/{board['uid']}?duration=10m&points=20")
        for panel in answer["panels"]:
            if panel["type"] in ("row", "text"):
                continue
            assert panel["error"] is None, panel
            values = [value for series in panel["series"] for _, value in series["points"] if value is not None]
            assert values, (panel["title"], panel["queries"])
            assert not any("$" in query for query in panel["queries"])
    get(graph_server, "c756/dashboards/none", 404)


def test_pages_and_files(graph_server: GraphServer) -> None:
    def page(path: str, **more: Any) -> requests.Response:
        return requests.get(graph_server.url.removesuffix("/kiali") + path, timeout=10, allow_redirects=False, **more)

    assert page("/kiali/healthz").text == "ok"
    assert page("/kiali").headers["Location"].endswith("/kiali/")
    assert page("/").headers["Location"] == "/kiali/"
    assert page("/grafana/d/x").headers["Location"] == "/kiali/metrics"
    for path in ("/kiali/", "/kiali/console/graph/namespaces/", "/kiali/metrics"):
        answer = page(path)
        assert answer.status_code == 200
        assert '<base href="/kiali/"' in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"""(src|href)=["']https?://""", answer.text)
    library = page("/kiali/vendor/cytoscape.mjs")
    assert library.headers["Content-Type"].startswith("text/javascript")
    assert page("/kiali/vendor/..%2f..%2fpackage.json").status_code == 404
    assert page("/kiali/static/..%2fserver.py").status_code == 404
    assert page("/kiali/api/nothing").json()["reason"] == "notFound"
    assert requests.post(f"{graph_server.url}/api/{GRAPH}", timeout=10).status_code == 405


def test_a_large_mesh(graph_server: GraphServer) -> None:
    graph_server.set("big")
    graph = get(graph_server, GRAPH)
    assert len([node for node in graph["elements"]["nodes"] if node["data"]["nodeType"] == "service"]) == 50
    assert len(graph["elements"]["edges"]) == 351  # the 300, one from the gateway, 50 from service to workload
