from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest

from graph import report, report_text, routing
from graph.cluster import Cluster
from graph.details import believed
from graph.rows import Row
from tests.graph import test_golden, world

NS, SECONDS, END = world.NS, 600, 1_700_000_000


def row(source: tuple[str, str], version: str, code: str, requests: float, flags: str = "-") -> Row:
    return Row(
        {
            "source_workload_namespace": source[0],
            "source_workload": source[1],
            "destination_workload": f"cmpt756s2-{version}" if version else "unknown",
            "destination_canonical_revision": version or "unknown",
            "response_code": code,
            "response_flags": flags,
        },
        requests,
    )


GATEWAY, LOADER, UNKNOWN = ("istio-system", "istio-ingressgateway"), (NS, "cmpt756loader"), ("unknown", "unknown")
INCOMING = [
    row(GATEWAY, "v1", "200", 2700.4),
    row(GATEWAY, "v1", "401", 30.2),
    row(GATEWAY, "v1", "404", 5.0),
    row(LOADER, "v1", "200", 100.6),
    row(UNKNOWN, "v1", "200", 20.3),
    row(GATEWAY, "v2", "200", 150.5),
    row(GATEWAY, "v2", "500", 149.5),
    row(GATEWAY, "v2", "0", 1.0, "DC"),
    row(UNKNOWN, "v2", "200", 20.3),
    row(GATEWAY, "", "503", 7.0, "NR"),
]
OUTGOING = [
    Row({"source_canonical_revision": "v1", "destination_service_name": "cmpt756db"}, 2806.0),
    Row({"source_canonical_revision": "v2", "destination_service_name": "cmpt756db"}, 150.0),
]


@pytest.fixture
def answer() -> dict[str, Any]:
    cluster = test_golden.cluster("canary")
    found = report.columns(INCOMING, OUTGOING, [], report.gateways(INCOMING, cluster, "istio-system"))
    observed = {("gateway", "v1"): 2735.6, ("gateway", "v2"): 301.0, ("mesh", "v1"): 100.6}
    weights = routing.describe(cluster, NS, "cmpt756s2", observed, END - SECONDS, END - SECONDS)
    return report.build(NS, "cmpt756s2", END, SECONDS, found, weights)


def version(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in answer["versions"] if one["version"] == name)


def test_requests_are_sorted(answer: dict[str, Any]) -> None:
    inside = version(answer, "v1")["in"]
    assert inside["success"]["requests"] == 2700 + 101
    assert inside["failed"]["requests"] == 35  # 401 and 404 together, from the gateway
    assert inside["metrics"]["requests"] == 20
    assert inside["mesh"]["requests"] == 101
    assert inside["total"]["requests"] == 2801 + 35 + 20
    assert version(answer, "v2")["in"]["failed"]["requests"] == 150  # 500 and no answer
    assert version(answer, "none")["in"]["total"]["requests"] == 7


def test_what_is_not_passed_on_is_explained(answer: dict[str, Any]) -> None:
    missing = version(answer, "v1")["notPassedOn"]
    assert missing["total"]["requests"] == 2856 - 2806
    assert missing["metrics"]["requests"] == 20
    assert missing["rejected"]["requests"] == 30  # the 401; whether a song exists, only the datastore knows
    assert missing["rest"]["requests"] == 0


def test_the_two_types_that_version_2_does_not_pass_on(answer: dict[str, Any]) -> None:
    missing = version(answer, "v2")["notPassedOn"]
    assert missing["total"]["requests"] == 150 + 150 + 20 - 150  # 150.5 and 149.5 are both 150: to even
    assert missing["metrics"]["requests"] == 20
    assert missing["rejected"]["requests"] == 150
    assert missing["rest"]["requests"] == 0


@pytest.mark.parametrize(
    ("code", "rejected"),
    [("200", False), ("400", True), ("401", True), ("404", False), ("500", True), ("502", False), ("503", False),
     ("504", False), ("-", False)],
)  # fmt: skip
def test_what_a_service_answers_by_itself(code: str, rejected: bool) -> None:
    assert report.rejects(code) is rejected


@pytest.mark.parametrize("part", [("in", "total"), ("in", "success"), ("out", "total"), ("notPassedOn", "rest")])
@pytest.mark.parametrize("unit", ["requests", "rate"])
def test_columns_add_up(answer: dict[str, Any], part: tuple[str, str], unit: str) -> None:
    parts = [one[part[0]][part[1]][unit] for one in answer["versions"]]
    assert answer["total"][part[0]][part[1]][unit] == pytest.approx(sum(parts), abs=1e-9)


def test_rows_add_up(answer: dict[str, Any]) -> None:
    for column in [*answer["versions"], answer["total"]]:
        inside = column["in"]
        for unit in ("requests", "rate"):
            parts = [inside[name][unit] for name in ("success", "failed", "metrics")]
            assert inside["total"][unit] == pytest.approx(sum(parts), abs=1e-9)
            parts = [inside[name][unit] for name in ("gateway", "mesh", "metrics")]
            assert inside["total"][unit] == pytest.approx(sum(parts), abs=1e-9)


def test_text(answer: dict[str, Any]) -> None:
    text = report_text.text(answer)
    assert "Traffic of cmpt756s2 in c756ns, 10 min up to 2023-11-14 22:13:20 UTC" in text
    assert "no version" in text
    assert "Rounding:" in text
    assert "2736 requests: agrees" in text
    assert "LESS than configured" in text  # through the mesh, where v2 should have got 10 of the 101 and got none
    assert "no answer DC, from gateway" in text
    assert max(len(line) for line in text.splitlines()) <= 110


def test_a_rest_is_explained_whichever_way_it_goes(answer: dict[str, Any]) -> None:
    explained = "(*) What comes in and what goes out is counted by two sidecars"
    rests = [one["notPassedOn"]["rest"] for one in [*answer["versions"], answer["total"]]]
    for requests, shown in ((3, True), (-3, True), (0, False)):
        for rest in rests:
            rest["requests"] = requests
        assert (explained in report_text.text(answer)) is shown


def test_text_of_nothing() -> None:
    nothing = report.build(NS, "cmpt756s2", END, 60, {}, None)
    assert "No requests in the window" in report_text.text(nothing)


def test_csv(answer: dict[str, Any]) -> None:
    rows = list(csv.reader(io.StringIO(report_text.as_csv(answer))))
    gap = rows.index([])
    numbers, weights = rows[:gap], rows[gap + 1 :]
    assert numbers[0] == ["part", "version", "requests", "rate_per_second", "requests_unrounded"]
    assert ["in: total", "v1", "2856", "4.762", "2856.500"] in numbers  # 4.501 + 0.168 + 0.059 + 0.034
    assert [row[:3] for row in weights[1:3]] == [["gateway", "v1", "90.0"], ["gateway", "v2", "10.0"]]


def test_without_the_kubernetes_api_gateways_are_known_by_name() -> None:
    assert report.gateways(INCOMING, None, "istio-system")[GATEWAY]
    assert not report.gateways(INCOMING, None, "istio-system")[LOADER]


@pytest.fixture
def changed_cluster() -> Iterator[Cluster]:
    """The music routes were changed a minute before END."""
    cluster = test_golden.cluster("canary")
    music = next(one for one in cluster.virtual_services if one["metadata"]["name"] == "cmpt756s2-weights")
    music["metadata"]["managedFields"] = [{"time": "2023-11-14T22:12:20Z"}]
    yield cluster
    del music["metadata"]["managedFields"]


def test_after_a_change_of_routes_only_what_came_since_is_compared(changed_cluster: Cluster) -> None:
    since = routing.observe_since(changed_cluster, NS, "cmpt756s2", END - SECONDS, END, 20)
    assert since == END - 60 + routing.IN_FORCE_SECONDS
    described = routing.describe(changed_cluster, NS, "cmpt756s2", {("gateway", "v1"): 9.0}, END - SECONDS, since)
    assert described is not None
    assert "since the routes were changed" in described["note"]
    assert {target["verdict"] for target in described["routes"][0]["destinations"]} == {"agrees"}


def test_a_change_of_routes_that_is_too_fresh_is_told(changed_cluster: Cluster) -> None:
    since = routing.observe_since(changed_cluster, NS, "cmpt756s2", END - SECONDS, END, 60)
    assert since == END - SECONDS
    described = routing.describe(changed_cluster, NS, "cmpt756s2", {("gateway", "v1"): 9.0}, END - SECONDS, since)
    assert described is not None
    assert "just been changed" in described["note"]
    assert {target["verdict"] for target in described["routes"][0]["destinations"]} == {"notComparable"}


def test_several_routes_of_one_way_are_not_compared() -> None:
    cluster = test_golden.cluster("canary")
    music = next(one for one in cluster.virtual_services if one["metadata"]["name"] == "cmpt756s2")
    route = music["spec"]["http"][0]
    music["spec"]["http"].append({**route, "fault": {"abort": {"httpStatus": 500, "percentage": {"value": 50}}}})
    described = routing.describe(cluster, NS, "cmpt756s2", {("gateway", "v1"): 10.0}, END, END)
    music["spec"]["http"].pop()
    assert described is not None
    gateway = [one for one in described["routes"] if one["via"] == ["gateway"]]
    assert {target["verdict"] for one in gateway for target in one["destinations"]} == {"notComparable"}
    assert gateway[1]["fault"] == "50 % abort with 500"


def test_a_service_without_virtual_service_has_no_weights() -> None:
    assert routing.describe(test_golden.cluster("canary"), NS, "nobody", {}, 0, 0) is None


def test_reporters_are_alternatives_not_summands() -> None:
    text = believed("istio_requests_total", [['a="b"']], 60, ("x",))
    assert text == (
        '(sum by (x) (rate(istio_requests_total{reporter="destination", a="b"}[60s])) or '
        'sum by (x) (rate(istio_requests_total{reporter="source", a="b"}[60s])))'
    )
