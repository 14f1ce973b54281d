"""The graph's JSON as one SVG picture: the same shapes and colours as the page, without a browser. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

from graph import health
from graph.layout import NODE, Placed, Point, place

Json = dict[str, Any]

MARGIN, HEAD, LEGEND = 40.0, 52.0, 64.0
_CHAR = 6.1  # about the width of a letter of 11 px
_DASHES = {health.DEGRADED: "12 4", health.FAILING: "6 3", health.IDLE: "2 4"}
_SHAPES = "square: workload, triangle: service, tag: outside the mesh, circle: unknown"
_STYLE = """
text { font: 11px "DejaVu Sans", "Red Hat Text", Arial, sans-serif; fill: #151515; }
.title { font-size: 15px; font-weight: bold; }
.edge { fill: none; stroke-width: 2; }
.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
.shape { fill: #ffffff; stroke: #6a6e73; stroke-width: 2; }
.idle { stroke-dasharray: 3 3; }
.box { fill: #f5f5f5; stroke: #8a8d90; stroke-width: 1.5; rx: 8px; }
.badge { fill: #6753ac; }
.badge text, text.badge { fill: #ffffff; font-size: 9px; }
"""


def draw(graph: Json) -> str:
    """A complete SVG file."""
    data = [node["data"] for node in graph["elements"]["nodes"]]
    nodes = {node["id"]: node for node in data if node["nodeType"] != "box"}
    boxes = {node["id"]: node for node in data if node["nodeType"] == "box"}
    edges = {edge["data"]["id"]: edge["data"] for edge in graph["elements"]["edges"]}
    title = _title(graph, data)
    if not nodes:
        return _page([title, *_empty(graph)], 640, 160)
    placed = place(
        list(nodes),
        {identity: node["parent"] for identity, node in nodes.items() if node.get("parent") in boxes},
        {identity: (edge["source"], edge["target"]) for identity, edge in edges.items()},
        [identity for identity, node in nodes.items() if node["nodeType"] == "service"],
    )
    parts = [title, f'<g transform="translate({MARGIN} {MARGIN + HEAD})">']
    parts += [_box(boxes[identity], placed) for identity in placed.boxes]
    parts += [_edge(edge, placed) for edge in edges.values()]
    parts += [_node(node, placed.nodes[identity]) for identity, node in nodes.items()]
    parts += [_edge_label(edge, placed) for edge in edges.values()]
    parts.append("</g>")
    width = max(placed.width + 2 * MARGIN, 980.0)
    height = placed.height + 2 * MARGIN + HEAD + LEGEND
    parts += _legend(height - LEGEND + 8)
    return _page(parts, width, height)


def _page(parts: Sequence[str], width: float, height: float) -> str:
    markers = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L10 5L0 10z" fill="{colour}"/></marker>'
        for name, colour in health.COLOURS.items()
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">\n<style>{_STYLE}</style>\n<defs>{markers}</defs>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _title(graph: Json, nodes: Sequence[Json]) -> str:
    namespaces = sorted({node["namespace"] for node in nodes if not node.get("isOutside") and node["namespace"]})
    names = ", ".join(name for name in namespaces if name != "unknown")
    when = datetime.fromtimestamp(graph["timestamp"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    seconds = graph["duration"]
    span = f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
    return (
        f'<text class="title" x="{MARGIN}" y="32">{escape(names or "Traffic")}</text>'
        f'<text x="{MARGIN}" y="50">{graph["graphType"]} graph, {span} up to {when}; requests per second</text>'
    )


def _empty(graph: Json) -> list[str]:
    reason = (graph.get("c756") or {}).get("empty") or {"message": "Nothing to show.", "cure": ""}
    return [
        f'<text x="{MARGIN}" y="{90 + 20 * number}">{escape(text)}</text>'
        for number, text in enumerate((reason["message"], reason["cure"]))
    ]


def _box(node: Json, placed: Placed) -> str:
    box = placed.boxes[node["id"]]
    return (
        f'<rect class="box" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"/>'
        + _text(node.get("app") or node["namespace"], box.x + box.width / 2, box.y - 5)
    )


def _shape(node: Json) -> str:
    """The outline around the point (0, 0)."""
    half = NODE / 2
    css = "shape idle" if node.get("isIdle") else "shape"
    if node.get("isServiceEntry"):
        corners = [
            (-half, -half * 0.7),
            (half * 0.4, -half * 0.7),
            (half, 0),
            (half * 0.4, half * 0.7),
            (-half, half * 0.7),
        ]
    elif node["nodeType"] == "service":
        corners = [(0, -half), (half, half * 0.8), (-half, half * 0.8)]
    elif node["nodeType"] == "aggregate":
        corners = [(-half, 0), (0, -half * 0.7), (half, 0), (0, half * 0.7)]
    elif node["nodeType"] == "unknown":
        return f'<circle class="{css}" r="{half * 0.85:.1f}"/>'
    else:
        return f'<rect class="{css}" x="{-half}" y="{-half}" width="{NODE}" height="{NODE}" rx="10"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    return f'<polygon class="{css}" points="{points}" stroke-linejoin="round"/>'


def _node(node: Json, at: Point) -> str:
    parts = [f'<g transform="translate({at.x:.1f} {at.y:.1f})">', _shape(node)]
    badges = [
        name
        for mark, name in (("hasTrafficShifting", "split"), ("hasFaultInjection", "fault"), ("hasVS", "VS"))
        if node.get(mark)
    ]
    if badges:
        width = 8 + 5.6 * len(badges[0])
        parts.append(
            f'<rect class="badge" x="{-width / 2:.1f}" y="{-NODE / 2 - 9}" width="{width:.1f}" height="14" rx="7"/>'
        )
        parts.append(_text(badges[0], 0, -NODE / 2 + 1.5, "badge"))
    for number, line in enumerate(names(node)):
        parts.append(_text(line, 0, NODE / 2 + 13 + 12 * number))
    return "".join([*parts, "</g>"])


def names(node: Json) -> list[str]:
    """The text below a node: in a box only what tells it from the others; of outsiders also where they are."""
    if node["nodeType"] == "unknown":
        return ["unknown"]
    if node["nodeType"] == "service":
        name = str(node.get("service", ""))
    elif node["nodeType"] == "aggregate":
        name = str(node.get("aggregate", ""))
    elif node.get("parent") and node.get("version"):
        name = str(node["version"])
    else:
        version = node.get("version", "")
        name = str(node.get("app") or node.get("workload") or "")
        name += f" {version}" if version and version not in ("unknown", "latest") else ""
    return [name, f"({node['namespace']})"] if node.get("isOutside") else [name]


def _path(edge: Json, placed: Placed) -> list[Point]:
    """The points of an edge: its start at the side of the source, waypoints, its end at the side of the target."""
    source, target = placed.nodes[edge["source"]], placed.nodes[edge["target"]]
    middle = list(placed.waypoints[edge["id"]])
    first = middle[0] if middle else target
    last = middle[-1] if middle else source
    reach = NODE / 2 + 3
    start = Point(source.x + (reach if first.x >= source.x else -reach), source.y)
    end = Point(target.x + (reach if last.x > target.x else -reach), target.y)
    if source == target:
        return [Point(source.x + reach, source.y), Point(source.x, source.y - NODE), Point(source.x - reach, source.y)]
    return [start, *middle, end]


def _edge(edge: Json, placed: Placed) -> str:
    points = _path(edge, placed)
    text = f"M{points[0].x:.1f} {points[0].y:.1f}"
    for before, after in pairwise(points):
        bend = (after.x - before.x) / 2
        text += f"C{before.x + bend:.1f} {before.y:.1f} {after.x - bend:.1f} {after.y:.1f} {after.x:.1f} {after.y:.1f}"
    state = health.of_edge(edge)
    return f'<path class="edge" d="{text}" {_stroke(state)}/>'


def _stroke(state: str) -> str:
    """Colour, and for those who do not see it the dashes of the page's edges (graph-style.js)."""
    dash = f' stroke-dasharray="{_DASHES[state]}"' if state in _DASHES else ""
    return f'stroke="{health.COLOURS[state]}"{dash} marker-end="url(#{state})"'


def _edge_label(edge: Json, placed: Placed) -> str:
    points = _path(edge, placed)
    middle = (len(points) - 1) // 2
    a, b = points[middle], points[middle + 1]
    part = 0.62  # nearer to the target: edges of one source part there
    # The point of the curve at that part of the way (a cubic Bezier with level ends).
    ease = 3 * part**2 - 2 * part**3
    x = a.x + (b.x - a.x) * (0.5 * 3 * part * (1 - part) ** 2 + 0.5 * 3 * part**2 * (1 - part) + part**3)
    y = a.y + (b.y - a.y) * ease
    lines = health.label(edge["traffic"])
    return "".join(_text(line, x, y + 12 * number - 6 * len(lines) + 9) for number, line in enumerate(lines))


def _text(text: str, x: float, y: float, css: str = "halo") -> str:
    return f'<text class="{css}" text-anchor="middle" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _legend(y: float) -> list[str]:
    """What colours mean, and below it what shapes mean."""
    words: Mapping[str, str] = {
        health.HEALTHY: "healthy",
        health.DEGRADED: "degraded (any 5xx)",
        health.FAILING: "failing (10 % or more)",
        health.TCP: "TCP",
        health.IDLE: "idle",
    }
    parts, x = [], MARGIN
    for state, word in words.items():
        parts.append(f'<path class="edge" d="M{x} {y - 4}h26" {_stroke(state)}/>')
        parts.append(f'<text x="{x + 33}" y="{y}">{word}</text>')
        x += 50 + _CHAR * len(word)
    return [
        *parts,
        f'<text x="{MARGIN}" y="{y + 18}">{_SHAPES}</text>',
    ]
