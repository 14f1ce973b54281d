from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.model import Proxy
from pocket.mesh.registry import registry
from pocket.mesh.routes import Context, default_route, http_routes
from pocket.mesh.telemetry import PEER_HEADER
from pocket.mesh.view import View
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    NS,
    destination_rule,
    gateway_proxy,
    service,
    service_entry,
    sidecar,
    snapshot,
    virtual_service,
)

S2 = "s2.music.svc.cluster.local"


def context(
    *things: Obj, proxy: Proxy | None = None, gateways: tuple[str, ...] = ("mesh",), port: int = 30001
) -> Context:
    state = snapshot(service(), *things)
    proxy = proxy or sidecar()
    return View(state, proxy, registry(state, proxy.namespace)).context(gateways, port)


def routes(*rules: dict[str, Any], **where: Any) -> list[dict[str, Any]]:
    return http_routes(virtual_service(http=list(rules)), context(**where))


def one(**rule: Any) -> dict[str, Any]:
    (route,) = routes({"route": [{"destination": {"host": "s2"}}], **rule})
    return route


def to(subset: str, weight: int, **more: Any) -> dict[str, Any]:
    return {"destination": {"host": "s2", "subset": subset}, "weight": weight, **more}


def test_one_destination_whatever_its_weight() -> None:
    (route,) = routes({"route": [to("v1", 0)]})
    assert route["route"]["cluster"] == f"outbound|30001|v1|{S2}"
    assert route["route"]["timeout"] == "0s"


def test_weights_and_none_for_weight_zero() -> None:
    (route,) = routes({"route": [to("v1", 90), to("v2", 10), to("v3", 0)]})
    named = [(c["name"], c["weight"]) for c in route["route"]["weighted_clusters"]["clusters"]]
    assert named == [(f"outbound|30001|v1|{S2}", 90), (f"outbound|30001|v2|{S2}", 10)]
    (route,) = routes({"route": [to("v1", 33), to("v2", 67)]})
    assert [c["weight"] for c in route["route"]["weighted_clusters"]["clusters"]] == [33, 67]
    (route,) = routes({"route": [to("v1", 100), to("v2", 0)]})
    assert [c["weight"] for c in route["route"]["weighted_clusters"]["clusters"]] == [100]


def test_the_port_is_the_destinations_or_the_requests_and_at_a_gateway_the_services_only_one() -> None:
    two = service("two", ports=[{"name": "http-a", "port": 1}, {"name": "http-b", "port": 2}])
    rules = virtual_service(
        http=[
            {"match": [{"uri": {"exact": "/a"}}], "route": [{"destination": {"host": "two", "port": {"number": 2}}}]},
            {"match": [{"uri": {"exact": "/b"}}], "route": [{"destination": {"host": "two"}}]},
            {"match": [{"uri": {"exact": "/c"}}], "route": [{"destination": {"host": "s2"}}]},
            {"route": [{"destination": {"host": "nowhere"}}]},
        ]
    )

    def ports(**more: Any) -> list[str]:
        made = http_routes(rules, context(two, port=9, **more))
        return [route["route"]["cluster"].split("|")[1] for route in made]

    assert ports() == ["2", "9", "9", "9"], "a sidecar knows on port 9 the services with that port, and no others"
    rules["spec"]["gateways"] = ["gw"]
    assert ports(proxy=gateway_proxy(), gateways=("music/gw",)) == ["2", "9", "30001", "9"]


def test_rules_after_one_that_catches_all_are_left_out() -> None:
    made = routes({"route": [to("v1", 1)]}, {"route": [to("v2", 1)]})
    assert len(made) == 1


def test_each_match_is_a_route_and_names_are_joined() -> None:
    made = routes(
        {
            "name": "rule",
            "match": [{"name": "first", "uri": {"exact": "/a"}}, {"uri": {"prefix": "/b"}}, {"port": 1}],
            "route": [to("v1", 1)],
        }
    )
    assert [(route["name"], route["match"]) for route in made] == [
        ("rule.first", {"path": "/a"}), ("rule", {"prefix": "/b"}),
    ]  # fmt: skip


def test_the_default_retry_policy_is_istios() -> None:
    policy = one()["route"]["retry_policy"]
    assert policy["num_retries"] == 2
    assert policy["retry_on"] == "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
    assert "retriable_status_codes" not in policy
    assert [p["name"] for p in policy["retry_host_predicate"]] == ["envoy.retry_host_predicates.previous_hosts"]


def test_retries() -> None:
    policy = one(
        retries={
            "attempts": 3,
            "perTryTimeout": "2s",
            "retryOn": "5xx, 429,reset",
            "backoff": "10ms",
            "retryRemoteLocalities": True,
        }
    )["route"]["retry_policy"]
    assert policy["num_retries"] == 3
    assert policy["retry_on"] == "5xx,reset,retriable-status-codes"
    assert policy["retriable_status_codes"] == [429]
    assert policy["per_try_timeout"] == "2s"
    assert policy["retry_back_off"] == {"base_interval": "0.01s"}
    assert "retry_priority" in policy
    assert "retry_policy" not in one(retries={"attempts": 0})["route"]
    assert (
        "retry_host_predicate"
        not in one(retries={"attempts": 1, "retryIgnorePreviousHosts": False})["route"]["retry_policy"]
    )


def test_timeout() -> None:
    assert one(timeout="1.5s")["route"]["timeout"] == "1.5s"


@pytest.mark.parametrize(
    ("rewrite", "fields"),
    [
        ({"uri": "/new"}, {"prefix_rewrite": "/new"}),
        ({"authority": "other"}, {"host_rewrite_literal": "other"}),
        (
            {"uriRegexRewrite": {"match": "^/a/(.*)", "rewrite": r"/b/\1"}},
            {"regex_rewrite": {"pattern": {"regex": "^/a/(.*)"}, "substitution": r"/b/\1"}},
        ),
    ],
)
def test_rewrite(rewrite: dict[str, Any], fields: dict[str, Any]) -> None:
    action = one(rewrite=rewrite)["route"]
    assert {name: action[name] for name in fields} == fields


def test_redirect() -> None:
    (route,) = routes(
        {"redirect": {"uri": "/n", "authority": "h", "scheme": "https", "port": 8443, "redirectCode": 308}}
    )
    assert route["redirect"] == {
        "path_redirect": "/n", "host_redirect": "h", "scheme_redirect": "https", "port_redirect": 8443,
        "response_code": "PERMANENT_REDIRECT",
    }  # fmt: skip
    (route,) = routes({"redirect": {"uri": "/n", "derivePort": "FROM_REQUEST_PORT"}})
    assert route["redirect"] == {"path_redirect": "/n", "port_redirect": 30001, "response_code": "MOVED_PERMANENTLY"}


def test_direct_response() -> None:
    (route,) = routes({"directResponse": {"status": 418, "body": {"string": "tea"}}})
    assert route["direct_response"] == {"status": 418, "body": {"inline_string": "tea"}}


def test_fault() -> None:
    fault = one(
        fault={
            "delay": {"fixedDelay": "2s", "percentage": {"value": 0.1}},
            "abort": {"httpStatus": 503, "percentage": {"value": 50}},
        }
    )["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert fault["delay"] == {
        "fixed_delay": "2s", "percentage": {"numerator": 1000, "denominator": "MILLION"},
    }  # fmt: skip
    assert fault["abort"] == {
        "http_status": 503, "percentage": {"numerator": 500000, "denominator": "MILLION"},
    }  # fmt: skip
    fault = one(fault={"abort": {"grpcStatus": "UNAVAILABLE"}})["typed_per_filter_config"]["envoy.filters.http.fault"]
    assert fault["abort"] == {"grpc_status": 14, "percentage": {"numerator": 0, "denominator": "MILLION"}}, (
        "as in Istio"
    )
    fault = one(fault={"delay": {"fixedDelay": "1s", "percent": 5}})["typed_per_filter_config"][
        "envoy.filters.http.fault"
    ]
    assert fault["delay"]["percentage"]["numerator"] == 50000


def test_mirrors() -> None:
    mirrored = one(mirror={"host": "s2", "subset": "v2"}, mirrorPercentage={"value": 25})["route"]
    assert mirrored["request_mirror_policies"] == [
        {
            "cluster": f"outbound|30001|v2|{S2}",
            "runtime_fraction": {"default_value": {"numerator": 250000, "denominator": "MILLION"}},
            "disable_shadow_host_suffix_append": True,
        }
    ]
    several = one(
        mirrors=[{"destination": {"host": "s2"}}, {"destination": {"host": "s2"}, "percentage": {"value": 0}}]
    )
    assert len(several["route"]["request_mirror_policies"]) == 1


def test_cors() -> None:
    cors = one(
        corsPolicy={
            "allowOrigins": [{"exact": "https://a"}, {"regex": ".*b"}], "allowMethods": ["GET", "POST"],
            "allowHeaders": ["x"], "exposeHeaders": ["y"], "maxAge": "24h", "allowCredentials": False,
            "unmatchedPreflights": "IGNORE",
        }
    )["typed_per_filter_config"]["envoy.filters.http.cors"]  # fmt: skip
    assert cors["allow_origin_string_match"] == [{"exact": "https://a"}, {"safe_regex": {"regex": ".*b"}}]
    assert (cors["allow_methods"], cors["allow_headers"], cors["expose_headers"]) == ("GET,POST", "x", "y")
    assert (cors["max_age"], cors["allow_credentials"]) == ("86400", False)
    assert cors["forward_not_matching_preflights"] is False


def test_headers_of_rule_and_destination() -> None:
    (route,) = routes(
        {
            "headers": {"request": {"set": {"a": "1"}, "add": {"b": "2"}, "remove": ["c"]}},
            "route": [
                {
                    "destination": {"host": "s2"},
                    "headers": {
                        "request": {"set": {"Host": "other"}},
                        "response": {"remove": ["server"], "set": {"d": "4"}},
                    },
                }
            ],
        }
    )
    added = [(h["header"]["key"], h["append_action"]) for h in route["request_headers_to_add"]]
    assert added == [
        ("a", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ("b", "APPEND_IF_EXISTS_OR_ADD"),
    ]  # fmt: skip
    assert route["request_headers_to_remove"] == ["c"]
    assert route["response_headers_to_remove"] == ["server"]
    assert route["route"]["host_rewrite_literal"] == "other"
    assert "host_rewrite_literal" not in route


def test_headers_of_weighted_destinations() -> None:
    (route,) = routes({"route": [to("v1", 1, headers={"request": {"set": {"v": "1"}}}), to("v2", 1)]})
    first, second = route["route"]["weighted_clusters"]["clusters"]
    assert [h["header"]["key"] for h in first["request_headers_to_add"]] == ["v"]
    assert "request_headers_to_add" not in second


def test_the_mesh_identity_is_not_sent_outside() -> None:
    entry = service_entry("example.com", number=80, protocol="HTTP")
    rules = virtual_service(hosts=["example.com"], http=[{"route": [{"destination": {"host": "example.com"}}]}])
    (route,) = http_routes(rules, context(entry, port=80))
    assert route["request_headers_to_remove"] == [PEER_HEADER]
    outside = {s.host: s for s in context(entry).services.values()}["example.com"]
    assert default_route(outside, context(entry, port=80))["request_headers_to_remove"] == [PEER_HEADER]


def test_gateways_and_sidecars_follow_their_own_rules() -> None:
    rules = virtual_service(
        gateways=["mesh", "gw"],
        http=[
            {"match": [{"gateways": ["gw"], "uri": {"prefix": "/g"}}], "route": [to("v1", 1)]},
            {"match": [{"sourceLabels": {"app": "s1"}, "uri": {"prefix": "/s"}}], "route": [to("v2", 1)]},
        ],
    )
    assert [r["match"] for r in http_routes(rules, context())] == [{"prefix": "/s"}]
    at_gateway = context(proxy=gateway_proxy(), gateways=("music/gw",), port=80)
    assert [r["match"] for r in http_routes(rules, at_gateway)] == [{"prefix": "/g"}]


def test_a_hashing_destination_asks_for_a_hash_policy() -> None:
    rule = destination_rule(trafficPolicy={"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}})
    made = http_routes(virtual_service(http=[{"route": [to("v1", 1)]}]), context(rule))
    assert made[0]["route"]["hash_policy"] == [{"header": {"header_name": "x-user"}}]
    assert "retry_host_predicate" in made[0]["route"]["retry_policy"], "Istio's default avoids the host even so"
    own = http_routes(virtual_service(http=[{"route": [to("v1", 1)], "retries": {"attempts": 1}}]), context(rule))
    assert "retry_host_predicate" not in own[0]["route"]["retry_policy"]
    s2 = context(rule).services[S2]
    assert default_route(s2, context(rule))["route"]["hash_policy"] == [{"header": {"header_name": "x-user"}}]


def test_namespaces_resolve_short_names() -> None:
    rules = virtual_service(http=[{"route": [{"destination": {"host": "s2"}}]}])
    rules["metadata"]["namespace"] = "other"
    (route,) = http_routes(rules, context())
    assert route["route"]["cluster"] == "outbound|30001||s2.other.svc.cluster.local"
    assert NS == "music"
