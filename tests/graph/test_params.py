from __future__ import annotations

from dataclasses import replace

import pytest

from graph.errors import BadParameter
from graph.focus import Focus
from graph.params import APPENDERS, GraphOptions, parse_duration, read_graph_options

NOW = 1_700_000_000


def read(**values: str) -> GraphOptions:
    return read_graph_options({name: [value] for name, value in {"namespaces": "c756ns", **values}.items()}, NOW)


def test_defaults_are_kialis() -> None:
    options = read()
    assert options.namespaces == ("c756ns",)
    assert (options.graph_type, options.duration, options.query_time) == ("workload", 600, NOW)
    assert not options.inject_service_nodes
    assert options.appenders == APPENDERS


def test_a_request_as_kialis_page_sends_it() -> None:
    options = read(
        namespaces="shop,c756ns",
        duration="60s",
        graphType="versionedApp",
        injectServiceNodes="true",
        includeIdleEdges="false",
        boxBy="cluster,namespace,app",
        ambientTraffic="none",
        appenders="deadNode,istio,serviceEntry,meshCheck,workloadEntry,health,ambient,labeler,responseTime,throughput",
        refreshInterval="15000",
        responseTime="95",
        throughputType="request",
        rateGrpc="requests",
        rateHttp="requests",
        rateTcp="sent",
        waypoints="false",
    )
    assert options.namespaces == ("c756ns", "shop")
    assert options.duration == 60
    assert options.inject_service_nodes
    assert options.appenders == {
        *("deadNode", "istio", "serviceEntry", "meshCheck", "health", "ambient", "responseTime", "throughput")
    }
    assert not options.waypoints


def test_an_empty_list_of_appenders_is_none_and_older_names_are_known() -> None:
    assert read(appenders="").appenders == frozenset()
    assert read(appenders="sidecarsCheck,healthConfig").appenders == {"meshCheck", "health"}


def test_a_node_graph_is_of_one_namespace_and_an_app_wants_a_graph_of_apps() -> None:
    focus = Focus("c756ns", app="cmpt756s2", version="v2")
    options = read_graph_options({"graphType": ["app"], "clusterName": ["Kubernetes"]}, NOW, focus)
    assert options.namespaces == ("c756ns",)
    assert options.focus == replace(focus, cluster="Kubernetes")
    with pytest.raises(BadParameter, match="does not fit an app"):
        read_graph_options({"graphType": ["workload"]}, NOW, focus)
    assert read_graph_options({"graphType": ["app"]}, NOW, Focus("c756ns", workload="w")).focus
    with pytest.raises(BadParameter, match="is not a Kubernetes name"):
        read_graph_options({}, NOW, Focus("c756ns", workload='w"}'))


def test_service_graphs_have_service_nodes() -> None:
    assert read(graphType="service").inject_service_nodes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("1m", 60), ("10m", 600), ("1h30m", 5400), ("90", 90), ("1d", 86400), ("1500ms", 1)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration("duration", text) == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duration", "7x"),
        ("duration", "0"),
        ("duration", "99d"),
        ("duration", "-60s"),
        ("duration", "６０s"),
        ("namespaces", 'x"} or {a="'),
        ("namespaces", "a,,b"),
        ("namespaces", ""),
        ("graphType", "versionedapp"),
        ("injectServiceNodes", "yes"),
        ("queryTime", "yesterday"),
        ("queryTime", "1e9"),
        ("appenders", "istio,astrology"),
        ("responseTime", "50.0"),
        ("throughputType", "both"),
        ("rateHttp", "sent"),
        ("rateTcp", "requests"),
        ("aggregate", "a-b"),
        ("boxBy", "galaxy"),
        ("refreshInterval", "often"),
        ("ambientTraffic", "some"),
        ("colour", "red"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(BadParameter) as refused:
        read(**{name: value})
    assert name in str(refused.value)


def test_a_value_given_twice_is_refused() -> None:
    with pytest.raises(BadParameter, match="given 2 times"):
        read_graph_options({"namespaces": ["a", "b"]}, NOW)
