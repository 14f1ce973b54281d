from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.model import Inbound, Proxy, Substitute
from pocket.mesh.translate import translate
from tests.pocket.mesh.kit import gateway, gateway_proxy, service, service_entry, sidecar, snapshot

S2 = sidecar("s2", inbound=(Inbound(30001, 31001, 32001),))


def listeners(*things: Any, proxy: Proxy) -> dict[str, Any]:
    return dict(translate(snapshot(*things), proxy).listeners)


def manager(listener: dict[str, Any]) -> dict[str, Any]:
    return dict(listener["filter_chains"][0]["filters"][0]["typed_config"])


def test_none_shares_its_port_or_leaves_loopback() -> None:
    proxy = sidecar(inbound=(Inbound(30000, 1, 2),), substitutes=(Substitute("a.com", 443, 3, 4),))
    made = listeners(service(), proxy=proxy) | listeners(gateway(), proxy=gateway_proxy())
    assert set(made) == {"outbound", "inbound_30000", "substitute|443||a.com", "gateway_80", "metrics"}
    for name, listener in made.items():
        assert listener["enable_reuse_port"] is (name == "gateway_80"), "only a gateway hands its port over"
        assert listener["address"]["socket_address"]["address"] == "127.0.0.1"


@pytest.mark.parametrize(("port_name", "http"), [("http", True), ("grpc", True), ("web", True), ("tcp", False)])
def test_an_inbound_listener_speaks_the_protocol_of_the_service(port_name: str, http: bool) -> None:
    made = manager(listeners(service(port_name=port_name), proxy=S2)["inbound_30001"])
    assert ("http_filters" in made) is http


def test_a_named_target_port_is_found_by_the_inbounds_name() -> None:
    named = service(ports=[{"name": "tcp", "port": 1, "targetPort": "db"}])
    proxy = sidecar("s2", inbound=(Inbound(30001, 31001, 32001, "db"),))
    assert "http_filters" not in manager(listeners(named, proxy=proxy)["inbound_30001"])


def test_inbound_takes_the_callers_identity_and_retries_only_what_was_not_sent() -> None:
    made = manager(listeners(service(), proxy=S2)["inbound_30001"])
    assert [one["name"] for one in made["http_filters"]] == [
        "envoy.filters.http.header_to_metadata", "envoy.filters.http.router",
    ]  # fmt: skip
    (route,) = made["route_config"]["virtual_hosts"][0]["routes"]
    assert route["route"]["retry_policy"]["retry_on"] == "reset-before-request,connect-failure"


def test_the_gateway_starts_the_forwarded_headers_anew() -> None:
    made = manager(listeners(gateway(), proxy=gateway_proxy())["gateway_80"])
    assert made["use_remote_address"] is True
    assert made["rds"]["route_config_name"] == "http.31993"


def test_listeners_do_not_change_with_endpoints_or_routes() -> None:
    """A changed listener drains its connections; so nothing that changes often may stand in one."""
    proxy = sidecar(substitutes=(Substitute("dynamo.example.com", 443, 3, 4),))
    assert listeners(service(), proxy=proxy) == listeners(service("other"), service_entry(), proxy=proxy)
