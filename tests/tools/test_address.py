"""The address of the gateway, whatever kind of cluster it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StandIns
from tools.address import NoAddress, address

HTTP = {"name": "http2", "port": 80, "nodePort": 31380}
STATUS = {"name": "status-port", "port": 15021, "nodePort": 30021}


def service(
    *ports: dict[str, Any], ingress: list[dict[str, str]] | None = None, kind: str = "LoadBalancer"
) -> dict[str, Any]:
    return {
        "metadata": {"name": "istio-ingressgateway"},
        "spec": {"type": kind, "ports": list(ports)},
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def nodes(*addresses: tuple[str, str]) -> dict[str, Any]:
    return {"items": [{"status": {"addresses": [{"type": kind, "address": text} for kind, text in addresses]}}]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (service(STATUS, HTTP, ingress=[{"ip": "20.1.2.3"}]), "20.1.2.3"),
        (service(STATUS, HTTP, ingress=[{"hostname": "a.elb.amazonaws.com"}]), "a.elb.amazonaws.com"),
        (service({"name": "http2", "port": 8080}, ingress=[{"ip": "20.1.2.3"}]), "20.1.2.3:8080"),
        (service(STATUS, HTTP), "10.0.0.7:31380"),
        (service(HTTP, kind="NodePort"), "10.0.0.7:31380"),
    ],
)
def test_address(found: dict[str, Any], expected: str) -> None:
    assert address(found, nodes(("Hostname", "n1"), ("InternalIP", "10.0.0.7"))) == expected


def test_a_nodes_outside_address_is_better() -> None:
    assert address(service(HTTP), nodes(("InternalIP", "10.0.0.7"), ("ExternalIP", "34.1.1.1"))) == "34.1.1.1:31380"


def test_no_address_says_why() -> None:
    with pytest.raises(NoAddress, match="ClusterIP: only reachable inside"):
        address(service({"name": "http2", "port": 80}, kind="ClusterIP"), nodes(("InternalIP", "10.0.0.7")))
    with pytest.raises(NoAddress, match="no node"):
        address(service(HTTP), {"items": []})


def test_the_script(standins: StandIns, checkout: Path) -> None:
    standins.answer("get svc/istio-ingressgateway -o json", json.dumps(service(HTTP), indent=1) + "\n")
    standins.answer("get nodes", json.dumps(nodes(("InternalIP", "127.0.0.1"))))
    for arguments in ((), ("kubectl", "istio-system", "svc/istio-ingressgateway")):
        done = standins.run("tools/getip.sh", *arguments, cwd=checkout)
        assert (done.returncode, done.stdout) == (0, "127.0.0.1:31380\n"), done.stderr
    assert standins.calls[-2:] == [
        "kubectl -n istio-system get svc/istio-ingressgateway -o json",
        "kubectl get nodes -o json",
    ]
    standins.answer("get svc", "Error: not found\n", 1)
    assert standins.run("tools/getip.sh", cwd=checkout).returncode != 0
    assert "usage" in standins.run("tools/getip.sh", "kubectl", cwd=checkout).stderr
