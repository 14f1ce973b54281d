"""Reading shares of traffic out of VirtualServices and out of Envoy's configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.traffic_split import WeightError, documents, proportion, served, short_names, version, wanted

HOST = "cmpt756s2.c756ns.svc.cluster.local"


def vs(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "VirtualService", "spec": {"http": list(routes)}}


def to(version: str | None, weight: int | None = None, host: str = HOST) -> dict[str, Any]:
    destination = {"host": host} | ({"subset": version} if version else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def test_wanted() -> None:
    both = {"match": [{"uri": {"prefix": "/api/v1/music"}}], "route": [to("v1", 90), to("v2", 10)]}
    assert wanted([vs(both)], HOST) == ["v1=90 v2=10"]
    assert wanted([vs({"route": [to("v1", 100), to("v2", 0)]})], HOST) == ["v1=100"]
    assert wanted([vs({"route": [to("v2", host="cmpt756s2")]}), vs(both)], HOST) == ["v2=100", "v1=90 v2=10"]
    assert wanted([vs({"route": [to(None)]})], HOST) == ["all=100"]
    assert wanted([vs({"route": [to("v1", host="other")]})], HOST) == []


def test_a_route_for_testers_is_not_what_most_get() -> None:
    testers = {"match": [{"headers": {"x-tester": {"exact": "yes"}}}], "route": [to("v2")]}
    assert wanted([vs(testers, {"route": [to("v1")]})], HOST) == ["v1=100"]


def config(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"name": "http.8080", "virtual_hosts": [{"name": "*:80", "routes": list(routes)}]}


def cluster(version: str, host: str = HOST) -> str:
    return f"outbound|30001|{version}|{host}"


WEIGHTED = {
    "match": {"prefix": "/api/v1/music"},
    "route": {"weighted_clusters": {"clusters": [
        {"name": cluster("v1"), "weight": 90}, {"name": cluster("v2"), "weight": 10},
    ]}},
}  # fmt: skip
OTHER = {"match": {"prefix": "/kiali"}, "route": {"cluster": "outbound|20001||kiali.istio-system.svc.cluster.local"}}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda entry: {
            "configs": [{"@type": "...RoutesConfigDump", "dynamic_route_configs": [{"route_config": entry}]}]
        },
        lambda entry: {"configs": [{"@type": "...DynamicRouteConfig", "version_info": "7", "route_config": entry}]},
    ],
)
def test_served(wrap: Any) -> None:
    assert served(wrap(config(WEIGHTED, OTHER)), HOST) == ["v1=90 v2=10"]
    single = {"match": {"prefix": "/api/v1/music"}, "route": {"cluster": cluster("v1")}}
    assert served(wrap(config(single)), HOST) == ["v1=100"]
    testers = {"match": {"prefix": "/", "headers": [{"name": "x-tester"}]}, "route": {"cluster": cluster("v2")}}
    assert served(wrap(config(testers, single)), HOST) == ["v1=100"]
    assert served(wrap(config(OTHER, {"match": {"prefix": "/"}, "redirect": {}})), HOST) == []
    assert served({}, HOST) == []


def test_documents_one_after_the_other() -> None:
    assert documents(json.dumps({"a": 1}, indent=2) + "\n" + json.dumps({"b": 2}) + "\n") == [{"a": 1}, {"b": 2}]
    assert documents(" \n") == []
    with pytest.raises(json.JSONDecodeError):
        documents("{} nonsense")


def test_short_names() -> None:
    assert short_names("a.b.svc.cluster.local") == ("a.b.svc.cluster.local", "a", "a.b", "a.b.svc")


def weighted(*weights: object) -> dict[str, Any]:
    routes = [{"destination": {"host": HOST, "subset": f"v{n}"}, "weight": w} for n, w in enumerate(weights, 1)]
    return {"spec": {"http": [{"route": routes}]}}


@pytest.mark.parametrize("weight", ["ten", "10%", "10", None, -1, 1.5, True])
def test_a_weight_that_is_none_is_named(weight: object) -> None:
    with pytest.raises(WeightError, match=r"the weight of v2 is .*: it must be a whole number, 0 or more"):
        wanted([weighted(90, weight)], HOST)


def test_weights_that_do_not_add_up_are_a_proportion() -> None:
    assert wanted([weighted(33, 67)], HOST) == ["v1=33 v2=67"]
    assert wanted([weighted(90, 20)], HOST) == ["v1=82 v2=18"]
    assert proportion([weighted(90, 20)], HOST).startswith("the weights add up to 110, not to 100: Istio takes them as")
    assert proportion([weighted(90, 10)], HOST) == ""
    assert proportion([{"spec": {}}], HOST) == ""


def http_route(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "HTTPRoute", "metadata": {"namespace": "c756ns"}, "spec": {"rules": list(rules)}}


def test_of_an_http_route_each_version_is_a_service() -> None:
    backends = [{"name": "cmpt756s2-v1", "port": 1, "weight": 90}, {"name": "cmpt756s2-v2", "port": 1, "weight": 10}]
    most = {"matches": [{"path": {"value": "/api/v1/music"}}], "backendRefs": backends}
    assert wanted([http_route(most)], HOST) == ["v1=90 v2=10"]
    testers = {"matches": [{"headers": [{"name": "a", "value": "b"}]}], "backendRefs": backends[1:]}
    assert wanted([http_route(testers, most)], HOST) == ["v1=90 v2=10"]
    assert wanted([http_route({"backendRefs": [{"name": "cmpt756s2-v2"}]})], HOST) == ["v2=100"]
    assert wanted([http_route({"backendRefs": [{"name": "other-v2"}, {"name": "cmpt756s2"}]})], HOST) == []
    with pytest.raises(WeightError, match="v1"):
        wanted([http_route({"backendRefs": [{"name": "cmpt756s2-v1", "weight": "90"}]})], HOST)


def test_served_by_services_of_versions() -> None:
    route = json.loads(json.dumps(WEIGHTED))
    for entry in route["route"]["weighted_clusters"]["clusters"]:
        name = entry["name"].split("|")[2]
        entry["name"] = cluster("", f"cmpt756s2-{name}.c756ns.svc.cluster.local")
    assert served({"configs": [{"route_config": config(route)}]}, HOST) == ["v1=90 v2=10"]
    assert version("cmpt756s2-v1.other.svc.cluster.local", HOST) is None
