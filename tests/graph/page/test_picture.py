"""What the page draws, through the exercise: v1, canary, rollback."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from graph import svg
from tests.graph import test_golden
from tests.graph.page.browsing import GraphPage


def shapes(page: GraphPage) -> dict[str, int]:
    counts: dict[str, int] = {}
    for node in page.nodes():
        counts[node["shape"]] = counts.get(node["shape"], 0) + 1
    return counts


def test_v1_everything_is_healthy(graph_page: GraphPage) -> None:
    graph_page.ready()
    assert shapes(graph_page) == {"box": 3, "service": 3, "app": 4, "serviceentry": 1, "unknown": 1}
    assert {edge["health"] for edge in graph_page.edges()} == {"healthy", "tcp"}
    assert graph_page.edge("service cmpt756s2 to cmpt756s2 v1")["label"] == "5.03"
    assert graph_page.edge("cmpt756db v1 to service entry dynamodb")["label"].endswith("kps")
    labels = {node["label"] for node in graph_page.nodes()}
    assert {"v1", "cmpt756s1", "cmpt756s2", "cmpt756db", "unknown"} <= labels
    assert "istio-ingressgateway\nlatest\n(istio-system)" in labels
    expect(graph_page.page.locator("#live")).to_contain_text("No errors.")


def test_canary_and_rollback(graph_page: GraphPage) -> None:
    graph_page.ready()
    graph_page.server.set("canary")
    graph_page.refresh()
    bad = graph_page.edge("service cmpt756s2 to cmpt756s2 v2")
    assert bad["health"] == "failing"
    assert bad["label"] == "0.53\n47% err"
    v2 = graph_page.node(app="cmpt756s2", version="v2")
    drawn = {node["id"]: node for node in graph_page.nodes()}
    assert drawn[v2]["badges"] == ["failing"]
    assert drawn[drawn[v2]["data"]["parent"]]["label"] == "cmpt756s2"
    assert drawn[graph_page.node("service", service="cmpt756s2")]["badges"] == ["degraded", "shift"]
    expect(graph_page.page.locator("#live")).to_contain_text("Failing: service cmpt756s2 to cmpt756s2 v2")

    graph_page.server.set("rollback")
    graph_page.refresh()
    assert graph_page.edge("service cmpt756s2 to cmpt756s2 v2")["label"] == "0.03"
    assert {edge["health"] for edge in graph_page.edges()} == {"healthy", "tcp"}


def test_places_are_kept_until_a_node_comes(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    node = graph_page.node("unknown")
    x, y = graph_page.point(node)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 90, steps=4)
    page.mouse.up()
    moved = page.evaluate("(id) => c756.cy.getElementById(id).position()", node)
    graph_page.refresh()
    assert page.evaluate("(id) => c756.cy.getElementById(id).position()", node) == moved
    assert page.evaluate("c756.view.layouts") == 1

    graph_page.server.set("canary")
    graph_page.refresh()
    assert page.evaluate("c756.view.layouts") == 2
    graph_page.server.set("v1")
    graph_page.refresh()
    assert page.evaluate("(id) => c756.cy.getElementById(id).position()", node) == moved
    page.locator("#layout").click()
    assert page.evaluate("(id) => c756.cy.getElementById(id).position()", node) != moved


def test_requests_that_never_arrived(graph_page: GraphPage) -> None:
    graph_page.server.set("unreached")
    graph_page.ready()
    edge = graph_page.edge("istio-ingressgateway latest to service cmpt756s2")
    assert edge["health"] == "failing"
    assert "10% err" in edge["label"]


def test_big_mesh(open_page: Callable[..., GraphPage]) -> None:
    page = open_page(width=1920, height=1080)
    page.server.set("big")
    page.open(animation="true").wait("window.c756 && c756.graph() && c756.cy.nodes().nonempty()")
    assert len(page.edges()) > 300
    box = page.page.evaluate("c756.cy.elements().renderedBoundingBox()")
    assert box["x1"] >= 0
    assert box["y1"] >= 0
    assert box["x2"] <= page.page.evaluate("c756.cy.width()")
    assert box["y2"] <= page.page.evaluate("c756.cy.height()")


def test_headers_and_policy(graph_page: GraphPage) -> None:
    response = graph_page.page.goto(f"{graph_page.server.url}/")
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = response.text()
    assert " style=" not in html
    assert " onclick=" not in html


@pytest.mark.parametrize("name", ["versionedApp", "zoom_version", "service"])
def test_no_text_of_the_snapshot_is_cut_off(browser: Browser, name: str) -> None:
    with browser.new_page() as page:
        page.set_content(svg.draw(test_golden.graph_of(test_golden.CASES[name])))
        cut = page.evaluate(
            """() => {
                const picture = document.querySelector('svg').getBoundingClientRect();
                const out = ({left, right, top, bottom}) => left < picture.left || right > picture.right
                    || top < picture.top || bottom > picture.bottom;
                return [...document.querySelectorAll('text')].filter((text) => out(text.getBoundingClientRect()))
                    .map((text) => text.textContent);
            }"""
        )
        assert cut == []
