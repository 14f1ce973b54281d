"""Prometheus' own pages at the address that `make up` prints: a person types a query and sees a plot."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.cluster import Cluster
from tests.graph.page.browsing import chromium

PATIENCE = 30_000.0  # ms


def test_a_query_and_its_plot(cluster: Cluster) -> None:
    missing: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("response", lambda answer: missing.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{cluster.base}/prometheus/")
        assert page.url.startswith(f"{cluster.base}/prometheus/")
        query = page.locator("textarea[name=expr], .cm-content").first
        query.fill("up")
        page.get_by_role("button", name="Execute").first.click()
        page.get_by_text("Graph", exact=True).last.click()
        plot = page.locator(".rickshaw_graph svg, .uplot canvas, canvas.flot-base").first
        expect(plot).to_be_visible(timeout=PATIENCE)
    assert missing == []
