from __future__ import annotations

import copy
from typing import Any

from pocket.api import services
from pocket.objects import Obj


def service(name: str, **spec: Any) -> Obj:
    meta = {"name": name, "namespace": "default"}
    return {"kind": "Service", "metadata": meta, "spec": {"type": "ClusterIP", **spec}}


def test_an_address_is_the_same_each_time_and_nobody_elses() -> None:
    first, again = service("a"), service("a")
    services.assign(first, [])
    services.assign(again, [])
    assert first == again
    assert first["spec"]["clusterIP"].startswith("10.")
    assert first["spec"]["clusterIPs"] == [first["spec"]["clusterIP"]]
    rival = service("b", clusterIP=first["spec"]["clusterIP"])
    services.assign(again := service("a"), [rival])
    assert again["spec"]["clusterIP"] != rival["spec"]["clusterIP"]


def test_headless_and_external_services_get_none() -> None:
    headless, external = service("a", clusterIP="None"), service("b", type="ExternalName", externalName="x.org")
    services.assign(headless, [])
    services.assign(external, [])
    assert headless["spec"]["clusterIP"] == "None"
    assert "clusterIP" not in external["spec"]


def test_node_ports_are_given_once() -> None:
    first = service("a", type="NodePort", ports=[{"port": 80}, {"port": 81}])
    services.assign(first, [])
    ports = [port["nodePort"] for port in first["spec"]["ports"]]
    assert len(set(ports)) == 2
    assert all(30000 <= port <= 32767 for port in ports)
    second = service("b", type="NodePort", ports=[{"port": 80}])
    services.assign(second, [service("x", type="NodePort", ports=[{"port": 1, "nodePort": n}]) for n in ports])
    assert second["spec"]["ports"][0]["nodePort"] not in ports


def test_an_update_keeps_address_and_node_ports() -> None:
    old = service("a", type="NodePort", ports=[{"port": 80}])
    services.assign(old, [])
    new = service("a", type="NodePort", ports=[{"port": 80}])
    services.carry_over(new, old)
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    assert new["spec"]["ports"] == old["spec"]["ports"]


def test_node_ports_go_with_the_type() -> None:
    old = service("a", type="NodePort", ports=[{"port": 80}], externalTrafficPolicy="Cluster")
    services.assign(old, [])
    new = copy.deepcopy(old)
    new["spec"]["type"] = "ClusterIP"
    services.carry_over(new, old)
    assert new["spec"]["ports"] == [{"port": 80}]
    assert "externalTrafficPolicy" not in new["spec"]
