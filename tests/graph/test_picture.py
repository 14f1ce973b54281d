"""The layout, the SVG and the command `snapshot`."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from graph import health, layout, png, svg
from graph.errors import GraphError
from graph.layout import Box, Placed
from tests.graph import test_golden
from tests.graph.recorded import ROOT, GraphServer

CHAIN = {"1": ("a", "b"), "2": ("b", "c"), "3": ("a", "c")}


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def rectangles(placed: Placed, parents: dict[str, str]) -> list[Box]:
    half = layout.NODE / 2
    alone = [
        Box(at.x - half, at.y - half, layout.NODE, layout.NODE)
        for name, at in placed.nodes.items()
        if name not in parents
    ]
    return [*placed.boxes.values(), *alone]


def test_sources_stand_left_of_destinations() -> None:
    placed = layout.place(["a", "b", "c"], {}, CHAIN)
    assert placed.nodes["a"].x < placed.nodes["b"].x < placed.nodes["c"].x


def test_an_edge_over_a_layer_goes_around_what_is_there() -> None:
    placed = layout.place(["a", "b", "c"], {}, CHAIN)
    assert placed.waypoints["1"] == ()
    assert len(placed.waypoints["3"]) == 2
    assert abs(placed.waypoints["3"][0].y - placed.nodes["b"].y) >= layout.NODE / 2


def test_circles_and_loops_are_placed_too() -> None:
    edges = {"1": ("a", "b"), "2": ("b", "c"), "3": ("c", "a"), "4": ("b", "b")}
    placed = layout.place(["a", "b", "c"], {}, edges)
    assert len({at.x for at in placed.nodes.values()}) == 3


def test_boxes_hold_their_nodes_and_do_not_overlap() -> None:
    parents = {"s": "box", "v1": "box", "v2": "box", "t": "other", "w": "other"}
    edges = {"0": ("g", "s"), "1": ("s", "v1"), "2": ("s", "v2"), "3": ("v1", "t"), "4": ("t", "w"), "5": ("g", "t")}
    placed = layout.place(["g", "s", "v1", "v2", "t", "w"], parents, edges, ["s", "t"])
    for node, parent in parents.items():
        at, box = placed.nodes[node], placed.boxes[parent]
        assert box.x < at.x < box.x + box.width
        assert box.y < at.y < box.y + box.height
    assert placed.nodes["s"].x < placed.nodes["v1"].x == placed.nodes["v2"].x
    found = rectangles(placed, parents)
    assert not any(overlap(one, other) for one, other in itertools.combinations(found, 2))


def test_the_large_mesh_has_no_overlaps() -> None:
    graph = test_golden.graph_of(test_golden.Case("big", services=False))
    nodes = [node["data"] for node in graph["elements"]["nodes"]]
    edges = {
        edge["data"]["id"]: (edge["data"]["source"], edge["data"]["target"]) for edge in graph["elements"]["edges"]
    }
    placed = layout.place([node["id"] for node in nodes], {}, edges)
    found = rectangles(placed, {})
    assert len(found) == 51
    assert not any(overlap(one, other) for one, other in itertools.combinations(found, 2))


@pytest.mark.parametrize("name", sorted(test_golden.CASES))
def test_every_golden_graph_can_be_drawn(name: str) -> None:
    graph = test_golden.graph_of(test_golden.CASES[name])
    root = ET.fromstring(svg.draw(graph))
    space = "{http://www.w3.org/2000/svg}"
    edges = [path for path in root.iter(f"{space}path") if path.get("class") == "edge"]
    assert len(edges) == len(graph["elements"]["edges"]) + len(health.COLOURS)  # and the legend's
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    for node in graph["elements"]["nodes"]:
        if node["data"]["nodeType"] != "box":
            assert svg.names(node["data"])[0] in texts


def test_the_failing_version_is_red_and_says_how_much() -> None:
    graph = test_golden.graph_of(test_golden.Case("canary", services=False))
    picture = svg.draw(graph)
    assert picture.count(f'stroke="{health.COLOURS[health.FAILING]}"') == 2  # the edge to v2, and the legend
    assert ">0.5</text>" in picture
    assert ">50% err</text>" in picture


def test_names_are_escaped() -> None:
    graph = test_golden.graph_of(test_golden.Case("canary"))
    for node in graph["elements"]["nodes"]:
        node["data"]["version"] = "<script>&"
    ET.fromstring(svg.draw(graph))


def test_an_empty_graph_says_why() -> None:
    graph = {"timestamp": 0, "duration": 60, "graphType": "app", "elements": {"nodes": [], "edges": []}}
    assert "Nothing to show" in svg.draw(graph)
    graph["c756"] = {"empty": {"reason": "noTraffic", "message": "No requests.", "cure": "Send some."}}
    assert "No requests." in svg.draw(graph)


def run(server: GraphServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "KUBERNETES_URL": server.kubernetes.url}
    env.pop("PROMETHEUS_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "graph", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=150
    )


def test_snapshot_to_svg(graph_server: GraphServer, tmp_path: Path) -> None:
    graph_server.set("canary")
    file = tmp_path / "graph.svg"
    done = run(graph_server, "snapshot", "--prometheus", graph_server.prometheus.url, "--last", "1m", "-o", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: 13 nodes, 13 edges, the last 1m\n"
    assert ">46.9% err</text>" in file.read_text()


def test_snapshot_of_one_app(graph_server: GraphServer, tmp_path: Path) -> None:
    """Zoomed: what goes in and out of it only, so that rates at nodes that others use are its own."""
    graph_server.set("canary")
    file = tmp_path / "graph.svg"
    common = ("snapshot", "--prometheus", graph_server.prometheus.url, "--last", "1m", "-o", str(file))
    done = run(graph_server, *common, "--app", "cmpt756s2")
    assert (done.returncode, done.stderr) == (0, "")
    picture = file.read_text()
    assert ">4.75</text>" in picture  # from both versions to cmpt756db, without what users cause
    assert "cmpt756s1" not in picture
    refused = run(graph_server, *common, "--app", "cmpt756s2", "--namespace", "c756ns,default")
    assert refused.returncode == 1
    assert "zooms into one namespace" in refused.stderr


@pytest.mark.skipif(
    not any(map(shutil.which, ("rsvg-convert", *png.BROWSERS))), reason="neither rsvg-convert nor Chromium"
)
def test_snapshot_to_png(graph_server: GraphServer, tmp_path: Path) -> None:
    file = tmp_path / "graph.png"
    done = run(graph_server, "snapshot", "--prometheus", graph_server.prometheus.url, "-o", str(file))
    assert done.returncode == 0, done.stderr
    assert file.read_bytes().startswith(b"\x89PNG")


def test_png_without_a_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GraphError, match="librsvg2-bin"):
        png.convert("<svg/>", tmp_path / "a.png")


def test_report_command(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    done = run(graph_server, "report", "--prometheus", graph_server.prometheus.url, "--last", "10m")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2700" in done.stdout
    assert "agrees" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("report", "--last", "soon"), "--last: 'soon' is not a duration"),
        (("report", "--service", "a b"), "--service: 'a b' is not a Kubernetes name"),
        (("report", "--prometheus", "here"), "--prometheus='here' is not an address"),
        (("report", "--prometheus", "http://127.0.0.1:1"), "Prometheus at http://127.0.0.1:1 cannot be reached"),
        (("snapshot", "-o", "graph.gif"), "ends neither in .svg nor in .png"),
        (("report",), "port-forward"),  # this Kubernetes API knows no Prometheus
    ],
)
def test_commands_say_what_is_wrong(graph_server: GraphServer, arguments: tuple[str, ...], text: str) -> None:
    done = run(graph_server, *arguments)
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr
