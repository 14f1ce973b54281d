"""The metrics page: dashboards, variables, window, refresh, what it does without Prometheus."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.graph.page.browsing import GraphPage


def opened(page: GraphPage, **view: str) -> GraphPage:
    page.open("/metrics", **view)
    expect(page.page.locator(".card").first).to_be_visible(timeout=15000)
    return page


def test_services_and_versions(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    page = opened(graph_page).page
    expect(page.locator("h1")).to_have_text("Services and versions")
    expect(page.locator("#description")).not_to_be_empty()
    failed = page.locator("[aria-label='Failed requests']").first
    expect(failed.locator(".keys")).to_contain_text("cmpt756s2 v2 50%")
    assert failed.locator("svg.plot-drawing path.line").count() >= 2


def test_one_service(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    page = opened(graph_page).page
    with page.expect_response(lambda response: "var-service=cmpt756s1" in response.url):
        page.locator("#var-service").select_option("cmpt756s1")
    rates = page.locator("[aria-label='Request rate']").first.locator(".keys .name")
    expect(rates).to_have_text(["cmpt756s1 v1"])
    assert "var-service=cmpt756s1" in page.url
    page.reload()
    expect(page.locator("#var-service")).to_have_value("cmpt756s1")


def test_other_dashboards(graph_page: GraphPage) -> None:
    page = opened(graph_page).page
    titles = page.locator("#dashboard option").all_inner_texts()
    assert len(titles) >= 3
    for title in titles:
        with page.expect_response(re.compile("/api/c756/dashboards/")):
            page.locator("#dashboard").select_option(label=title)
        expect(page.locator("h1")).to_have_text(title)
        expect(page.locator(".note.problem")).to_have_count(0)


def test_window_and_pause(graph_page: GraphPage) -> None:
    page = opened(graph_page, duration="60").page
    expect(page.locator("#duration")).to_have_value("60")
    with page.expect_response(lambda response: "duration=300s" in response.url):
        page.locator("#duration").select_option("300")
    page.locator("#refresh-interval").select_option("0")
    assert "duration=300" in page.url
    assert "refresh=0" in page.url
    with page.expect_response(re.compile("/api/c756/dashboards/")):
        page.locator("#refresh").click()


def test_queries_can_be_read(graph_page: GraphPage) -> None:
    page = opened(graph_page).page
    card = page.locator("[aria-label='Request rate']").first
    card.locator("summary").click()
    expect(card.locator("code").first).to_contain_text("istio_requests_total")
    with page.expect_response(re.compile("/api/c756/dashboards/")):
        page.locator("#refresh").click()
    expect(card.locator("code").first).to_be_visible()


def test_prometheus_away(graph_page: GraphPage) -> None:
    graph_page.expected_errors.append("503")
    page = opened(graph_page).page
    graph_page.server.down(True)
    page.locator("#refresh").click()
    expect(page.locator("#banner, .note.problem").filter(has_text="Prometheus").first).to_be_visible()
    graph_page.server.down(False)
    page.locator("#refresh").click()
    expect(page.locator("#banner")).to_be_hidden()


def test_from_graph_to_metrics_and_back(graph_page: GraphPage) -> None:
    graph_page.ready(duration="300")
    page = graph_page.page
    page.locator("#metrics-link").click()
    expect(page.locator("h1")).to_have_text("Services and versions")
    expect(page.locator("#duration")).to_have_value("300")
    page.locator("#graph-link").click()
    expect(page.locator("#panel-content h2")).to_have_text("Current graph")
