"""Fixtures for tests of the page over recorded traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.graph.page.browsing import GraphPage, chromium, pages
from tests.graph.recorded import GraphServer


@pytest.fixture(scope="module")  # Playwright's event loop must not outlive these tests: others run their own
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser: Browser, graph_server: GraphServer) -> Iterator[Callable[..., GraphPage]]:
    """Makes pages; afterwards there must have been no console error and no request to elsewhere."""
    with pages(browser, lambda page: GraphPage(page, graph_server)) as make:
        yield make


@pytest.fixture
def graph_page(open_page: Callable[..., GraphPage]) -> GraphPage:
    return open_page()
