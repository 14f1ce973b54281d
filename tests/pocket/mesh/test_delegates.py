# ruff: noqa: E501 - rules as they would stand in YAML
from __future__ import annotations

from typing import Any

import pytest
import yaml

from pocket.mesh.admission import check, warnings
from pocket.mesh.delegates import delegations, with_delegates
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    gateway,
    gateway_proxy,
    objects,
    service,
    sidecar,
    snapshot,
    virtual_service,
)
from tests.pocket.mesh.test_outbound import clusters, virtual_hosts

S2 = "s2.music.svc.cluster.local"
V1 = f"outbound|30001|v1|{S2}"


def named(name: str, namespace: str, text: str) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": yaml.safe_load(text),
    }


def root(text: str) -> Obj:
    return named("root", "music", "{hosts: [s2], http: [%s]}" % text)  # noqa: UP031 - full of braces


def delegate(text: str, namespace: str = "music", **more: Any) -> Obj:
    made = named("below", namespace, "{http: [%s]}" % text)  # noqa: UP031
    made["spec"] |= more
    return made


def merged(*listed: Obj) -> list[dict[str, Any]]:
    (whole,) = with_delegates(listed)
    return list(whole["spec"]["http"])


ROUTE = "route: [{destination: {host: s2}}]"
REF = "delegate: {name: below}"


def test_a_root_follows_its_delegates_in_order_and_keeps_its_own_rules() -> None:
    rules = merged(
        root(f"{{match: [{{uri: {{prefix: /a}}}}], {REF}}}, {{name: own, {ROUTE}}}"),
        delegate(f"{{name: one, match: [{{uri: {{exact: /a/1}}}}], {ROUTE}}}, {{name: two, {ROUTE}}}"),
    )
    assert [rule["name"] for rule in rules] == ["one", "two", "own"]
    assert [rule.get("match") for rule in rules] == [[{"uri": {"exact": "/a/1"}}], [{"uri": {"prefix": "/a"}}], None]


def test_a_delegate_alone_has_no_effect() -> None:
    assert with_delegates([delegate(f"{{{ROUTE}}}")]) == ()
    (default,) = virtual_hosts(service(), delegate(f"{{match: [{{uri: {{prefix: /x}}}}], {ROUTE}}}"))[f"{S2}:30001"][
        "routes"
    ]
    assert default["name"] == "default"


def test_settings_that_the_delegate_has_win_and_the_rest_is_the_roots() -> None:
    (rule,) = merged(
        root(f"{{name: up, timeout: 1s, retries: {{attempts: 3}}, rewrite: {{uri: /r}}, headers: {{request: {{set: {{a: root}}}}}}, mirrors: [{{destination: {{host: m}}}}], {REF}}}"),
        delegate(f"{{name: down, timeout: 2s, headers: {{response: {{set: {{b: down}}}}}}, {ROUTE}}}"),
    )  # fmt: skip
    assert rule["name"] == "up-down"
    assert (rule["timeout"], rule["retries"], rule["rewrite"]) == ("2s", {"attempts": 3}, {"uri": "/r"})
    assert rule["headers"] == {"response": {"set": {"b": "down"}}}, "taken whole, not field by field"
    assert rule["mirrors"] == [{"destination": {"host": "m.music.svc.cluster.local"}}]
    assert "delegate" not in rule


def test_names_mean_what_they_meant_where_they_were_written() -> None:
    rules = merged(
        root("{match: [{gateways: [gw]}], delegate: {name: below, namespace: other}}, {route: [{destination: {host: s2}}]}"),
        delegate("{route: [{destination: {host: s4}}], mirror: {host: s5}}", "other"),
    )  # fmt: skip
    assert rules[0]["route"][0]["destination"]["host"] == "s4.other.svc.cluster.local"
    assert rules[0]["mirror"]["host"] == "s5.other.svc.cluster.local"
    assert rules[0]["match"] == [{"gateways": ["music/gw"]}]
    assert rules[1]["route"][0]["destination"]["host"] == S2


@pytest.mark.parametrize(
    ("below", "problem"),
    [
        ([], "is not defined"),
        ([delegate(f"{{{ROUTE}}}", "other")], "is not defined"),
        ([delegate(f"{{{ROUTE}}}", hosts=["x.com"])], "has hosts of its own, so it is no delegate"),
        ([delegate(f"{{{ROUTE}}}", exportTo=["other"])], "is not exported to the namespace music"),
    ],
)
def test_one_that_is_not_there_takes_its_own_rule_away_and_no_other(below: list[Obj], problem: str) -> None:
    top = root(f"{{match: [{{uri: {{prefix: /a}}}}], {REF}}}, {{name: own, {ROUTE}}}")
    (whole,) = [obj for obj in with_delegates([top, *below]) if obj["metadata"]["name"] == "root"]
    assert [rule["name"] for rule in whole["spec"]["http"]] == ["own"]
    (found,) = delegations(top, below)
    assert found.problem == problem
    said = "\n".join(warnings(top, snapshot(service(), *below)))
    assert f'spec.http[0].delegate: VirtualService "music/below" {problem}: the rule has no effect' in said


@pytest.mark.parametrize("export", [["*"], ["."], ["music"]])
def test_export_to_the_roots_namespace(export: list[str]) -> None:
    assert merged(root(f"{{{REF}}}"), delegate(f"{{{ROUTE}}}", exportTo=export))
    assert bool(
        merged(root("{delegate: {name: below, namespace: other}}"), delegate(f"{{{ROUTE}}}", "other", exportTo=export))
    ) == (export != ["."])


@pytest.mark.parametrize(
    ("above", "below", "fits"),
    [
        ("uri: {prefix: /a}", "uri: {prefix: /a/b}", True),
        ("uri: {prefix: /a}", "uri: {prefix: /a}", True),
        ("uri: {prefix: /a/b}", "uri: {prefix: /a}", False),
        ("uri: {prefix: /a}", "uri: {exact: /a/b}", True),
        ("uri: {prefix: /a}", "uri: {exact: /b}", False),
        ("uri: {exact: /a}", "uri: {exact: /a}", True),
        ("uri: {exact: /a}", "uri: {exact: /b}", False),
        ("uri: {exact: /a}", "uri: {prefix: /a}", False),
        ("uri: {prefix: /a}", "uri: {regex: /a.*}", False),
        ("uri: {regex: /a.*}", "uri: {prefix: /a}", False),
        ("uri: {regex: /a.*}", "uri: {regex: /a.*}", False),
        ("uri: {regex: /a.*}", "method: {exact: GET}", True),
        ("method: {exact: GET}", "method: {exact: PUT}", False),
        ("authority: {prefix: a}", "authority: {exact: ab}", True),
        ("scheme: {exact: http}", "scheme: {exact: https}", False),
        ("headers: {x: {exact: a}}", "headers: {x: {exact: b}}", False),
        ("headers: {x: {exact: a}}", "headers: {y: {exact: b}}", True),
        ("withoutHeaders: {x: {exact: a}}", "withoutHeaders: {x: {prefix: a}}", False),
        ("queryParams: {x: {exact: a}}", "queryParams: {x: {exact: b}}", False),
        ("uri: {prefix: /a}, ignoreUriCase: true", "uri: {prefix: /a}", False),
        ("port: 80", "port: 81", False),
        ("port: 80", "uri: {prefix: /a}", True),
        ("sourceNamespace: music", "uri: {prefix: /a}", False),
        ("sourceNamespace: music", "sourceNamespace: music", True),
        ("sourceLabels: {app: a}", "sourceLabels: {app: b}", False),
        ("sourceLabels: {app: a}", "sourceLabels: {version: v1}", True),
        ("gateways: [gw]", "gateways: [gw]", True),
        ("gateways: [gw]", "gateways: [gw, mesh]", False),
        ("gateways: [gw, mesh]", "gateways: [other]", False),
    ],
)
def test_a_condition_of_the_delegate_must_be_within_one_of_the_roots(above: str, below: str, fits: bool) -> None:
    top, under = root(f"{{match: [{{{above}}}], {REF}}}"), delegate(f"{{match: [{{{below}}}], {ROUTE}}}")
    assert bool(merged(top, under)) == fits
    (found,) = delegations(top, [under])
    assert found.dropped == (() if fits else (0,))
    for said in (warnings(top, snapshot(service(), under)), warnings(under, snapshot(service(), top))):
        assert any("is not used" in one for one in said) == (not fits)


def test_conditions_are_joined_each_with_each() -> None:
    (rule,) = merged(
        root(f"{{match: [{{name: r1, uri: {{prefix: /a}}, headers: {{x: {{exact: '1'}}}}}}, {{name: r2, uri: {{prefix: /a/b}}}}], {REF}}}"),
        delegate(f"{{match: [{{name: d, uri: {{prefix: /a/b/c}}, headers: {{y: {{exact: '2'}}}}}}], {ROUTE}}}"),
    )  # fmt: skip
    assert rule["match"] == [
        {"name": "r1-d", "uri": {"prefix": "/a/b/c"}, "headers": {"x": {"exact": "1"}, "y": {"exact": "2"}}},
        {"name": "r2-d", "uri": {"prefix": "/a/b/c"}, "headers": {"y": {"exact": "2"}}},
    ]


def test_one_condition_that_fits_nothing_drops_the_whole_rule() -> None:
    assert not merged(
        root(f"{{match: [{{uri: {{prefix: /a}}}}], {REF}}}"),
        delegate(f"{{match: [{{uri: {{prefix: /a/b}}}}, {{uri: {{prefix: /c}}}}], {ROUTE}}}"),
    )


WEIGHTS = "route: [{destination: {host: s2, subset: v1}}]"


def test_gateway_and_mesh_follow_the_same_delegate() -> None:
    """One set of weights for both: the story's reason for delegates."""
    listed = (
        service(),
        gateway(),
        virtual_service("out", hosts=["*"], gateways=["gw"], http=[{"delegate": {"name": "below"}}]),
        virtual_service("in", hosts=["s2"], http=[{"delegate": {"name": "below"}}]),
        delegate(f"{{{WEIGHTS}}}"),
    )
    assert clusters(virtual_hosts(*listed)[f"{S2}:30001"]) == [V1]
    assert clusters(virtual_hosts(*listed, proxy=gateway_proxy())["*:80"]) == [V1]


def test_a_delegate_sees_the_ports_and_callers_of_the_root() -> None:
    listed = (
        service(),
        root(f"{{match: [{{sourceLabels: {{app: s1}}}}], {REF}}}, {{{ROUTE}}}"),
        delegate(f"{{{WEIGHTS}}}"),
    )
    assert clusters(virtual_hosts(*listed)[f"{S2}:30001"]) == [V1]
    assert clusters(virtual_hosts(*listed, proxy=sidecar("db"))[f"{S2}:30001"]) == [f"outbound|30001||{S2}"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (f"{{gateways: [gw], http: [{{{ROUTE}}}]}}", "spec.gateways: Invalid value: a delegate (no hosts)"),
        ("{tcp: [{route: [{destination: {host: s2}}]}]}", "spec.tcp: Invalid value: a delegate (no hosts)"),
        ("{tls: [{match: [{sniHosts: [a.com]}], route: [{destination: {host: s2}}]}]}", "spec.tls: Invalid value: a delegate"),
        (f"{{http: [{{{REF}}}]}}", "spec.http[0].delegate: Invalid value: a delegate (no hosts) cannot delegate further"),
        (f"{{hosts: [s2], http: [{{{REF}, {ROUTE}}}]}}", "spec.http[0].route: Invalid value: cannot be used together with delegate"),
        (f"{{hosts: [s2], http: [{{{REF}, redirect: {{uri: /}}}}]}}", "spec.http[0].redirect: Invalid value: cannot be used"),
        ("{http: [{name: x}]}", "exactly one of route, redirect and directResponse is needed"),
    ],
)  # fmt: skip
def test_what_delegation_does_not_allow(spec: str, problem: str) -> None:
    assert problem in "\n".join(map(str, check(named("x", "music", spec))))


def test_what_it_allows() -> None:
    assert check(root(f"{{timeout: 1s, fault: {{abort: {{httpStatus: 500}}}}, {REF}}}")) == []
    assert check(delegate(f"{{{ROUTE}}}")) == []
    assert warnings(delegate(f"{{{ROUTE}}}"), snapshot(service())) == []
    (whole,) = objects("""
kind: VirtualService
metadata: {name: root}
spec: {hosts: [s2], http: [{delegate: {name: below}}]}
""")
    assert warnings(whole, snapshot(service(), delegate(f"{{{ROUTE}}}"))) == []
