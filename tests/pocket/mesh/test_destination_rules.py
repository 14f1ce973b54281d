from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.destination_rules import DestinationRules
from pocket.mesh.registry import MeshService, registry
from pocket.objects import Obj
from tests.pocket.mesh.kit import NS, destination_rule, gateway_proxy, service, sidecar, snapshot

S2 = "s2.music.svc.cluster.local"


def s2() -> MeshService:
    return registry(snapshot(service()), NS)[0]


def rule(namespace: str, host: str, day: int = 1, **spec: Any) -> Obj:
    made = destination_rule(host, **spec)
    created = f"2026-01-{day:02}T00:00:00Z"
    made["metadata"] = {"name": f"{namespace}-{host}-{day}", "namespace": namespace, "creationTimestamp": created}
    return made


def found(*rules: Obj, namespace: str = NS, labels: dict[str, str] | None = None) -> list[str]:
    """The names of the rules that hold for s2 at a sidecar of the namespace."""
    proxy = sidecar(namespace=namespace, labels=labels or {})
    holds = DestinationRules(rules).find(s2(), proxy)
    return list(holds.names) if holds else []


OWN, WILD = rule("callers", S2), rule("callers", "*.music.svc.cluster.local")
THEIRS, ROOT = rule(NS, "s2"), rule("istio-system", "*.local")


@pytest.mark.parametrize(
    ("rules", "namespace", "name"),
    [
        ([ROOT, THEIRS, WILD, OWN], "callers", "callers-s2.music.svc.cluster.local-1"),
        ([ROOT, THEIRS, WILD], "callers", "callers-*.music.svc.cluster.local-1"),
        ([ROOT, THEIRS, WILD], "others", "music-s2-1"),
        ([ROOT], "others", "istio-system-*.local-1"),
        ([rule("third", S2)], "others", None),
    ],
)
def test_the_callers_namespace_then_the_services_then_the_root(
    rules: list[Obj], namespace: str, name: str | None
) -> None:
    assert found(*rules, namespace=namespace) == ([name] if name else [])


def test_what_the_root_namespace_says_to_all_does_not_hide_the_services_rule_from_the_gateway() -> None:
    """Seen live: outlier detection for `*.local` took the subsets away from the gateway, and all music was 503."""
    gateway = gateway_proxy()
    holds = DestinationRules([ROOT, THEIRS]).find(s2(), gateway)
    assert holds
    assert holds.names == ("music-s2-1",)
    assert [subset["name"] for subset in holds.spec["subsets"]] == ["v1", "v2"]
    alone = DestinationRules([ROOT]).find(s2(), gateway)
    assert alone
    assert alone.names == ("istio-system-*.local-1",)


def test_a_private_rule_of_the_root_namespace_is_meant_for_the_gateway() -> None:
    private = rule("istio-system", S2, exportTo=["."])
    holds = DestinationRules([private, THEIRS]).find(s2(), gateway_proxy())
    assert holds
    assert holds.namespace == "istio-system"
    assert found(private, THEIRS) == ["music-s2-1"]


def test_export() -> None:
    assert found(rule(NS, "s2", exportTo=["."]), namespace="callers") == []
    assert found(rule(NS, "s2", exportTo=["callers"]), namespace="callers") == ["music-s2-1"]
    assert found(rule(NS, "s2", exportTo=["callers"]), namespace="others") == []


def test_two_rules_for_one_host_are_merged() -> None:
    first = rule(NS, "s2", 1, subsets=("v1",))
    second = rule(NS, "s2", 2, trafficPolicy={"loadBalancer": {"simple": "RANDOM"}})
    third = rule(NS, "s2", 3, subsets=("v1",), trafficPolicy={"loadBalancer": {"simple": "ROUND_ROBIN"}})
    holds = DestinationRules([third, second, first]).find(s2(), sidecar())
    assert holds
    assert [subset["name"] for subset in holds.spec["subsets"]] == ["v1", "v2"]
    assert holds.spec["trafficPolicy"] == {"loadBalancer": {"simple": "RANDOM"}}
    assert holds.names == ("music-s2-1", "music-s2-2", "music-s2-3")
    assert "trafficPolicy" not in first["spec"], "objects are not changed"


def test_rules_that_are_exported_differently_stay_apart() -> None:
    assert found(rule(NS, "s2", 1), rule(NS, "s2", 2, exportTo=["."])) == ["music-s2-2"]
    assert found(rule(NS, "s2", 1), rule(NS, "s2", 2, exportTo=["."]), namespace="callers") == ["music-s2-1"]


def test_a_rule_for_some_pods_goes_first_there() -> None:
    some = rule(NS, "s2", 2, workloadSelector={"matchLabels": {"app": "s1"}})
    assert found(THEIRS, some, labels={"app": "s1", "version": "v1"}) == ["music-s2-2"]
    assert found(THEIRS, some, labels={"app": "db"}) == ["music-s2-1"]
    assert found(some, namespace="callers", labels={"app": "s1"}) == []
