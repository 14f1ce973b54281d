from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from graph import dashboards
from graph.errors import GraphError, NotFound
from tests.graph.recorded import ROOT, GraphServer

FOLDER = ROOT / "cluster" / "dashboards"


def variable(**more: Any) -> dashboards.Variable:
    entry = {"name": "service", "type": "query", "query": "label_values(up, job)", **more}
    board = dashboards.parse({"uid": "u", "title": "t", "templating": {"list": [entry]}})
    return board.variables[0]


def test_the_projects_dashboards_are_understood() -> None:
    found = dashboards.load(FOLDER)
    assert set(found) == {"c756-services", "c756-mesh", "c756-dynamodb"}
    for board in found.values():
        assert dashboards.queries(board)
        ids = [panel["id"] for panel in board.panels]
        assert len(set(ids)) == len(ids)
        for panel in board.panels:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24


def test_every_query_names_the_data_source_as_grafana_wants_it() -> None:
    for file in FOLDER.glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, (
                    file.name,
                    panel["title"],
                )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("a $x b", "a 1 b"),
        ("${x}", "1"),
        ("${x:regex}", "1"),
        ("[[x]]", "1"),
        ("rate(m[$__rate_interval])", "rate(m[60s])"),
        ("$xy", "$xy"),
        ('"^.+$"', '"^.+$"'),
    ],
)
def test_variables_in_text(text: str, result: str) -> None:
    assert dashboards.interpolate(text, {"x": "1", "__rate_interval": "60s"}) == result


def test_values_of_variables() -> None:
    options = ["a", "b.c"]
    assert dashboards.replacement(variable(), ["b.c"], options) == "b.c"
    assert dashboards.replacement(variable(multi=True), ["b.c"], options) == r"b\\.c"
    assert dashboards.replacement(variable(multi=True), ["a", "b.c"], options) == r"(a|b\\.c)"
    assert dashboards.replacement(variable(includeAll=True), [dashboards.ALL], options) == r"(a|b\\.c)"
    assert dashboards.replacement(variable(includeAll=True, allValue=".*"), [dashboards.ALL], options) == ".*"


def test_choice_of_values() -> None:
    assert dashboards.choose(variable(current={"value": "b"}), ["a", "b"], None) == ("b",)
    assert dashboards.choose(variable(current={"value": "gone"}), ["a", "b"], None) == ("a",)
    assert dashboards.choose(variable(includeAll=True), ["a", "b"], None) == (dashboards.ALL,)
    assert dashboards.choose(variable(), ["a"], ["b"]) == ("b",)
    assert dashboards.choose(variable(), [], None) == ()


def test_rate_interval_is_four_scrapes() -> None:
    assert dashboards.built_in(5, 600, 15)["__rate_interval"] == "60s"
    assert dashboards.built_in(120, 3600, 15)["__rate_interval"] == "135s"
    assert dashboards.built_in(1, 60, 2)["__rate_interval"] == "20s"  # no less, however often they are scraped


def test_legends() -> None:
    assert dashboards.legend("{{a}} {{ b }}", {"a": "1"}, "x") == "1"
    assert dashboards.legend("", {"a": "1"}, "x") == '{a="1"}'
    assert dashboards.legend("", {}, "Requests") == "Requests"


@pytest.mark.parametrize(
    ("board", "text"),
    [
        ({"title": "t"}, "uid"),
        ({"uid": "u", "title": "t", "panels": [{"type": "piechart", "title": "p"}]}, "piechart"),
        ({"uid": "u", "title": "t", "templating": {"list": [{"name": "v", "type": "adhoc"}]}}, "adhoc"),
        (
            {"uid": "u", "title": "t", "templating": {"list": [{"name": "v", "type": "query", "query": "metrics(x)"}]}},
            "label_values",
        ),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, board: dict[str, Any], text: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(board))
    with pytest.raises(GraphError, match=text) as refused:
        dashboards.load(tmp_path)
    assert "a.json" in str(refused.value)


def test_no_folder_and_no_dashboard(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="GRAPH_DASHBOARDS"):
        dashboards.load(tmp_path / "missing")
    with pytest.raises(NotFound, match="no dashboard x"):
        dashboards.find(dashboards.load(FOLDER), "x")


def test_every_panel_has_data_over_recorded_traffic(graph_server: GraphServer) -> None:
    graph_server.set("canary")
    boards = get(f"{graph_server.url}/api/c756/dashboards")
    assert len(boards) == len(list(FOLDER.glob("*.json")))
    for board in boards:
        for panel in get(f"{graph_server.url}/api/c756/dashboards/{board['uid']}?duration=10m")["panels"]:
            assert panel["error"] is None
            values = [value for series in panel["series"] for _, value in series["points"] if value is not None]
            assert values or panel["type"] in ("row", "text"), f"{board['title']}: {panel['title']}"


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)
