"""Takes the screenshots of docs/: the traffic graph at each step of the exercise, the panel, the metrics page.

    python tools/screenshots.py [--out docs/images] [--only NAME ...]

The traffic is recorded (tests/graph/world.py) and the server real, so the pictures are the same each time but for the
clock. Chromium must be installed (apt-get install chromium). Exits with 1 when the page reports an error.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.graph.recorded import recorded_server

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shot:
    """One picture: the state of the cluster, the page, its view; what is selected, zoomed to, hovered, clicked."""

    name: str
    state: str
    view: dict[str, str]
    page: str = "/"
    select: dict[str, str] | None = None
    focus: dict[str, str] | None = None
    hover: dict[str, str] | None = None
    click: str = ""
    size: tuple[int, int] = (1280, 800)
    shown: bool = True  # in docs/; others are taken when asked for by name


V2 = {"shape": "app", "app": "cmpt756s2", "version": "v2"}
MUSIC = {"shape": "service", "service": "cmpt756s2"}
MOVING = {"animation": "true"}

SHOTS = (
    Shot("v1", "v1", MOVING),
    Shot("canary", "canary", MOVING),
    Shot("canary-labels", "canary", {"edges": "rate,distribution,rt95,throughputRequest"}, shown=False),
    Shot("service-panel", "canary", {}, select=MUSIC),
    Shot("version-panel", "canary", {}, select=V2, size=(1280, 1150)),
    Shot("hover", "canary", {}, hover=V2),
    Shot("zoomed", "canary", MOVING, focus=V2, select=V2),
    Shot(
        "find",
        "canary",
        {"find": "%error > 10", "hide": "node = unknown", "legend": "true"},
        size=(1500, 800),
        shown=False,
    ),
    Shot("display-menu", "canary", {}, click="#display"),
    Shot("rollback", "rollback", {}),
    Shot("fixed", "fixed", MOVING),
    Shot("shifted", "shifted", {}),
    Shot("mutual", "mutual", {"security": "true"}, shown=False),
    Shot("empty", "empty", {}, shown=False),
    Shot("table", "canary", {"table": "true"}, shown=False),
    Shot("metrics", "canary", {}, page="/metrics", size=(1280, 1400)),
)


def until(page: Page, expression: str, argument: Any = None, seconds: float = 30) -> None:
    """Polls an expression of the page. Raises TimeoutError."""
    limit = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        if time.monotonic() > limit:
            raise TimeoutError(f"not within {seconds} s: {expression}")
        page.wait_for_timeout(50)


def identify(page: Page, wanted: dict[str, str]) -> str:
    """The id of the first node with these fields."""
    find = """(wanted) => c756.model().nodes.find((node) => Object.entries(wanted).every(
        ([key, value]) => (key === 'shape' ? node.shape : node.data[key]) === value))?.id ?? ''"""
    found = str(page.evaluate(find, wanted))
    if not found:
        raise LookupError(f"the graph has no node {wanted}")
    return found


def take(page: Page, url: str, shot: Shot, file: Path) -> None:
    page.set_viewport_size({"width": shot.size[0], "height": shot.size[1]})
    view = {"namespaces": "c756ns", "refresh": "0", **shot.view} if shot.page == "/" else {"refresh": "0", **shot.view}
    page.goto(f"{url}{shot.page}?{urlencode(view)}")
    if shot.page == "/":
        until(page, "window.c756 && c756.graph() !== null")
        until(page, "c756.cy.nodes().nonempty() || !document.getElementById('empty').hidden")
        for key, node in (("focus", shot.focus), ("select", shot.select)):
            if node:
                page.evaluate("([key, id]) => c756.store.set({[key]: id})", [key, identify(page, node)])
        until(page, "document.getElementById('panel-content').getAttribute('aria-busy') === 'false'")
        if shot.hover:
            page.evaluate("(id) => c756.view.light(c756.cy.getElementById(id))", identify(page, shot.hover))
        if shot.click:
            page.locator(shot.click).click()
        if shot.view.get("animation"):
            until(page, "[...c756.animation.streams.values()].reduce((sum, stream) => sum + stream.dots.length, 0) > 8")
    else:
        page.locator(".card").first.wait_for()
    # Icons of badges arrive after the first frame.
    until(page, "[...document.images].every((image) => image.complete)")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=file)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Takes the screenshots of docs/.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images", help="folder (default docs/images)")
    names = [shot.name for shot in SHOTS]
    parser.add_argument("--only", nargs="+", choices=names, help="only these, also those that docs/ does not show")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium on this machine: apt-get install chromium", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with recorded_server() as server, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        for shot in SHOTS:
            if shot.name not in options.only if options.only else not shot.shown:
                continue
            server.set(shot.state)
            file = options.out / f"{shot.name}.png"
            take(page, server.url, shot, file)
            print(f"{file} {file.stat().st_size // 1024} KiB")
        browser.close()
    for text in problems:
        print(f"the page reported: {text}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
