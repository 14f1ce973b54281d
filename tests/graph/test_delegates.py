from __future__ import annotations

from typing import Any

import pytest

from graph import changes, routing
from graph.delegates import merged
from tests.graph import test_golden
from tests.graph.world import NS

HOST = f"songs.{NS}.svc.cluster.local"
RETRIES = {"attempts": 2}


def vs(name: str, *rules: dict[str, Any], namespace: str = NS, hosts: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "managedFields": [{"time": f"2026-11-28T0{len(name)}:00:00Z"}],
        },
        "spec": {"hosts": list(hosts), "http": list(rules)},
    }


def to(host: str, *weights: int) -> dict[str, Any]:
    versions = [{"destination": {"host": host, "subset": f"v{n}"}, "weight": w} for n, w in enumerate(weights, 1)]
    return {"route": versions}


def rules(*objects: dict[str, Any]) -> list[dict[str, Any]]:
    (found,) = merged(objects)
    listed: list[dict[str, Any]] = found["spec"]["http"]
    return listed


def test_the_weights_of_a_delegate_are_those_of_the_route() -> None:
    root = vs("root", {"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "w"}, "retries": RETRIES})
    (rule,) = rules(root, vs("w", to("songs", 90, 10), hosts=()))
    assert [target["weight"] for target in rule["route"]] == [90, 10]
    assert rule["match"] == [{"uri": {"prefix": "/a"}}]
    assert rule["retries"] == RETRIES  # what the delegate does not say, the root does
    assert rule["delegate"] == "w"
    assert root["spec"]["http"][0]["delegate"] == {"name": "w"}, "what was given is not changed"


def test_a_delegate_of_another_namespace_means_its_own_services() -> None:
    root = vs("root", {"delegate": {"name": "w", "namespace": "other"}})
    (rule,) = rules(root, vs("w", to("songs", 100), hosts=(), namespace="other"))
    assert rule["route"][0]["destination"]["host"] == "songs.other.svc.cluster.local"


def test_a_delegate_that_is_not_there_takes_its_rule_away_and_no_other() -> None:
    assert rules(vs("root", {"delegate": {"name": "gone"}}, to(HOST, 100))) == [to(HOST, 100)]
    # One with hosts of its own is no delegate.
    assert merged([vs("root", {"delegate": {"name": "w"}}), vs("w", to(HOST, 100))])[0]["spec"]["http"] == []


def test_a_delegate_alone_routes_nothing() -> None:
    assert merged([vs("w", to(HOST, 100), hosts=())]) == ()


@pytest.mark.parametrize(
    ("narrow", "found"),
    [
        ({"uri": {"exact": "/a/b"}}, [{"uri": {"exact": "/a/b"}}]),
        ({"headers": {"x": {"exact": "1"}}}, [{"uri": {"prefix": "/a"}, "headers": {"x": {"exact": "1"}}}]),
        ({"uri": {"prefix": "/other"}}, None),
        ({"uri": {"regex": "/a.*"}}, None),
    ],
)
def test_conditions_of_both_must_hold(narrow: dict[str, Any], found: list[Any] | None) -> None:
    root = vs("root", {"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "w"}})
    result = rules(root, vs("w", {"match": [narrow], **to(HOST, 100)}, hosts=()))
    assert [rule["match"] for rule in result] == ([] if found is None else [found])


def test_a_change_of_the_weights_is_a_change_of_the_routes() -> None:
    root, weights = vs("root", {"delegate": {"name": "weights"}}), vs("weights", to(HOST, 100), hosts=())
    (found,) = merged([root, weights])
    assert changes.changed(found) == changes.changed(weights) != changes.changed(root)


def test_the_projects_own_routes_have_the_weights_of_the_file_both_ways() -> None:
    described = routing.describe(test_golden.cluster("canary"), NS, "cmpt756s2", {}, 0, 0)
    assert described is not None
    shown = [
        (route["virtualService"], route["via"], route["delegate"], [one["weight"] for one in route["destinations"]])
        for route in described["routes"]
    ]
    assert shown == [
        ("cmpt756s2", ["gateway"], "cmpt756s2-weights", [90.0, 10.0]),
        ("cmpt756s2-mesh", ["mesh"], "cmpt756s2-weights", [90.0, 10.0]),
    ]
    assert [one["name"] for one in described["virtualServices"]] == ["cmpt756s2", "cmpt756s2-mesh"]
