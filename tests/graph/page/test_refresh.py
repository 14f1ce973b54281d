"""Refreshing by itself, pausing, and what the page does while the server or Prometheus is away."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Request, expect

from tests.graph.page.browsing import GraphPage

SECOND = 1000


@pytest.fixture
def clocked(graph_page: GraphPage) -> GraphPage:
    """A page whose time the test moves."""
    graph_page.page.clock.install()
    return graph_page


def count_graphs(page: GraphPage) -> Callable[[], int]:
    seen: list[str] = []

    def listen(request: Request) -> None:
        if "/api/namespaces/graph" in request.url:
            seen.append(request.url)

    page.page.on("request", listen)
    return lambda: len(seen)


def test_it_refreshes_by_itself(clocked: GraphPage) -> None:
    clocked.ready()
    clocked.server.set("canary")
    with clocked.page.expect_response(lambda response: "/api/namespaces/graph" in response.url):
        clocked.page.clock.run_for(16 * SECOND)
    clocked.wait("c756.model().edges.some((e) => e.health === 'failing')")


def test_pause_and_the_blue_button(clocked: GraphPage) -> None:
    clocked.ready()
    clocked.page.locator("#refresh-interval").select_option("0")
    graphs = count_graphs(clocked)
    clocked.page.clock.run_for(400 * SECOND)
    assert graphs() == 0
    clocked.server.set("canary")
    clocked.refresh()
    assert graphs() == 1
    assert any(edge["health"] == "failing" for edge in clocked.edges())


def test_a_shorter_interval_starts_at_once(clocked: GraphPage) -> None:
    clocked.ready(refresh="300000")
    clocked.page.locator("#refresh-interval").select_option("10000")
    with clocked.page.expect_request(lambda request: "/api/namespaces/graph" in request.url):
        clocked.page.clock.run_for(11 * SECOND)


def test_prometheus_away_keeps_the_picture_and_tries_again(clocked: GraphPage) -> None:
    clocked.expected_errors.append("503")
    clocked.ready()
    page = clocked.page
    before = clocked.nodes()
    clocked.server.down(True)
    clocked.refresh()
    expect(page.locator("#banner")).to_contain_text("Prometheus")
    said = re.compile(r"The picture is that of \d\d:\d\d:\d\d\. Next try in \d+s\.")
    expect(page.locator("#banner")).to_contain_text(said)
    assert clocked.nodes() == before
    clocked.server.down(False)
    with page.expect_response(lambda response: "/api/namespaces/graph" in response.url and response.ok):
        page.clock.run_for(3 * SECOND)
    expect(page.locator("#banner")).to_be_hidden()


def test_prometheus_away_from_the_start(clocked: GraphPage) -> None:
    clocked.expected_errors.append("503")
    clocked.server.down(True)
    clocked.open(namespaces="c756ns")
    expect(clocked.page.locator("#banner")).to_contain_text("Prometheus")
    clocked.server.down(False)
    with clocked.page.expect_response(lambda response: "/api/namespaces/graph" in response.url and response.ok):
        clocked.page.clock.run_for(3 * SECOND)
    clocked.wait("c756.cy.nodes().nonempty()")


def test_server_away(clocked: GraphPage) -> None:
    clocked.expected_errors.append("ERR_FAILED")
    clocked.ready()
    page = clocked.page
    page.route("**/api/**", lambda route: route.abort())
    page.locator("#refresh").click()
    expect(page.locator("#banner")).to_contain_text("The graph server cannot be reached")
    page.locator("#refresh-interval").select_option("0")
    page.locator("#refresh").click()
    expect(page.locator("#banner")).to_contain_text("paused")
    assert clocked.nodes()
    page.unroute("**/api/**")
    clocked.refresh()
    expect(page.locator("#banner")).to_be_hidden()


@pytest.mark.parametrize("state", ["empty", "notscraped", "nosidecar"])
def test_an_empty_graph_says_why(graph_page: GraphPage, state: str) -> None:
    graph_page.server.set(state)
    graph_page.open()
    card = graph_page.page.locator("#empty")
    expect(card).to_be_visible()
    expect(card.locator("#empty-title")).to_have_text("No graph for c756ns")
    expect(card.locator("#empty-reason")).not_to_be_empty()
    expect(card.locator("#empty-cure")).not_to_be_empty()


def test_no_namespace_chosen(graph_page: GraphPage) -> None:
    graph_page.ready()
    graph_page.page.locator("#namespace").click()
    graph_page.page.locator("#namespace-menu").get_by_label("c756ns").uncheck()
    expect(graph_page.page.locator("#empty-reason")).to_have_text("No namespace is chosen.")
    with graph_page.page.expect_response(lambda response: "/api/namespaces/graph" in response.url):
        graph_page.page.locator("#namespace-menu").get_by_label("c756ns").check()
    expect(graph_page.page.locator("#empty")).to_be_hidden()
