from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.model import Inbound, Proxy, Substitute
from pocket.mesh.translate import translate
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    destination_rule,
    gateway_proxy,
    pod,
    service,
    service_entry,
    sidecar,
    snapshot,
    virtual_service,
)

S2 = "s2.music.svc.cluster.local"
PODS = (pod(port=1), pod(version="v2", port=2))


def clusters(*things: Any, proxy: Proxy | None = None) -> dict[str, Any]:
    """With their endpoints in them, those that travel apart as well."""
    made = translate(snapshot(*things), proxy or sidecar())
    apart = {name: {"load_assignment": endpoints} for name, endpoints in made.endpoints.items()}
    return {name: {**cluster, **apart.get(name, {})} for name, cluster in made.clusters.items()}


def ports(cluster: dict[str, Any]) -> list[int]:
    return [
        endpoint["endpoint"]["address"]["socket_address"]["port_value"]
        for group in cluster["load_assignment"]["endpoints"]
        for endpoint in group["lb_endpoints"]
    ]


def test_one_for_the_service_and_one_for_each_subset() -> None:
    made = clusters(service(), destination_rule(), *PODS)
    assert ports(made[f"outbound|30001||{S2}"]) == [1, 2]
    assert ports(made[f"outbound|30001|v1|{S2}"]) == [1]
    assert ports(made[f"outbound|30001|v2|{S2}"]) == [2]


def test_a_subset_without_pods_exists_too() -> None:
    made = clusters(service(), destination_rule(), PODS[0])
    assert ports(made[f"outbound|30001|v2|{S2}"]) == []


def test_endpoints_and_clusters_carry_what_telemetry_needs() -> None:
    made = clusters(service(), *PODS)[f"outbound|30001||{S2}"]
    first = made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
    assert first["metadata"]["filter_metadata"]["istio"]["workload"] == "s2-v1"
    assert made["metadata"]["filter_metadata"]["istio"] == {
        "service": S2,
        "service_name": "s2",
        "service_namespace": "music",
        "protocol": "http",
    }


def test_a_subset_lays_its_policy_over_the_hosts() -> None:
    rule = destination_rule(
        subsets=(),
        trafficPolicy={"loadBalancer": {"simple": "RANDOM"}, "connectionPool": {"tcp": {"maxConnections": 7}}},
    )
    rule["spec"]["subsets"] = [
        {"name": "v1", "labels": {"version": "v1"}, "trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}
    ]
    made = clusters(service(), rule, *PODS)
    assert made[f"outbound|30001||{S2}"]["lb_policy"] == "RANDOM"
    assert made[f"outbound|30001|v1|{S2}"]["lb_policy"] == "ROUND_ROBIN"
    assert made[f"outbound|30001|v1|{S2}"]["circuit_breakers"]["thresholds"][0]["max_connections"] == 7


def test_inbound_leads_to_the_application() -> None:
    proxy = sidecar("s2", inbound=(Inbound(30001, 31001, 32001),))
    made = clusters(service(), proxy=proxy)["inbound|30001||"]
    assert ports(made) == [32001]
    assert made["metadata"]["filter_metadata"]["istio"]["service"] == S2


def test_what_listens_on_a_socket_is_reached_there() -> None:
    """An application behind its sidecar, and a pod that has none."""
    proxy = sidecar("s2", inbound=(Inbound(30001, 31001, 32001, socket="../../u/30001.sock"),))
    alone = pod(sockets={30001: "../../v/30001.sock"})
    made = clusters(service(), alone, proxy=proxy)
    for name, path in (("inbound|30001||", "../../u/30001.sock"), (f"outbound|30001||{S2}", "../../v/30001.sock")):
        (endpoint,) = made[name]["load_assignment"]["endpoints"][0]["lb_endpoints"]
        assert endpoint["endpoint"]["address"] == {"pipe": {"path": path}}


@pytest.mark.parametrize(("port_name", "http2"), [("http", False), ("grpc", True), ("http2-x", True)])
def test_http2_by_the_ports_protocol(port_name: str, http2: bool) -> None:
    made = clusters(service(port_name=port_name))[f"outbound|30001||{S2}"]
    (options,) = made["typed_extension_protocol_options"].values()
    assert ("http2_protocol_options" in options["explicit_http_config"]) is http2


def test_hosts_outside_are_resolved_without_holding_up_a_start() -> None:
    made = clusters(service_entry())["outbound|443||dynamo.example.com"]
    assert (made["cluster_type"]["name"], made["wait_for_warm_on_init"]) == ("envoy.cluster.dns", False)
    assert made["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] is False
    made = clusters(service_entry(resolution="DNS_ROUND_ROBIN"))["outbound|443||dynamo.example.com"]
    assert made["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] is True


@pytest.mark.parametrize("resolution", ["NONE", "DYNAMIC_DNS"])
def test_hosts_without_addresses_are_resolved_by_request(resolution: str) -> None:
    made = clusters(service_entry("*.example.com", resolution=resolution))["outbound|443||*.example.com"]
    assert made["cluster_type"]["name"] == "envoy.clusters.dynamic_forward_proxy"
    assert "type" not in made


def test_tcp_clusters_count_under_their_labels() -> None:
    made = clusters(service_entry())["outbound|443||dynamo.example.com"]
    assert made["alt_stat_name"].startswith("istio_tcp|source|dynamo.example.com|dynamo.example.com|music|s1|music|")
    assert "alt_stat_name" not in clusters(service())[f"outbound|30001||{S2}"]


def test_a_substitute_stands_for_the_service_entry() -> None:
    proxy = sidecar(substitutes=(Substitute("dynamo.example.com", 443, 31000, 20001),))
    made = clusters(service_entry(), proxy=proxy)
    assert ports(made["substitute|443||dynamo.example.com"]) == [20001]
    assert (
        made["substitute|443||dynamo.example.com"]["alt_stat_name"]
        == (made["outbound|443||dynamo.example.com"]["alt_stat_name"])
    )
    passed = clusters(proxy=proxy)["substitute|443||dynamo.example.com"]
    assert "PassthroughCluster" in passed["alt_stat_name"]


def test_sidecars_pass_unknown_hosts_on_and_gateways_do_not() -> None:
    assert {"PassthroughCluster", "PassthroughCluster-tcp", "BlackHoleCluster"} <= set(clusters())
    assert set(clusters(proxy=gateway_proxy())) == {"BlackHoleCluster"}


def test_weights_change_routes_and_nothing_else() -> None:
    def state(first: int) -> list[Obj | Any]:
        route = [
            {"destination": {"host": "s2", "subset": "v1"}, "weight": first},
            {"destination": {"host": "s2", "subset": "v2"}, "weight": 100 - first},
        ]
        return [service(), destination_rule(), virtual_service(http=[{"route": route}]), *PODS]

    before, after = translate(snapshot(*state(100)), sidecar()), translate(snapshot(*state(0)), sidecar())
    assert before.clusters == after.clusters
    assert before.listeners == after.listeners
    assert before.routes != after.routes
