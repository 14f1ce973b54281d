# ruff: noqa: E501 - one case a line
from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.gatewayapi.refs import Backends, Problem
from pocket.mesh.gatewayapi.rules import on_port, rules_of, sorted_rules
from pocket.objects import Obj
from tests.pocket.mesh.gatewayapi.kit import backend, grant, route, rule
from tests.pocket.mesh.kit import service

S2 = {"host": "s2.music.svc.cluster.local", "port": {"number": 30001}}


def translated(*rules: Obj, kind: str = "HTTPRoute", grants: tuple[Obj, ...] = (), strict: bool = True) -> Any:
    obj = route(*rules, kind=kind)
    services = [service(), service("s3"), service(namespace="other")]
    return rules_of(obj, Backends(obj, kind, services, ["www.example.com"], grants, strict=strict), kind)


def one(**fields: Any) -> Obj:
    (made,), problem = translated(rule(**fields))
    assert problem is None
    return dict(made)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"path": {"type": "PathPrefix", "value": "/a/"}}, {"uri": {"prefix": "/a"}}),
        ({"path": {"type": "Exact", "value": "/a"}}, {"uri": {"exact": "/a"}}),
        ({"path": {"type": "RegularExpression", "value": "/a+"}}, {"uri": {"regex": "/a+"}}),
        ({"method": "GET"}, {"uri": {"prefix": "/"}, "method": {"exact": "GET"}}),
        (
            {"headers": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]},
            {"uri": {"prefix": "/"}, "headers": {"a": {"exact": "1"}}},
        ),
        (
            {"queryParams": [{"type": "RegularExpression", "name": "q", "value": "x+"}]},
            {"uri": {"prefix": "/"}, "queryParams": {"q": {"regex": "x+"}}},
        ),
    ],
)
def test_conditions_of_http(match: Obj, expected: Obj) -> None:
    assert one(matches=[match])["match"] == [expected]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ({"service": "s", "method": "m"}, {"exact": "/s/m"}),
        ({"service": "s"}, {"prefix": "/s/"}),
        ({"method": "m"}, {"regex": "/[^/]+/m"}),
        ({"type": "RegularExpression", "service": "s+"}, {"regex": "/s+/.+"}),
    ],
)
def test_conditions_of_grpc(method: Obj, expected: Obj) -> None:
    (made,), _ = translated(rule(matches=[{"method": method}]), kind="GRPCRoute")
    assert made["match"] == [{"uri": expected}]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "A", "value": "1"}], "remove": ["b"]}},
            {"headers": {"request": {"set": {"a": "1"}, "remove": ["b"]}}},
        ),
        (
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "a", "value": "1"}]}},
            {"headers": {"response": {"add": {"a": "1"}}}},
        ),
        (
            {"type": "RequestMirror", "requestMirror": {"backendRef": backend(), "fraction": {"numerator": 1, "denominator": 8}}},
            {"mirrors": [{"destination": S2, "percentage": {"value": 12.5}}]},
        ),
        (
            {"type": "URLRewrite", "urlRewrite": {"hostname": "h", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}},
            {"rewrite": {"uri": "/", "authority": "h"}},
        ),
        (
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}},
            {"rewrite": {"uriRegexRewrite": {"match": "/.*", "rewrite": "/x"}}},
        ),
        (
            {"type": "CORS", "cors": {"allowOrigins": ["https://*.a.com", "https://b.com", "http://c*"], "maxAge": 5}},
            {"corsPolicy": {
                "allowOrigins": [{"regex": r"^https://.*\.a\.com$"}, {"exact": "https://b.com"}, {"prefix": "http://c"}],
                "maxAge": "5s", "unmatchedPreflights": "IGNORE",
            }},
        ),
    ],
)  # fmt: skip
def test_filters(filters: Obj, expected: Obj) -> None:
    made = one(filters=[filters])
    assert {name: made[name] for name in expected} == expected
    assert made["route"] == [{"destination": S2}]


def test_redirects_need_no_backend() -> None:
    redirect = {
        "scheme": "https",
        "statusCode": 302,
        "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/y"},
    }
    filters = [{"type": "RequestRedirect", "requestRedirect": redirect}]
    (made,), problem = translated({"filters": filters})
    assert problem is None
    expected = {"redirectCode": 302, "scheme": "https", "derivePort": "FROM_PROTOCOL_DEFAULT", "prefixRewrite": "/y"}
    assert made["redirect"] == expected
    assert "route" not in made
    assert "directResponse" not in made


def test_weights() -> None:
    (made,), _ = translated(rule(backend(weight=9), backend("s3"), backend("s3", weight=0)))
    assert [one["weight"] for one in made["route"]] == [9, 1]
    assert one(backendRefs=[backend(weight=100), backend("s3", weight=0)])["route"] == [{"destination": S2}]
    assert one(backendRefs=[backend(weight=0)])["directResponse"] == {"status": 500}


def test_retries_and_timeouts() -> None:
    made = one(retry={"codes": [503], "backoff": "20ms"}, timeouts={"request": "10s", "backendRequest": "2s"})
    assert made["timeout"] == "10s"
    words = "connect-failure,refused-stream,unavailable,cancelled,503"
    assert made["retries"] == {"attempts": 2, "retryOn": words, "backoff": "20ms", "perTryTimeout": "2s"}
    assert one(retry={"attempts": 0})["retries"] == {"attempts": 0}
    assert one(timeouts={"backendRequest": "2s", "request": "0s"})["timeout"] == "2s"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (backend(namespace="other"), "RefNotPermitted"),
        (backend("nobody"), "BackendNotFound"),
        (backend(group="example.com", kind="Thing"), "InvalidKind"),
    ],
)
def test_a_backend_that_cannot_be(reference: Obj, reason: str) -> None:
    (made,), problem = translated(rule(reference))
    assert problem is not None
    assert problem.reason == reason
    assert (made["route"][0]["destination"]["host"] == "") == (reason != "BackendNotFound")


def test_a_grant_opens_another_namespace_and_the_mesh_needs_none() -> None:
    other = {"host": "s2.other.svc.cluster.local", "port": {"number": 30001}}
    wanted = rule(backend(namespace="other"))
    assert translated(wanted, grants=(grant(),)) == ([{"name": "music.r.0", "route": [{"destination": other}]}], None)
    assert translated(wanted, grants=(grant(name="s2"),))[1] is None
    for wrong in (grant(name="s3"), grant(source="foreign"), grant(kind="GRPCRoute"), grant(to="Secret")):
        assert translated(wanted, grants=(wrong,))[1] is not None
    assert translated(wanted, strict=False)[1] is None


def test_what_makes_a_route_hopeless() -> None:
    assert translated(rule(), rule({"name": "s2"})) == (
        [], Problem("InvalidDestination", "port is required in backendRef")
    )  # fmt: skip
    filters = [{"type": "ExtensionRef", "extensionRef": {"group": "a", "kind": "b", "name": "c"}}]
    assert translated(rule(filters=filters)) == ([], Problem("InvalidFilter", 'unsupported filter type "ExtensionRef"'))


def test_the_more_exact_first() -> None:
    def match(name: str, uri: Obj | None, **more: Any) -> Obj:
        return {"name": name, "match": [{**({"uri": uri} if uri else {}), **more}]}

    ordered = [
        match("exact", {"exact": "/a"}),
        match("long", {"prefix": "/abc"}),
        match("method", {"prefix": "/a"}, method={"exact": "GET"}),
        match("headers", {"prefix": "/a"}, headers={"a": {}, "b": {}}),
        match("parameters", {"prefix": "/a"}, headers={"a": {}}, queryParams={"q": {}}),
        match("header", {"prefix": "/a"}, headers={"a": {}}),
        match("first", {"prefix": "/a"}),
        match("second", {"prefix": "/b"}),
        match("regex", {"regex": "/aaaaaaaa"}),
        match("grpc", None, headers={"a": {}}),
        {"name": "everything"},
    ]
    shuffled = [*ordered[::-1]]
    shuffled[shuffled.index(ordered[6])], shuffled[shuffled.index(ordered[7])] = ordered[7], ordered[6]
    assert [one["name"] for one in sorted_rules(shuffled)] == [one["name"] for one in ordered]


def test_for_one_port() -> None:
    both = on_port([{"name": "a"}, {"name": "b", "match": [{"uri": {"prefix": "/b"}}]}], 80)
    assert [one["match"] for one in both] == [[{"port": 80}], [{"uri": {"prefix": "/b"}, "port": 80}]]
