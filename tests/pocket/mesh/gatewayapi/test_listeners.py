# ruff: noqa: E501 - one case a line
from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.gatewayapi.convert import convert
from pocket.objects import Obj
from tests.pocket.mesh.gatewayapi.kit import GROUP, gateway_of, grant, ingress, ingress_pod, listener, route, rule
from tests.pocket.mesh.kit import service, snapshot

HTTPS = {"tls": {"certificateRefs": [{"name": "cert"}]}}


def status(door: Obj, *things: Any) -> Obj:
    made = convert(snapshot(ingress(80, 443), ingress_pod(80, 443), service(), door, *things))
    return dict(made.statuses[f"Gateway.{GROUP}", door["metadata"]["namespace"], door["metadata"]["name"]])


def condition(where: Obj, kind: str) -> tuple[str, str, str]:
    found = next(one for one in where["conditions"] if one["type"] == kind)
    return found["status"], found["reason"], found["message"]


def secret(namespace: str = "istio-system", **data: str) -> Obj:
    meta = {"name": "cert", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "data": data or {"tls.crt": "eA==", "tls.key": "eA=="},
    }


def test_all_is_well() -> None:
    found = status(gateway_of(listener()), route(rule()), route(rule(), name="second"))
    assert condition(found, "Accepted") == ("True", "Accepted", "Resource accepted")
    words = "Resource programmed, assigned to service(s) istio-ingressgateway.istio-system.svc.cluster.local:80"
    assert condition(found, "Programmed") == ("True", "Programmed", words)
    assert found["addresses"] == [{"type": "IPAddress", "value": "127.0.0.1"}]
    (one,) = found["listeners"]
    assert one["attachedRoutes"] == 2
    assert [kind["kind"] for kind in one["supportedKinds"]] == ["HTTPRoute", "GRPCRoute"]
    assert {entry["type"]: entry["status"] for entry in one["conditions"]} == {
        "Accepted": "True", "Conflicted": "False", "Programmed": "True", "ResolvedRefs": "True"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "reason", "words"),
    [
        (
            {"addresses": [{"value": "nobody"}]},
            "AddressNotUsable",
            'hostname "nobody.istio-system.svc.cluster.local" not found',
        ),
        ({"addresses": [{"type": "IPAddress", "value": "1.2.3.4"}]}, "UnsupportedAddress", "Failed to assign to any"),
        ({"listeners": [listener(port=81)]}, "AddressNotUsable", "port 81 not found for hostname"),
    ],
)
def test_where_a_gateway_is_nowhere(changed: Obj, reason: str, words: str) -> None:
    value, found, message = condition(status(gateway_of(**{"listeners": [listener()], **changed})), "Programmed")
    assert (value, found) == ("False", reason)
    assert words in message


def test_a_gateway_of_another_namespace_has_no_such_service() -> None:
    address = [{"type": "Hostname", "value": "istio-ingressgateway.istio-system.svc.cluster.local"}]
    _, reason, message = condition(status(gateway_of(listener(), namespace="music", addresses=address)), "Programmed")
    assert reason == "AddressNotUsable"
    assert 'but it was found in namespace(s) "istio-system"' in message
    assert condition(status(gateway_of(listener(), namespace="music", addresses=[])), "Programmed")[0] == "True"


@pytest.mark.parametrize(
    ("changed", "things", "kind", "reason"),
    [
        (HTTPS, (), "ResolvedRefs", "InvalidCertificateRef"),
        (HTTPS, (secret(**{"tls.crt": "eA=="}),), "ResolvedRefs", "InvalidCertificateRef"),
        (HTTPS, (secret(),), "ResolvedRefs", "ResolvedRefs"),
        ({"tls": {"certificateRefs": [{"name": "cert", "namespace": "other"}]}}, (secret("other"),), "ResolvedRefs", "RefNotPermitted"),
        (
            {"tls": {"certificateRefs": [{"name": "cert", "namespace": "other"}]}},
            (secret("other"), grant("Gateway", "istio-system", to="Secret")), "ResolvedRefs", "ResolvedRefs",
        ),
        ({"tls": {"mode": "Passthrough"}, "protocol": "TLS"}, (), "ResolvedRefs", "ResolvedRefs"),
        ({"protocol": "http"}, (), "Accepted", "UnsupportedProtocol"),
        ({"allowedRoutes": {"kinds": [{"kind": "TCPRoute"}]}}, (), "ResolvedRefs", "InvalidRouteKinds"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_listener(changed: Obj, things: tuple[Obj, ...], kind: str, reason: str) -> None:
    found = status(gateway_of(listener(**{"port": 443, "protocol": "HTTPS", **changed})), *things)
    assert condition(found["listeners"][0], kind)[1] == reason


def test_some_listeners_are_invalid() -> None:
    found = status(gateway_of(listener(), listener("https", 443, "HTTPS", **HTTPS)))
    assert condition(found, "Accepted")[:2] == ("True", "ListenersNotValid")
    found = status(gateway_of(listener("https", 443, "HTTPS", **HTTPS)))
    assert condition(found, "Accepted")[:2] == ("False", "ListenersNotValid")


def test_the_secret_of_a_listener_may_be_elsewhere() -> None:
    tls = {"tls": {"certificateRefs": [{"name": "cert", "namespace": "other"}]}}
    allowed = grant("Gateway", "istio-system", to="Secret")
    door = gateway_of(listener("https", 443, "HTTPS", **tls))
    (made,) = convert(snapshot(ingress(443), door, secret("other"), allowed)).gateways
    assert made["spec"]["servers"][0]["tls"] == {"mode": "SIMPLE", "credentialNames": ["other/cert"]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"key": "team", "operator": "In", "values": ["a"]}, ["music/*"]),
        ({"key": "team", "operator": "NotIn", "values": ["a"]}, ["other/*"]),
        ({"key": "team", "operator": "Exists"}, ["music/*"]),
        ({"key": "team", "operator": "DoesNotExist"}, ["other/*"]),
        ({"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["nobody"]}, ["~/*"]),
    ],
)
def test_namespaces_by_selector(expression: Obj, expected: list[str]) -> None:
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        for name, labels in (("music", {"team": "a"}), ("other", {}))
    ]
    allowed = {"namespaces": {"from": "Selector", "selector": {"matchExpressions": [expression]}}}
    (made,) = convert(snapshot(ingress(), gateway_of(listener(allowedRoutes=allowed)), *namespaces)).gateways
    assert made["spec"]["servers"][0]["hosts"] == expected
