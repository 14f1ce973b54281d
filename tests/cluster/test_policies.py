"""The policies of cluster/ speak of accounts, labels and paths that there are.

What comes of them tests/e2e/test_security.py asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pocket import builtin
from pocket.mesh.peers import PROMETHEUS, principal
from tests.cluster.charts import ROOT, the
from tests.cluster.test_objects import ALL, OBJECTS, of_kind

POLICIES = of_kind("AuthorizationPolicy")
PRIMARY = "cmpt756s2-primary"
"""What Flagger labels its copy of s2 with; its account is that of s2."""


def rules() -> Iterator[dict[str, Any]]:
    for obj in POLICIES:
        yield from obj["spec"].get("rules", ())


def principals() -> set[str]:
    return {one for rule in rules() for source in rule["from"] for one in source["source"]["principals"]}


def operations(app: str) -> list[tuple[set[str], str, str]]:
    """Who, method, path."""
    (policy,) = (obj for obj in POLICIES if obj["metadata"]["name"] == app)
    assert policy["spec"]["selector"] == {"matchLabels": {"app": app}}
    return [
        ({one.rpartition("/")[2] for source in rule["from"] for one in source["source"]["principals"]}, method, path)
        for rule in policy["spec"]["rules"]
        for to in rule["to"]
        for method in to["operation"].get("methods", ["*"])
        for path in to["operation"]["paths"]
    ]


def test_strict_and_nothing_by_default() -> None:
    (peers,) = of_kind("PeerAuthentication")
    assert peers["spec"] == {"mtls": {"mode": "STRICT"}}
    assert [obj["metadata"]["name"] for obj in POLICIES if obj["spec"] == {}] == ["allow-nothing"]
    assert POLICIES[-1]["spec"] == {}, "what refuses everything is applied first, and refuses while the others come"
    assert all(rule["from"] and rule["to"] for rule in rules()), "a rule without one of them is for everybody or all"
    assert all("action" not in obj["spec"] for obj in POLICIES)


def test_principals_are_those_that_there_are() -> None:
    ours = {principal("c756ns", obj["metadata"]["name"]) for obj in of_kind("ServiceAccount")}
    assert {one for one in principals() if "/ns/c756ns/" in one} <= ours
    assert {principal(builtin.ISTIO_NAMESPACE, builtin.GATEWAY), PROMETHEUS} <= principals()


def test_principals_of_the_charts() -> None:
    gateway = the("istio-ingressgateway", "Deployment", "istio-ingressgateway")
    (prometheus,) = (the("monitoring", "Prometheus", name) for name in ("monitoring-prometheus",))
    accounts = (gateway["spec"]["template"]["spec"]["serviceAccountName"], prometheus["spec"]["serviceAccountName"])
    assert {principal("istio-system", account) for account in accounts} <= principals()


def test_every_path_of_the_datastore_is_somebodys() -> None:
    document = json.loads((ROOT / "db/openapi.json").read_text())
    there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    allowed = {(method, path) for _, method, path in operations("cmpt756db")}
    # The kubelet's, which asks past the sidecar.
    assert there - allowed == {("GET", "/api/v1/datastore/health")}
    assert allowed <= there


def test_only_the_loader_loads_and_only_s1_changes_users() -> None:
    who = {(method, path.rpartition("/")[2]): accounts for accounts, method, path in operations("cmpt756db")}
    assert who["POST", "load"] == {"cmpt756loader"}
    assert who["PUT", "update"] == {"cmpt756s1"}
    assert who["GET", "list"] == {"cmpt756s2"}


def test_the_gateway_reaches_what_its_routes_lead_to() -> None:
    routes = {
        http["match"][0]["uri"]["prefix"]
        for name in ("s1-vs.yaml", "s2-vs.yaml")
        for obj in OBJECTS[name]
        if "c756-gateway" in obj["spec"].get("gateways", ())
        for http in obj["spec"]["http"]
    }
    assert operations(PRIMARY) == operations("cmpt756s2")
    paths = {path for app in ("cmpt756s1", "cmpt756s2") for _, _, path in operations(app)}
    assert paths == routes | {f"{prefix}/*" for prefix in routes}


def test_network_policies_select_pods_and_ports_that_there_are() -> None:
    templates = [
        obj["spec"]["template"] for _, obj in ALL if obj["kind"] in ("Deployment", "Job") and "template" in obj["spec"]
    ]
    apps = {template["metadata"]["labels"]["app"] for template in templates} | {PRIMARY}
    ports = {
        port["name"]
        for template in templates
        for container in template["spec"]["containers"]
        for port in container.get("ports", ())
    }
    policies = [obj for _, obj in ALL if obj["kind"] == "NetworkPolicy"]
    assert {obj["metadata"]["name"] for obj in policies} >= {"allow-nothing", "cmpt756db", "dynamodb"}
    for obj in policies:
        spec = obj["spec"]
        assert spec["policyTypes"] == ["Ingress"]
        selectors = [spec["podSelector"]]
        for rule in spec.get("ingress", ()):
            assert {port["port"] for port in rule["ports"]} <= ports | {15020, 15021, 15090}
            for peer in rule.get("from", ()):
                selectors.append(peer.get("podSelector", {}))
        for selector in selectors:
            named = {value for one in selector.get("matchExpressions", ()) for value in one["values"]}
            assert named | set(selector.get("matchLabels", {}).values()) <= apps


def test_network_policies_let_in_whom_policies_let_in() -> None:
    """The one names pods, the other accounts; ours have the same names."""
    (policy,) = (obj for obj in of_kind("NetworkPolicy") if obj["metadata"]["name"] == "cmpt756db")
    (pods, _) = policy["spec"]["ingress"][0]["from"]
    callers = set().union(*(accounts for accounts, _, _ in operations("cmpt756db")))
    assert set(pods["podSelector"]["matchExpressions"][0]["values"]) == callers | {PRIMARY}
