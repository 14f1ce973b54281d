"""The page in a real browser, as a person uses it. A console error or a request to elsewhere fails the test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.graph.recorded import GraphServer

ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root, where Chromium's sandbox cannot
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Debian's Chromium, with `more` arguments; skips the test where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    expect.set_options(timeout=20_000)  # a busy machine is no fault of the page
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*ARGUMENTS, *more])
        yield browser
        browser.close()


class LivePage:
    """The page as a person uses it; finds elements of the drawing by what they are."""

    def __init__(self, page: Page, url: str) -> None:
        """url ends with the base path: http://127.0.0.1:8080/kiali."""
        self.page = page
        self.url = url
        self.expected_errors: list[str] = []

    def open(self, path: str = "/", **view: str) -> Self:
        query = f"?{urlencode(view)}" if view else ""
        self.page.goto(f"{self.url}{path}{query}")
        return self

    def ready(self, path: str = "/", **view: str) -> Self:
        """Opens the page and waits for the picture and its numbers."""
        self.open(path, **view)
        self.wait("window.c756 && c756.graph() && c756.cy.nodes().nonempty()")
        expect(self.page.locator("#panel-content")).to_have_attribute("aria-busy", "false")
        return self

    def wait(self, expression: str, arg: Any = None, seconds: float = 15) -> None:
        """Until an expression, or a function of `arg`, is true. (Playwright's own needs eval; the page forbids it.)"""
        limit = time.monotonic() + seconds
        while not self.page.evaluate(expression, arg):
            assert time.monotonic() < limit, f"not within {seconds} s: {expression} ({arg})"
            self.page.wait_for_timeout(30)

    def refresh(self) -> Self:
        with self.page.expect_response(lambda response: "/api/namespaces/graph" in response.url):
            self.page.locator("#refresh").click()
        expect(self.page.locator("#graph")).to_have_attribute("aria-busy", "false")
        return self

    def nodes(self) -> list[dict[str, Any]]:
        """id, label, shape, health, badges and the server's data of what is drawn."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """c756.model().nodes.filter((n) => !n.gap)
                .map(({id, label, shape, health, badges, data}) => ({id, label, shape, health, badges, data}))"""
        )
        return found

    def edges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate(
            """c756.model().edges.filter((e) => !e.gap)
                .map(({id, label, title, health, data}) => ({id, label, title, health, data}))"""
        )
        return found

    def node(self, shape: str = "app", **data: str) -> str:
        """The id of the one node with this shape and these fields."""
        found = [
            node["id"]
            for node in self.nodes()
            if node["shape"] == shape and all(node["data"].get(key) == value for key, value in data.items())
        ]
        assert len(found) == 1, (shape, data, self.nodes())
        return str(found[0])

    def edge(self, title: str) -> dict[str, Any]:
        found = [edge for edge in self.edges() if edge["title"] == title]
        assert len(found) == 1, (title, [edge["title"] for edge in self.edges()])
        return found[0]

    def point(self, id: str) -> tuple[float, float]:
        """Where an element is drawn: the middle of a node, of an edge a point near its end, of a box a corner."""
        x, y = self.page.evaluate(
            """(id) => {
                const element = c756.cy.getElementById(id);
                const box = document.getElementById('graph').getBoundingClientRect();
                let at;
                if (element.isEdge()) {
                    const [from, to] = [element.renderedSourceEndpoint(), element.renderedTargetEndpoint()];
                    at = {x: from.x + 0.82 * (to.x - from.x), y: from.y + 0.82 * (to.y - from.y)};
                } else if (element.isParent()) {
                    const b = element.renderedBoundingBox({includeLabels: false, includeOverlays: false});
                    at = {x: b.x1 + 12, y: b.y1 + 12};
                } else at = element.renderedPosition();
                return [box.left + at.x, box.top + at.y];
            }""",
            id,
        )
        return float(x), float(y)

    def hover(self, id: str) -> None:
        self.page.mouse.move(*self.point(id))

    def click(self, id: str) -> None:
        self.page.mouse.click(*self.point(id))

    def double_click(self, id: str) -> None:
        self.page.mouse.dblclick(*self.point(id))

    def classes(self, id: str) -> set[str]:
        return set(self.page.evaluate("(id) => c756.cy.getElementById(id).classes()", id))

    def view(self, key: str) -> Any:
        return self.page.evaluate("(key) => c756.store.view[key]", key)


class GraphPage(LivePage):
    """A page over recorded traffic; `server` puts the cluster into another state."""

    def __init__(self, page: Page, server: GraphServer) -> None:
        super().__init__(page, server.url)
        self.server = server


P = TypeVar("P", bound=LivePage)


@contextmanager
def pages(browser: Browser, open_page: Callable[[Page], P]) -> Iterator[Callable[..., P]]:
    """Makes pages; afterwards there must have been no console error and no request to elsewhere."""
    contexts: list[BrowserContext] = []
    errors: list[tuple[P, str]] = []
    elsewhere: list[str] = []

    def make(*, width: int = 1280, height: int = 800, **options: Any) -> P:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15000)
        made = open_page(page)

        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                errors.append((made, f"{message.type}: {message.text} ({message.location['url']})"))

        def request(request: Request) -> None:
            target = urlsplit(request.url)
            if target.scheme != "data" and target.netloc != urlsplit(made.url).netloc:
                elsewhere.append(request.url)

        page.on("console", console)
        page.on("pageerror", lambda error: errors.append((made, f"exception: {error}")))
        page.on("request", request)
        return made

    yield make
    for context in contexts:
        context.close()
    assert elsewhere == [], elsewhere
    unexpected = [text for page, text in errors if not any(part in text for part in page.expected_errors)]
    assert unexpected == [], unexpected
