from __future__ import annotations

import pytest

from pocket.mesh.registry import Address, host_forms, protocol_of, registry
from tests.pocket.mesh.kit import NS, objects, pod, service, service_entry, snapshot


@pytest.mark.parametrize(
    ("name", "app_protocol", "protocol"),
    [
        ("http", None, "http"),
        ("http-web", None, "http"),
        ("http2", None, "http2"),
        ("grpc-api", None, "grpc"),
        ("grpc-web", None, "http"),
        ("https", None, "tls"),
        ("tcp-x", None, "tcp"),
        ("redis", None, "tcp"),
        ("web", None, "auto"),
        ("httpx", None, "auto"),
        (None, None, "auto"),
        ("tcp", "http", "http"),
        ("http", "kubernetes.io/h2c", "http2"),
        ("http", "mine", "auto"),
    ],
)
def test_protocol_selection(name: str | None, app_protocol: str | None, protocol: str) -> None:
    assert protocol_of(name, app_protocol) == protocol


def test_a_service_has_its_ready_pods_as_addresses() -> None:
    (found,) = registry(
        snapshot(
            service(),
            pod(port=31001),
            pod(port=31002, ready=False),
            pod(port=31003, namespace="other"),
            pod("s9", port=31004),
        ),
        NS,
    )
    assert found.host == "s2.music.svc.cluster.local"
    assert [address.port for address in found.ports[0].addresses] == [31001]


def test_target_port_by_number_and_by_name() -> None:
    by_number = service("a", ports=[{"name": "http", "port": 80, "targetPort": 30001}], selector={"app": "s2"})
    by_name = service("b", ports=[{"name": "http", "port": 80, "targetPort": "web"}], selector={"app": "s2"})
    unknown = service("c", ports=[{"name": "http", "port": 80, "targetPort": "other"}], selector={"app": "s2"})
    found = registry(snapshot(by_number, by_name, unknown, pod(port_names={"web": 30001})), NS)
    assert [[address.port for address in one.ports[0].addresses] for one in found] == [[31001], [31001], []]


def test_pods_that_are_not_ready_count_where_the_service_says_so() -> None:
    (found,) = registry(snapshot(service(publishNotReadyAddresses=True), pod(ready=False)), NS)
    assert len(found.ports[0].addresses) == 1


def test_a_service_without_selector_takes_the_endpoints_object_of_its_name() -> None:
    manual = objects("""
kind: Endpoints
metadata: {name: s2}
subsets: [{addresses: [{ip: 127.0.0.1}, {ip: 10.0.0.9}], ports: [{name: http, port: 20002}, {name: other, port: 1}]}]
""")
    (found,) = registry(snapshot(service(selector=None), *manual, pod()), NS)
    assert found.ports[0].addresses == (Address("127.0.0.1", 20002), Address("10.0.0.9", 20002))


def test_an_external_name_is_resolved() -> None:
    (found,) = registry(snapshot(service(type="ExternalName", externalName="example.com")), NS)
    assert (found.resolution, found.external) == ("dns", True)
    assert found.ports[0].addresses == (Address("example.com", 30001),)


def test_udp_ports_are_left_out() -> None:
    (found,) = registry(snapshot(service(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}])), NS)
    assert found.ports == ()


def test_service_entries() -> None:
    (found,) = registry(snapshot(service_entry(location="MESH_EXTERNAL")), NS)
    assert (found.host, found.name, found.external, found.resolution) == (
        "dynamo.example.com", "dynamo.example.com", True, "dns",
    )  # fmt: skip
    assert found.ports[0].protocol == "tls"
    assert found.ports[0].addresses == (Address("dynamo.example.com", 443),)


def test_static_endpoints_of_a_service_entry() -> None:
    entry = service_entry(
        resolution="STATIC",
        endpoints=[
            {"address": "10.0.0.1", "labels": {"version": "v1"}, "weight": 3},
            {"address": "10.0.0.2", "ports": {"tls": 8443}},
        ],
    )
    (found,) = registry(snapshot(entry), NS)
    assert found.ports[0].addresses == (
        Address("10.0.0.1", 443, {"version": "v1"}, weight=3),
        Address("10.0.0.2", 8443),
    )


def test_a_service_entry_that_is_not_exported_is_seen_at_home_only() -> None:
    state = snapshot(service_entry(exportTo=["."]))
    assert len(registry(state, NS)) == 1
    assert registry(state, "elsewhere") == ()


def test_a_service_goes_before_a_service_entry_of_its_name() -> None:
    (found,) = registry(snapshot(service(), service_entry("s2.music.svc.cluster.local")), NS)
    assert found.from_service


def test_the_forms_of_a_host_depend_on_who_calls() -> None:
    (found,) = registry(snapshot(service(clusterIP="10.96.0.7")), NS)
    assert host_forms(found, NS) == ["s2.music.svc.cluster.local.", "s2", "s2.music.svc", "s2.music", "10.96.0.7"]
    assert "s2" not in host_forms(found, "elsewhere")
