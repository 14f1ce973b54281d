from __future__ import annotations

from typing import Any

from pocket.mesh.model import GatewayPort, Proxy, Substitute
from pocket.mesh.translate import translate
from tests.pocket.mesh.kit import (
    gateway,
    gateway_proxy,
    service,
    service_entry,
    sidecar,
    snapshot,
    virtual_service,
)

S2 = "s2.music.svc.cluster.local"
TO_S2 = {"route": [{"destination": {"host": "s2"}}]}


def virtual_hosts(*things: Any, proxy: Proxy | None = None) -> dict[str, Any]:
    (routes,) = translate(snapshot(*things), proxy or sidecar()).routes.values()
    return {one["name"]: one for one in routes["virtual_hosts"]}


def domain(hosts: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in hosts.values() if name in one["domains"]]
    return dict(found)


def clusters(virtual_host: dict[str, Any]) -> list[str]:
    return [route["route"]["cluster"] for route in virtual_host["routes"]]


def aged(obj: dict[str, Any], name: str, day: int) -> dict[str, Any]:
    obj["metadata"] |= {"name": name, "creationTimestamp": f"2026-01-{day:02}T00:00:00Z"}
    return obj


def test_a_service_answers_to_all_its_names() -> None:
    found = virtual_hosts(service())[f"{S2}:30001"]
    names = [S2, f"{S2}.", "s2", "s2.music.svc", "s2.music"]
    assert found["domains"] == [f"{name}:30001" for name in names]
    assert clusters(found) == [f"outbound|30001||{S2}"]


def test_on_port_80_the_name_alone_will_do() -> None:
    assert "s2" in virtual_hosts(service(port=80))[f"{S2}:80"]["domains"]


def test_unknown_hosts_pass_through() -> None:
    tunnel, plain = virtual_hosts(service())["allow_any"]["routes"]
    assert tunnel["route"]["cluster"] == "PassthroughCluster-tcp"
    assert plain["route"]["cluster"] == "PassthroughCluster"


def test_outside_the_mesh_there_are_names_and_no_rules() -> None:
    rules = virtual_service(http=[{"fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}, **TO_S2}])
    entry = service_entry("dynamo.example.com")
    found = virtual_hosts(service(), rules, entry, proxy=sidecar(mode="plain"))
    assert set(found) == {f"{S2}:30001", "allow_any"}, "what the cluster knows, and the world outside"
    (route,) = found[f"{S2}:30001"]["routes"]
    assert route == {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {
            "cluster": f"outbound|30001||{S2}",
            "timeout": "0s",
            "retry_policy": {"retry_on": "reset-before-request", "num_retries": 1},
        },
    }
    assert domain(found, "s2:30001") == domain(found, f"{S2}:30001")


def test_a_virtual_service_rules_its_host() -> None:
    rules = virtual_service(http=[{"match": [{"uri": {"prefix": "/a"}}], **TO_S2}])
    found = virtual_hosts(service(), rules)[f"{S2}:30001"]
    assert [route["match"] for route in found["routes"]] == [{"prefix": "/a"}]  # anything else gets 404, as in Istio


def test_the_oldest_of_two_for_one_host_rules_in_the_mesh() -> None:
    old = aged(virtual_service(http=[{"name": "old", **TO_S2}]), "b", 1)
    new = aged(virtual_service(http=[{"name": "new", **TO_S2}]), "a", 2)
    assert virtual_hosts(service(), new, old)[f"{S2}:30001"]["routes"][0]["name"] == "old"


def test_an_exact_host_goes_before_a_wildcard() -> None:
    wild = virtual_service("wild", hosts=["*.music.svc.cluster.local"], http=[{"name": "wild", **TO_S2}])
    exact = virtual_service("exact", hosts=["s2"], http=[{"name": "exact", **TO_S2}])
    found = virtual_hosts(service(), service("s3"), wild, exact)
    assert found[f"{S2}:30001"]["routes"][0]["name"] == "exact"
    assert found["s3.music.svc.cluster.local:30001"]["routes"][0]["name"] == "wild"


def test_rules_for_others_leave_the_default_route() -> None:
    rules = virtual_service(http=[{"match": [{"sourceLabels": {"app": "other"}}], **TO_S2}])
    assert virtual_hosts(service(), rules)[f"{S2}:30001"]["routes"][0]["name"] == "default"


def test_rules_for_gateways_only_are_none_of_the_meshs() -> None:
    rules = virtual_service(gateways=["gw"], http=[{"name": "rule", **TO_S2}])
    assert virtual_hosts(service(), gateway(), rules)[f"{S2}:30001"]["routes"][0]["name"] == "default"


def test_rules_that_are_not_exported_hold_at_home() -> None:
    rules = virtual_service(exportTo=["."], http=[{"name": "rule", **TO_S2}])
    away = sidecar(namespace="away")
    assert virtual_hosts(service(), rules, proxy=away)[f"{S2}:30001"]["routes"][0]["name"] == "default"
    assert virtual_hosts(service(), rules)[f"{S2}:30001"]["routes"][0]["name"] == "rule"


def test_a_host_without_service_is_served_on_port_80() -> None:
    found = virtual_hosts(service(), virtual_service(hosts=["made.up"], http=[TO_S2]))["made.up:80"]
    assert found["domains"] == ["made.up:80", "made.up"]


def test_no_domain_stands_twice() -> None:
    twice = service_entry(["s2.music", "30001"][0], number=30001, protocol="HTTP")
    found = virtual_hosts(service(), twice)
    names = [name for one in found.values() for name in one["domains"]]
    assert len(names) == len(set(names))


# -- tunnels ----------------------------------------------------------------------------------------------------------


def tunnel(found: dict[str, Any]) -> Any:
    first = found["routes"][0]
    assert first["match"] == {"connect_matcher": {}}
    return first["route"]


def test_a_tls_service_entry_is_reached_through_a_tunnel() -> None:
    found = virtual_hosts(service_entry())["dynamo.example.com:443"]
    assert tunnel(found)["cluster"] == "outbound|443||dynamo.example.com"
    assert found["domains"] == ["dynamo.example.com:443", "dynamo.example.com.:443"]


def test_tls_rules_by_server_name() -> None:
    rules = virtual_service(
        hosts=["*.example.com"],
        tls=[
            {
                "match": [{"port": 443, "sniHosts": ["a.example.com"]}],
                "route": [
                    {"destination": {"host": "one.example.com"}, "weight": 1},
                    {"destination": {"host": "two.example.com"}, "weight": 3},
                ],
            },
            {"match": [{"sniHosts": ["*.example.com"]}], "route": [{"destination": {"host": "dynamo.example.com"}}]},
        ],
    )
    found = virtual_hosts(service_entry(), rules)
    weighted = tunnel(domain(found, "a.example.com:443"))["weighted_clusters"]["clusters"]
    assert [(one["name"], one["weight"]) for one in weighted] == [
        ("outbound|443||one.example.com", 1),
        ("outbound|443||two.example.com", 3),
    ]
    assert tunnel(domain(found, "*.example.com:443"))["cluster"] == "outbound|443||dynamo.example.com"


def test_tcp_rules() -> None:
    rules = virtual_service(
        hosts=["s2"],
        tcp=[
            {"match": [{"sourceLabels": {"app": "other"}}], "route": [{"destination": {"host": "s9"}}]},
            {"match": [{"port": 30001}], "route": [{"destination": {"host": "s3", "port": {"number": 5}}}]},
        ],
    )
    found = virtual_hosts(service(port_name="tcp"), rules)[f"{S2}:30001"]
    assert tunnel(found)["cluster"] == "outbound|5||s3.music.svc.cluster.local"


def test_a_substitute_follows_the_rules_of_the_host_it_stands_for() -> None:
    proxy = sidecar(substitutes=(Substitute("dynamo.example.com", 443, 31000, 20001),))

    def target(*things: Any) -> Any:
        listener = translate(snapshot(*things), proxy).listeners["substitute|443||dynamo.example.com"]
        return listener["filter_chains"][0]["filters"][0]["typed_config"]["cluster"]

    assert target() == "substitute|443||dynamo.example.com"
    usual = virtual_service(
        hosts=["dynamo.example.com"],
        tls=[
            {
                "match": [{"sniHosts": ["dynamo.example.com"]}],
                "route": [{"destination": {"host": "dynamo.example.com"}}],
            }
        ],
    )
    assert target(service_entry(), usual) == "substitute|443||dynamo.example.com"
    usual["spec"]["tls"][0]["route"][0]["destination"] = {"host": "s2", "port": {"number": 1}}
    assert target(service_entry(), usual) == f"outbound|1||{S2}"


# -- gateways ---------------------------------------------------------------------------------------------------------


def at_gateway(*things: Any) -> dict[str, Any]:
    return virtual_hosts(*things, proxy=gateway_proxy())


def test_a_gateway_without_rules_answers_404() -> None:
    found = at_gateway(gateway())
    assert found == {"blackhole:80": {"name": "blackhole:80", "domains": ["*"], "routes": []}}


def test_rules_of_several_virtual_services_for_one_host_are_joined_and_those_for_everything_come_last() -> None:
    everything = aged(virtual_service(hosts=["*"], gateways=["gw"], http=[{"name": "all", **TO_S2}]), "a", 1)
    user = aged(
        virtual_service(
            hosts=["*"], gateways=["music/gw"], http=[{"name": "user", "match": [{"uri": {"prefix": "/u"}}], **TO_S2}]
        ),
        "b",
        2,
    )
    found = at_gateway(gateway(), service(), everything, user)["*:80"]
    assert [route["name"] for route in found["routes"]] == ["user", "all"]


def test_hosts_of_gateway_and_virtual_service_are_narrowed_to_what_both_say() -> None:
    rules = virtual_service(hosts=["a.example.com", "other.net"], gateways=["gw"], http=[TO_S2])
    assert set(at_gateway(gateway(hosts=["*.example.com"]), rules)) == {"a.example.com:80", "blackhole:80"}
    rules["spec"]["hosts"] = ["*"]
    assert set(at_gateway(gateway(hosts=["*.example.com"]), rules)) == {"*.example.com:80", "blackhole:80"}
    assert set(at_gateway(gateway(hosts=["music/*"]), rules)) == {"*:80"}
    assert set(at_gateway(gateway(hosts=["./*"]), rules)) == {"*:80"}
    assert set(at_gateway(gateway(hosts=["elsewhere/*"]), rules)) == {"blackhole:80"}


def test_the_number_of_a_server_is_a_port_of_the_gateways_service_or_of_its_pod() -> None:
    """`number: 8080`, as Istio's bookinfo-gateway.yaml has it, where the Service maps 80 to 8080."""
    proxy = gateway_proxy(gateway_ports=(GatewayPort(80, 1, 8080),))
    rules = virtual_service(hosts=["*"], gateways=["gw"], http=[TO_S2])
    for number in (80, 8080):
        assert f"*:{number}" in virtual_hosts(gateway(number=number), service(), rules, proxy=proxy)
    assert not translate(snapshot(gateway(number=8081), service(), rules), proxy).routes
    both = (GatewayPort(80, 1, 8080), GatewayPort(8080, 2, 9090))
    (routes,) = translate(snapshot(gateway(number=8080)), gateway_proxy(gateway_ports=both)).routes
    assert routes == "http.2", "the Service's port goes first"


def test_a_gateway_concerns_the_pods_and_ports_that_it_names() -> None:
    def listeners(one: dict[str, Any], **fields: Any) -> set[str]:
        return set(translate(snapshot(one), gateway_proxy(**fields)).listeners) - {"metrics"}

    assert listeners(gateway()) == {"gateway_80"}
    assert listeners(gateway(number=8443)) == set()
    assert listeners(gateway(), labels={"istio": "other"}) == set()
    two = (GatewayPort(80, 1), GatewayPort(8443, 2))
    assert listeners(gateway(number=8443), gateway_ports=two) == {"gateway_8443"}


def test_redirect_to_https() -> None:
    one = gateway()
    one["spec"]["servers"][0]["tls"] = {"httpsRedirect": True}
    rules = virtual_service(hosts=["*"], gateways=["gw"], http=[TO_S2])
    assert at_gateway(one, rules)["*:80"]["require_tls"] == "ALL"


def test_unbound_virtual_services_have_no_place_at_a_gateway() -> None:
    assert set(at_gateway(gateway(), virtual_service(hosts=["*"], http=[TO_S2]))) == {"blackhole:80"}
    assert set(at_gateway(gateway(), virtual_service(hosts=["*"], gateways=["other/gw"], http=[TO_S2]))) == {
        "blackhole:80"
    }
