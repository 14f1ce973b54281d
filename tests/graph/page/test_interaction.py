"""Hover, selection, zoomed view, side panel, keyboard, tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.graph.fake_kubernetes import ROLLED_OUT_SECONDS
from tests.graph.page.browsing import GraphPage


def font(page: GraphPage, id: str) -> float:
    return float(page.page.evaluate("(id) => c756.cy.getElementById(id).numericStyle('font-size')", id))


def test_hover_lights_the_path(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    v2 = graph_page.node(app="cmpt756s2", version="v2")
    s1 = graph_page.node("service", service="cmpt756s1")
    gateway = graph_page.node(app="istio-ingressgateway")
    dynamo = graph_page.node("serviceentry")
    small = font(graph_page, v2)
    graph_page.hover(v2)
    graph_page.wait("(id) => c756.cy.getElementById(id).hasClass('hovered')", arg=v2)
    assert font(graph_page, v2) > small
    assert "lit" in graph_page.classes(gateway)
    assert "lit" in graph_page.classes(dynamo)
    assert "dim" in graph_page.classes(s1)
    graph_page.page.mouse.move(600, 700)
    graph_page.wait("c756.cy.elements('.dim, .lit, .hovered').empty()")


def test_hover_over_an_edge(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    edge = graph_page.edge("service cmpt756s1 to cmpt756s1 v1")["id"]
    small = font(graph_page, edge)
    graph_page.hover(edge)
    graph_page.wait("(id) => c756.cy.getElementById(id).hasClass('hovered')", arg=edge)
    assert font(graph_page, edge) > small
    assert "dim" in graph_page.classes(graph_page.node("service", service="cmpt756s2"))


def smallest(page: GraphPage) -> float:
    """Of names and labels, in pixels of the screen."""
    sizes = "c756.cy.elements('[label]').map((e) => e.numericStyle('font-size') * c756.cy.zoom())"
    return float(min(page.page.evaluate(sizes)))


def covered(page: GraphPage) -> list[tuple[str, str]]:
    """Labels of edges that stand over another label, or over a name."""
    boxes = page.page.evaluate(
        """c756.cy.elements('[label != ""]').map((element) => {
            const only = {includeNodes: false, includeEdges: false, includeOverlays: false, includeUnderlays: false};
            const {x1, y1, x2, y2} = element.renderedBoundingBox(only);
            return {label: element.data('label'), edge: element.isEdge(), x1, y1, x2, y2};
        })"""
    )
    edge = 3  # pixels that the bounds have around the letters

    def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
        across = min(one["x2"], other["x2"]) - max(one["x1"], other["x1"])
        down = min(one["y2"], other["y2"]) - max(one["y1"], other["y1"])
        return bool(across > 2 * edge and down > 2 * edge)

    return [
        (one["label"], other["label"])
        for one in boxes
        for other in boxes
        if one["edge"] and one is not other and overlap(one, other)
    ]


@pytest.mark.parametrize("panel", ["open", "closed"])
@pytest.mark.parametrize(("width", "height"), [(1000, 700), (1280, 800), (1920, 1080)])
def test_labels_can_be_read(open_page: Callable[..., GraphPage], width: int, height: int, panel: str) -> None:
    """On the screen they have 11 pixels at least, and none covers another or a name."""
    page = open_page(width=width, height=height)
    page.server.set("canary")
    page.ready(edges="rate,distribution")
    if panel == "closed":
        narrow = page.page.evaluate("c756.cy.width()")
        page.page.locator("#panel-toggle").click()
        page.wait("(narrow) => c756.cy.width() > narrow", arg=narrow)
    assert smallest(page) >= 11
    assert covered(page) == []


def test_tall_labels_are_smaller_rather_than_covering_each_other(open_page: Callable[..., GraphPage]) -> None:
    page = open_page(width=1000, height=700)
    page.server.set("canary")
    page.ready(edges="rate")
    large = smallest(page)
    page.page.evaluate("c756.store.set({edges: ['rate', 'distribution', 'rt95', 'throughputRequest']})")
    page.wait("c756.cy.edges().some((edge) => edge.data('label').split('\\n').length > 3)")
    assert 9 <= smallest(page) < large
    assert covered(page) == []


def test_text_is_of_its_usual_size_when_the_picture_is_large(open_page: Callable[..., GraphPage]) -> None:
    page = open_page(width=1000, height=700)
    page.ready()
    edge = page.edges()[0]["id"]
    small = font(page, edge)
    for _ in range(6):
        page.page.locator("#zoom-in").click()
    assert font(page, edge) < small
    assert page.page.evaluate("c756.cy.zoom() * c756.view.text") > 0.75
    page.page.locator("#fit").click()
    assert font(page, edge) == pytest.approx(small, rel=0.06)


def test_double_click_zooms_and_back(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    whole = {node["id"] for node in graph_page.nodes()}
    v2 = graph_page.node(app="cmpt756s2", version="v2")
    s1 = graph_page.node("service", service="cmpt756s1")
    graph_page.double_click(v2)
    expect(page.locator("#crumb")).to_contain_text("cmpt756s2 v2")
    zoomed = {node["id"] for node in graph_page.nodes()}
    assert s1 not in zoomed
    assert zoomed < whole
    places = {id: page.evaluate("(id) => c756.cy.getElementById(id).position('x')", id) for id in zoomed}
    assert places[graph_page.node(app="istio-ingressgateway")] < places[v2] < places[graph_page.node(app="cmpt756db")]
    assert f"focus={v2}" in page.url
    page.locator("#crumb-back").click()
    assert {node["id"] for node in graph_page.nodes()} == whole
    page.go_back()
    expect(page.locator("#crumb")).to_be_visible()
    graph_page.page.keyboard.press("Escape")
    graph_page.page.keyboard.press("Escape")
    expect(page.locator("#crumb")).to_be_hidden()
    assert {node["id"] for node in graph_page.nodes()} == whole


def places(page: GraphPage) -> dict[str, list[float]]:
    found: dict[str, list[float]] = page.page.evaluate(
        """Object.fromEntries(c756.cy.nodes(':childless').map(
            (node) => [node.id(), ['x', 'y'].map((axis) => Math.round(node.position(axis)))]))"""
    )
    return found


def test_back_from_a_box_everything_stands_where_it_stood(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    before = places(graph_page)
    graph_page.double_click(graph_page.node("box", app="cmpt756s2"))
    expect(graph_page.page.locator("#crumb")).to_contain_text("cmpt756s2")
    graph_page.page.locator("#crumb-back").click()
    expect(graph_page.page.locator("#crumb")).to_be_hidden()
    assert places(graph_page) == before


def test_the_zoomed_picture_has_the_numbers_of_its_node(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    assert graph_page.edge("service cmpt756db to cmpt756db v1")["label"].startswith("5.7")
    graph_page.double_click(graph_page.node(app="cmpt756s2", version="v1"))
    graph_page.wait(
        "c756.model().edges.some((e) => e.title === 'service cmpt756db to cmpt756db v1' && e.label === '4.5')"
    )
    assert graph_page.edge("istio-ingressgateway latest to service cmpt756s2")["health"] == "healthy"
    graph_page.page.reload()
    graph_page.wait("window.c756 && c756.graph() && c756.model().edges.some((e) => e.label === '4.5')")
    expect(graph_page.page.locator("#crumb")).to_contain_text("cmpt756s2 v1")


def test_a_double_click_on_an_edge_inside_a_rectangle_zooms_into_the_rectangle(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    edge = graph_page.edge("service cmpt756s2 to cmpt756s2 v1")["id"]
    graph_page.page.evaluate("(id) => c756.cy.getElementById(id).data('label', '')", edge)  # only the line is aimed at
    graph_page.page.mouse.dblclick(*middle(graph_page, edge))
    expect(graph_page.page.locator("#crumb")).to_contain_text("app cmpt756s2")


def middle(page: GraphPage, edge: str) -> tuple[float, float]:
    x, y = page.page.evaluate(
        """(id) => {
            const at = c756.cy.getElementById(id).renderedMidpoint();
            const box = document.getElementById('graph').getBoundingClientRect();
            return [box.left + at.x, box.top + at.y];
        }""",
        edge,
    )
    return float(x), float(y)


def test_hover_in_the_outer_rectangle_enlarges_the_rates_inside(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    inside = [graph_page.edge(f"service cmpt756s2 to cmpt756s2 {version}")["id"] for version in ("v1", "v2")]
    outside = graph_page.edge("service cmpt756s1 to cmpt756s1 v1")["id"]
    small = font(graph_page, outside)
    box = graph_page.node("box", app="cmpt756s2")
    graph_page.hover(box)
    graph_page.wait("(id) => c756.cy.getElementById(id).hasClass('hovered')", arg=box)
    assert all(font(graph_page, edge) > small for edge in inside)
    assert font(graph_page, outside) == small


def test_dots_on_the_edge_under_the_pointer_stand_still(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready(animation="true")
    edge = graph_page.edge("service cmpt756s2 to cmpt756s2 v1")["id"]
    dots = "(id) => c756.animation.streams.get(id).dots.map(({at}) => at).join()"
    graph_page.wait("(id) => c756.animation.streams.get(id).dots.length > 0", arg=edge)
    graph_page.page.mouse.move(*middle(graph_page, edge))
    graph_page.wait("(id) => c756.animation.still === id", arg=edge)
    still = graph_page.page.evaluate(dots, edge)
    other = graph_page.edge("service cmpt756db to cmpt756db v1")["id"]
    moving = graph_page.page.evaluate(dots, other)
    graph_page.wait(f"([id, was]) => ({dots})(id) !== was", arg=[other, moving])
    assert graph_page.page.evaluate(dots, edge) == still
    graph_page.page.mouse.move(640, 20)
    graph_page.wait(f"([id, was]) => ({dots})(id) !== was", arg=[edge, still])


def test_panel_of_the_graph(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator("h2")).to_have_text("Current graph")
    expect(panel.locator(".counts")).to_contain_text("4 apps (5 versions)")
    expect(panel.get_by_role("tab")).to_have_text(["Incoming", "Outgoing", "Total"])
    panel.get_by_role("tab", name="Incoming").click()
    incoming = panel.locator(".numbers").first
    expect(incoming.locator("caption")).to_have_text("HTTP requests per second")
    assert abs(float(incoming.locator("td").first.inner_text()) - 6.13) < 0.3  # 1 user, 5 music, the scrapes
    expect(panel.locator(".bar-keys li")).to_have_count(5)
    expect(panel.locator(".plot")).not_to_have_count(0)


def test_panel_of_a_service_with_weights(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    graph_page.click(graph_page.node("service", service="cmpt756s2"))
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator("h2")).to_have_text("cmpt756s2")
    routing = panel.locator(".routing")
    expect(routing).to_contain_text("Routing: configured and observed")
    expect(routing.locator(".route h4")).to_have_text(
        [
            "Through the gateway c756-gatewayVS cmpt756s2 → cmpt756s2-weights",
            "From inside the meshVS cmpt756s2-mesh → cmpt756s2-weights",
        ]
    )
    rows = routing.locator(".route").first.locator("tbody tr:not(.verdict)")
    expect(rows).to_have_count(2)
    weights = {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows.all()}
    assert weights["v1"][0] == "90%"
    assert weights["v2"][0] == "10%"
    observed = float(weights["v2"][1].rstrip("%"))
    low, high = (float(text) for text in weights["v2"][2].rstrip("%").split("–"))
    assert low < observed < high
    assert low < 10 < high


def test_panel_of_a_version(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    graph_page.click(graph_page.node(app="cmpt756s2", version="v2"))
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator("h2")).to_have_text("cmpt756s2 v2")
    expect(panel.locator(".state")).to_contain_text("Failing")
    codes = panel.locator(".codes tbody tr:not(.host) th")
    expect(codes.filter(has_text="500")).to_have_count(1)
    expect(codes.filter(has_text="200")).to_have_count(1)
    expect(panel.locator(".codes .host").first).to_contain_text("cmpt756s2.c756ns")
    titles = panel.locator(".plot figcaption")
    expect(titles).to_have_text(["Requests per second", "Response time"])
    expect(panel.locator(".plot").nth(1).locator(".keys .name")).to_have_text(["Average", "P50", "P95", "P99"])
    plot = panel.locator(".plot-drawing").first
    # The axis is the window's, also where the data covers a part of it only.
    ends = graph_page.page.locator("#when").inner_text().split(" – ")
    ticks = [text for text in plot.locator(".tick").all_text_contents() if ":" in text]
    assert [ticks[0], ticks[-1]] == ends
    plot.focus()
    plot.press("ArrowLeft")
    expect(panel.locator(".plot").first.locator(".when")).not_to_have_text("latest")
    panel.get_by_role("tab", name="Outgoing").click()
    expect(panel.get_by_role("tab", name="Outgoing")).to_have_attribute("aria-selected", "true")
    panel.locator("#panel-queries").click()
    expect(panel.locator(".queries code").first).to_contain_text("istio_requests_total")


def test_panel_of_an_edge(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    graph_page.click(graph_page.edge("service cmpt756s2 to cmpt756s2 v2")["id"])
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator("h2")).to_have_text("service cmpt756s2 to cmpt756s2 v2")
    expect(panel.locator(".state")).to_contain_text("Failing, 46.9% errors")
    expect(panel.locator(".numbers").first).to_contain_text("0.53")
    expect(panel.get_by_role("tab")).to_have_text(["Traffic", "Flags", "Hosts"])
    panel.get_by_role("tab", name="Flags").click()
    expect(panel.locator(".codes tbody tr")).to_have_text(["200–53.1%", "500–46.9%"])
    panel.get_by_role("tab", name="Hosts").click()
    expect(panel.locator(".codes tbody tr").first).to_have_text("200cmpt756s2.c756ns.svc.cluster.local53.1%")
    panel.locator("#end-To").click()
    expect(panel.locator("h2")).to_have_text("cmpt756s2 v2")


def test_panel_of_tcp(graph_page: GraphPage) -> None:
    graph_page.ready()
    graph_page.click(graph_page.node("serviceentry"))
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator(".numbers caption")).to_have_text(["TCP"])
    expect(panel.locator(".plot figcaption")).to_have_text(["TCP bytes per second"])


def test_panel_of_a_box(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    graph_page.click(graph_page.node("box", app="cmpt756s2"))
    panel = graph_page.page.locator("#panel-content")
    expect(panel.locator("h2")).to_have_text("cmpt756s2")
    expect(panel.locator(".kind")).to_contain_text("Box")
    expect(panel.locator(".counts")).to_contain_text("cmpt756s2 v2")
    expect(panel.locator(".numbers").first).to_contain_text("Total")
    graph_page.page.mouse.click(700, 700)
    expect(panel.locator("h2")).to_have_text("Current graph")


def test_panel_can_be_hidden(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    page.locator("#panel-toggle").click()
    expect(page.locator("#panel-content")).to_be_hidden()
    page.reload()
    graph_page.wait("window.c756 && c756.graph()")
    expect(page.locator("#panel-content")).to_be_hidden()
    page.locator("#panel-toggle").click()
    expect(page.locator("#panel-content h2")).to_have_text("Current graph")


def test_a_selected_node_that_goes_away(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    graph_page.click(graph_page.node(app="cmpt756s2", version="v2"))
    graph_page.server.set("v1")
    graph_page.refresh()
    expect(graph_page.page.locator("#panel-content")).to_contain_text("not in this picture any more")


def test_keyboard(graph_page: GraphPage) -> None:
    graph_page.ready()
    page = graph_page.page
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#graph")).to_be_focused()
    assert "?" in page.url
    page.keyboard.press("ArrowRight")
    first = page.evaluate("c756.view.cursor")
    assert first
    seen = {first}
    for _ in range(6):
        page.keyboard.press("ArrowRight")
        seen.add(page.evaluate("c756.view.cursor"))
    assert len(seen) >= 4
    assert graph_page.node("serviceentry") in seen
    page.keyboard.press("ArrowLeft")
    cursor = page.evaluate("c756.view.cursor")
    title = page.evaluate("(id) => c756.model().byId.get(id).title", cursor)
    expect(page.locator("#live")).to_contain_text(title)
    page.keyboard.press("Enter")
    expect(page.locator("#panel-content h2")).to_have_text(title.removeprefix("service "))
    page.keyboard.press("z")
    expect(page.locator("#crumb")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#crumb")).to_be_hidden()
    zoom = page.evaluate("c756.cy.zoom()")
    page.keyboard.press("+")
    assert page.evaluate("c756.cy.zoom()") > zoom
    page.keyboard.press("0")
    assert abs(page.evaluate("c756.cy.zoom()") - zoom) < 1e-6


def test_every_edge_is_reached_by_keys_and_named(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    page.locator("#graph").focus()
    seen = set()
    for _ in graph_page.edges():
        page.keyboard.press("e")
        cursor = page.evaluate("c756.view.cursor")
        expect(page.locator("#live")).to_contain_text(page.evaluate("(id) => c756.model().byId.get(id).title", cursor))
        seen.add(cursor)
    assert seen == {edge["id"] for edge in graph_page.edges()}
    page.keyboard.press("Enter")
    expect(page.locator("#panel-content h2")).to_have_text(
        page.evaluate("(id) => c756.model().byId.get(id).title", cursor)
    )


def test_weights_on_the_edges(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready(weights="true")
    label = graph_page.edge("service cmpt756s2 to cmpt756s2 v2")["label"]
    assert re.search(r"set 10%, seen 10(\.\d)?% \(\d+–\d+\)$", label), label
    assert "set" not in graph_page.edge("service cmpt756s1 to cmpt756s1 v1")["label"]


def test_what_was_changed_is_marked_in_the_plots_and_listed(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready(duration="3600")
    panel = graph_page.page.locator("#panel-content")
    graph_page.wait("c756.changes.list.length > 0")
    graph_page.refresh()
    expect(panel.locator(".changes li")).to_contain_text(["Scaled up replica set cmpt756s2-v2"])
    expect(panel.locator(".plot").first.locator(".change.deployment title")).to_contain_text("Scaled up")


def test_the_window_since_the_last_change(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready(duration="0")
    seconds = graph_page.page.evaluate("c756.graph().duration")
    least, most = ROLLED_OUT_SECONDS
    assert least <= seconds < most + 60
    expect(graph_page.page.locator("#duration option:checked")).to_have_text("Since the last change")


def test_a_change_renews_the_picture_before_it_is_due(graph_page: GraphPage) -> None:
    graph_page.ready(refresh="300000")
    assert len([node for node in graph_page.nodes() if node["data"].get("version") == "v2"]) == 0
    graph_page.wait("c756.changes.known !== ''")
    graph_page.server.set("canary")
    graph_page.wait("c756.model().nodes.some((node) => node.data.version === 'v2')", seconds=30)


AXE = Path(__file__).parents[3] / "graph/node_modules/axe-core/axe.min.js"


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci --prefix graph")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_axe_finds_nothing(open_page: Callable[..., GraphPage], scheme: str, width: int, height: int) -> None:
    """Names, roles and contrast (WCAG 2.2 A and AA), with everything open that can be open, also on a phone."""
    page = open_page(width=width, height=height, color_scheme=scheme)
    page.server.set("canary")
    page.ready(legend="true", duration="3600", weights="true")
    page.page.evaluate("(select) => c756.store.set({select})", page.edge("service cmpt756s2 to cmpt756s2 v2")["id"])
    expect(page.page.locator("#panel-content h2")).to_contain_text("cmpt756s2 v2")
    assert violations(page) == []
    page.page.evaluate("c756.store.set({select: '', legend: false, table: true})")
    expect(page.page.locator("#tables table")).to_have_count(2)
    assert violations(page) == []
    page.page.evaluate("c756.store.set({table: false})")
    page.page.locator("#display").click()
    assert violations(page) == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"


def violations(page: GraphPage) -> list[str]:
    page.page.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.page.evaluate("(values) => axe.run({runOnly: {type: 'tag', values}})", tags)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def test_every_control_has_a_name(graph_page: GraphPage) -> None:
    graph_page.ready(legend="true", table="true")
    nameless = graph_page.page.evaluate(
        """[...document.querySelectorAll('button, input, select, a')].filter((e) => {
            const label = e.labels?.[0]?.textContent ?? '';
            return !(e.getAttribute('aria-label') || e.textContent.trim() || label.trim());
        }).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    broken = "[...document.images].filter((i) => !i.hasAttribute('alt') || !i.naturalWidth).map((i) => i.src)"
    assert graph_page.page.evaluate(broken) == []
    ids = graph_page.page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_tables_say_what_the_picture_says(graph_page: GraphPage) -> None:
    graph_page.server.set("canary")
    graph_page.ready()
    page = graph_page.page
    page.locator("#show-table").click()
    edges = page.locator("#tables table").first.locator("tbody tr")
    expect(edges).to_have_count(len(graph_page.edges()))
    row = edges.filter(has_text="Failing")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("46.9%")
    row.get_by_role("button").click()
    expect(page.locator("#panel-content h2")).to_have_text("service cmpt756s2 to cmpt756s2 v2")
    page.keyboard.press("Escape")
    expect(page.locator("#table")).to_be_hidden()
    expect(page.locator("#show-table")).to_be_focused()
    expect(page.locator("#panel-content h2")).to_have_text("service cmpt756s2 to cmpt756s2 v2")
