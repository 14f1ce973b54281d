"""Each control of the toolbar and of the picture, and the address that they write."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.graph.page.browsing import GraphPage


def query(page: GraphPage) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(urlsplit(page.page.url).query, keep_blank_values=True).items()}


@pytest.mark.parametrize(
    ("kind", "services", "squares"), [("app", 3, 4), ("workload", 3, 5), ("service", 3, 1), ("versionedApp", 3, 5)]
)
def test_graph_types(graph_page: GraphPage, kind: str, services: int, squares: int) -> None:
    graph_page.server.set("canary")
    graph_page.ready(graphType="app" if kind == "versionedApp" else "versionedApp")
    with graph_page.page.expect_response(lambda response: f"graphType={kind}" in response.url):
        graph_page.page.locator("#graph-type").select_option(kind)
    expect(graph_page.page.locator("#graph")).to_have_attribute("aria-busy", "false")
    found = [node["shape"] for node in graph_page.nodes()]
    assert found.count("service") == services, found
    assert found.count("app") == squares, found
    assert query(graph_page).get("graphType", "versionedApp") == kind


def test_window(graph_page: GraphPage) -> None:
    graph_page.ready()
    with graph_page.page.expect_response(lambda answer: "duration=600s" in answer.url and "/graph?" in answer.url):
        graph_page.page.locator("#duration").select_option("600")
    expect(graph_page.page.locator("#panel-content .foot")).to_contain_text("Last 10m")
    assert query(graph_page)["duration"] == "600"


def test_namespaces(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    assert query(graph_page) == {"namespaces": "c756ns"}
    page.locator("#namespace").click()
    with page.expect_response(lambda response: "namespaces=c756ns%2Cistio-system" in response.url):
        page.locator("#namespace-menu").get_by_label("istio-system").check()
    assert query(graph_page)["namespaces"] == "c756ns,istio-system"
    page.keyboard.press("Escape")
    expect(page.locator("#namespace-menu")).to_be_hidden()
    expect(page.locator("#namespace")).to_be_focused()
    page.go_back()
    expect(page.locator("#namespace-text")).to_have_text("c756ns")


def test_edge_labels(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    title = "service cmpt756s2 to cmpt756s2 v2"
    page.locator("#display").click()
    page.locator("#edge-distribution").check()
    assert graph_page.edge(title)["label"] == "0.53\n47% err\n10.5%"
    with page.expect_response(lambda response: "responseTime=50" in response.url):
        page.locator("#edge-rt50").check()
    graph_page.wait("c756.model().edges.some((e) => /\\dms/.test(e.label))")
    with page.expect_response(lambda response: "responseTime=99" in response.url):
        page.locator("#edge-rt99").check()
    expect(page.locator("#edge-rt50")).not_to_be_checked()
    with page.expect_response(lambda response: "throughputType=response" in response.url):
        page.locator("#edge-throughputResponse").check()
    graph_page.wait("c756.model().edges.some((e) => /ps$/.test(e.label) && e.data.traffic.protocol === 'http')")
    page.locator("#edge-rate").uncheck()
    assert query(graph_page)["edges"] == "distribution,rt99,throughputResponse"
    assert graph_page.edge(title)["label"].startswith("10.5%\n47% err\n")
    for key in ("distribution", "rt99", "throughputResponse"):
        page.locator(f"#edge-{key}").uncheck()
    assert {edge["label"] for edge in graph_page.edges()} == {""}


def test_service_nodes(graph_page: GraphPage) -> None:
    graph_page.ready()
    graph_page.page.locator("#display").click()
    with graph_page.page.expect_response(lambda response: "injectServiceNodes=false" in response.url):
        graph_page.page.locator("#show-injectServiceNodes").uncheck()
    graph_page.wait("!c756.model().nodes.some((n) => n.shape === 'service')")
    assert query(graph_page)["injectServiceNodes"] == "false"


def test_idle_nodes(graph_page: GraphPage) -> None:
    graph_page.server.set("empty")
    graph_page.open()
    page = graph_page.page
    expect(page.locator("#empty")).to_be_visible()
    page.locator("#empty-idle").click()
    graph_page.wait("c756.model().nodes.some((n) => n.health === 'idle')")
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#notices li").first).to_contain_text("No")
    notices = page.locator("#notices").bounding_box()
    stage = page.locator("#graph").bounding_box()
    assert notices is not None
    assert stage is not None
    top = page.evaluate("c756.cy.elements().renderedBoundingBox({includeOverlays: false}).y1") + stage["y"]
    assert top >= notices["y"] + notices["height"] - 24
    page.locator("#display").click()
    expect(page.locator("#show-idleNodes")).to_be_checked()


def test_operation_nodes_say_why_there_are_none(graph_page: GraphPage) -> None:
    graph_page.ready()
    graph_page.page.locator("#display").click()
    with graph_page.page.expect_response(lambda response: "aggregateNode" in response.url):
        graph_page.page.locator("#show-operationNodes").check()
    expect(graph_page.page.locator("#notices [data-reason=noOperations]")).to_be_visible()


def test_operation_nodes(graph_page: GraphPage) -> None:
    graph_page.server.set("operations")
    graph_page.ready(operationNodes="true")
    assert {node["label"] for node in graph_page.nodes() if node["shape"] == "operation"} == {"read", "failed"}


def test_badges(graph_page: GraphPage) -> None:
    graph_page.ready()

    def shown() -> set[str]:
        return {badge for node in graph_page.nodes() for badge in node["badges"]}

    assert shown() & {"vs", "shift"}
    graph_page.page.locator("#display").click()
    graph_page.page.locator("#show-badgeVS").uncheck()
    assert not shown() & {"vs", "shift", "fault"}


def test_padlocks(graph_page: GraphPage) -> None:
    """Beside each edge with mutual TLS; DynamoDB and Prometheus' reads are outside of the mesh."""
    graph_page.server.set("mutual")
    graph_page.ready()
    canvas = graph_page.page.locator("#padlocks")
    expect(canvas).to_have_attribute("data-drawn", "0")
    graph_page.page.locator("#display").click()
    graph_page.page.locator("#show-security").check()
    graph_page.wait("c756.model().edges.some(({label}) => label.includes('mTLS'))")
    locked = [edge for edge in graph_page.edges() if "mTLS" in edge["label"]]
    assert {edge["label"].count("mTLS") for edge in locked} == {1}
    expect(canvas).to_have_attribute("data-drawn", str(len(locked)))
    assert 0 < len(locked) < len(graph_page.edges())
    inked = "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v)"
    assert canvas.evaluate(inked)


def test_missing_sidecars(graph_page: GraphPage) -> None:
    graph_page.server.set("nosidecar")
    graph_page.ready(idleNodes="true")
    assert any("nosidecar" in node["badges"] for node in graph_page.nodes())
    graph_page.page.locator("#display").click()
    graph_page.page.locator("#show-badgeSidecars").uncheck()
    assert not any("nosidecar" in node["badges"] for node in graph_page.nodes())


def test_animation(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    expect(page.locator("#dots")).to_be_hidden()
    page.locator("#display").click()
    page.locator("#show-animation").check()
    graph_page.wait("[...c756.animation.streams.values()].some((s) => s.dots.some((d) => d.error))")
    graph_page.wait("Number(document.getElementById('dots').dataset.dots) > 5")
    drawn = page.evaluate(
        """(() => {
            const canvas = document.getElementById('dots');
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.filter((value, i) => i % 4 === 3 && value > 0).length;
        })()"""
    )
    assert drawn > 100
    page.locator("#show-animation").uncheck()
    expect(page.locator("#dots")).to_be_hidden()
    assert page.evaluate("c756.animation.running") is False


def test_less_motion_is_respected(open_page: Callable[..., GraphPage]) -> None:
    page = open_page(reduced_motion="reduce").ready(animation="true")
    expect(page.page.locator("#dots")).to_be_hidden()
    page.page.locator("#display").click()
    page.page.locator("#show-animation").check()
    expect(page.page.locator("#dots")).to_be_visible()


def test_find(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    page.locator("#find").fill("%error > 10")
    page.locator("#find").press("Enter")
    expect(page.locator("#find-count")).to_have_text("1 found")
    assert "found" in graph_page.classes(graph_page.edge("service cmpt756s2 to cmpt756s2 v2")["id"])
    page.locator("#find").fill("colour = red")
    page.locator("#find").press("Enter")
    expect(page.locator("#find-problem")).to_contain_text("'colour' cannot be compared")
    page.locator("#find-clear").click()
    expect(page.locator("#find-problem")).to_be_hidden()
    expect(page.locator("#find-count")).to_have_text("")
    page.locator("#find-help").click()
    expect(page.locator("#find-help-panel")).to_contain_text("node = service")


def test_hide(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    page.locator("#hide").fill("node = unknown")
    page.locator("#hide").press("Enter")
    assert not any(node["shape"] == "unknown" for node in graph_page.nodes())
    assert page.evaluate("c756.cy.nodes('[shape = \"unknown\"]').length") == 0
    expect(page.locator("#panel-content")).to_contain_text("hidden")
    page.locator("#display").click()
    page.locator("#show-compressed").uncheck()
    assert page.evaluate("c756.cy.nodes('[shape = \"unknown\"]').hasClass('gap')")
    assert query(graph_page)["hide"] == "node = unknown"
    assert query(graph_page)["compressed"] == "false"


def test_zoom_fit_and_pan(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    before = page.evaluate("c756.cy.zoom()")
    page.locator("#zoom-in").click()
    assert page.evaluate("c756.cy.zoom()") > before
    page.locator("#zoom-out").click()
    page.locator("#zoom-out").click()
    assert page.evaluate("c756.cy.zoom()") < before
    page.mouse.move(100, 400)
    page.mouse.down()
    page.mouse.move(260, 460, steps=4)
    page.mouse.up()
    panned = page.evaluate("c756.cy.pan()")
    page.locator("#fit").click()
    assert page.evaluate("c756.cy.zoom()") == pytest.approx(before)
    assert page.evaluate("c756.cy.pan()") != panned
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -300)
    graph_page.wait("(before) => c756.cy.zoom() > before", arg=before)


def test_legend_does_not_cover_the_graph(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    page.locator("#show-legend").click()
    expect(page.locator("#legend")).to_contain_text("Service entry")
    covered = page.locator("#legend").bounding_box()
    assert covered is not None
    left = page.evaluate("c756.cy.elements().renderedBoundingBox({includeOverlays: false}).x1")
    assert left >= covered["x"] + covered["width"] - 24
    assert query(graph_page)["legend"] == "true"
    page.locator("#legend-close").click()
    expect(page.locator("#legend")).to_be_hidden()
    expect(page.locator("#show-legend")).to_be_focused()


def test_a_shared_address_shows_the_same(open_page: Callable[..., GraphPage]) -> None:
    first = open_page()
    first.server.set("canary")
    first.ready()
    page = first.page
    page.locator("#display").click()
    page.locator("#edge-distribution").check()
    page.locator("#show-animation").check()
    page.keyboard.press("Escape")
    page.locator("#hide").fill("node = unknown")
    page.locator("#hide").press("Enter")
    page.locator("#refresh-interval").select_option("0")
    first.click(first.node("service", service="cmpt756s2"))
    expect(page.locator("#panel-content h2")).to_have_text("cmpt756s2")

    second = open_page().ready(f"/?{urlsplit(page.url).query}")
    assert second.nodes() == first.nodes()
    assert second.edges() == first.edges()
    expect(second.page.locator("#panel-content h2")).to_have_text("cmpt756s2")
    expect(second.page.locator("#refresh-interval")).to_have_value("0")
    expect(second.page.locator("#hide")).to_have_value("node = unknown")
    expect(second.page.locator("#dots")).to_be_visible()
    assert "chosen" in second.classes(second.node("service", service="cmpt756s2"))
    second.page.reload()
    expect(second.page.locator("#panel-content h2")).to_have_text("cmpt756s2")
