from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.admission import warnings
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    destination_rule,
    gateway,
    objects,
    pod,
    service,
    service_entry,
    snapshot,
    virtual_service,
)

TO_S2 = {"route": [{"destination": {"host": "s2", "subset": "v1"}}]}
STATE = (service(), destination_rule(), gateway())


def says(obj: Obj, *things: Any) -> str:
    return "\n".join(warnings(obj, snapshot(*things)))


@pytest.mark.parametrize(
    "obj",
    [
        virtual_service(http=[TO_S2]),
        virtual_service(hosts=["*"], gateways=["gw"], http=[TO_S2]),
        virtual_service(http=[{"match": [{"uri": {"prefix": "/a"}}], **TO_S2}, TO_S2]),
        destination_rule(),
        service_entry(),
    ],
)
def test_nothing_to_say(obj: Obj) -> None:
    assert says(obj, *STATE) == ""


def test_hosts_and_subsets_that_are_not_there() -> None:
    assert "s9.music.svc.cluster.local is not defined" in says(
        virtual_service(http=[{"route": [{"destination": {"host": "s9"}}]}]), *STATE
    )
    found = says(virtual_service(http=[{"route": [{"destination": {"host": "s2", "subset": "v9"}}]}]), *STATE)
    assert 'spec.http[0].route[0].destination.subset: "v9" of s2.music.svc.cluster.local is not defined' in found
    found = says(virtual_service(http=[{"route": [{"destination": {"host": "s2", "port": {"number": 5}}}]}]), *STATE)
    assert "has no port 5, only 30001" in found
    found = says(virtual_service(http=[{**TO_S2, "mirror": {"host": "s8"}}]), *STATE)
    assert "spec.http[0].mirror.host: s8.music.svc.cluster.local" in found


def test_a_missing_host_is_told_once() -> None:
    route = [{"destination": {"host": "s9"}, "weight": 1}, {"destination": {"host": "s9"}, "weight": 1}]
    assert says(virtual_service(http=[{"route": route}]), *STATE).count("not defined") == 1


def test_gateways() -> None:
    assert 'Gateway "music/none" is not defined' in says(
        virtual_service(hosts=["*"], gateways=["none"], http=[TO_S2]), *STATE
    )
    narrow = gateway(hosts=["a.com"])
    found = says(virtual_service(hosts=["b.com"], gateways=["gw"], http=[TO_S2]), service(), destination_rule(), narrow)
    assert "exposes none of the hosts b.com" in found


def test_rules_for_a_service_that_only_a_gateway_follows() -> None:
    only = virtual_service(gateways=["gw"], http=[TO_S2])
    assert 'add the gateway "mesh"' in says(only, *STATE)
    assert says(only, *STATE, virtual_service("mesh-too", hosts=["s2"], http=[TO_S2])) == ""


def test_a_mesh_host_that_is_no_service() -> None:
    found = says(virtual_service(hosts=["s7"], http=[TO_S2]), *STATE)
    assert 'host "s7" is no service that the mesh knows: s7.music.svc.cluster.local' in found


def test_rules_that_are_never_reached() -> None:
    assert "spec.http[0] matches every request" in says(virtual_service(http=[TO_S2, TO_S2]), *STATE)


def test_destination_rules() -> None:
    assert "is no service" in says(destination_rule("s9"), *STATE)
    other = destination_rule()
    other["metadata"]["name"] = "other"
    assert 'subset v1, v2 of s2.music.svc.cluster.local is in DestinationRule "s2" too' in says(other, *STATE)


def test_a_gateway_without_pods_or_ports() -> None:
    assert "no pod has the labels istio=ingressgateway" in says(gateway(number=8443))
    labels = {"istio": "ingressgateway"}
    pods = (pod(labels=labels, namespace="istio-system"), service("in", 80, namespace="istio-system", selector=labels))
    assert says(gateway(), *pods) == ""
    assert "servers[0].port.number: the gateway's Service has no such port, only 80" in says(gateway(number=81), *pods)


def test_a_service_entry_behind_a_service() -> None:
    assert "is a Service of the cluster" in says(service_entry("s2.music.svc.cluster.local"), *STATE)


def test_a_monitor_that_selects_everything() -> None:
    (monitor,) = objects("""
kind: ServiceMonitor
metadata: {name: all}
spec: {selector: {}, endpoints: [{port: http}]}
""")
    assert "selects every Service" in says(monitor)


def test_a_destination_without_a_port_whose_host_lacks_the_callers_port() -> None:
    """A sidecar answers 503, as in Istio; a gateway takes the only port."""
    other = service("other", 8080)
    rule = virtual_service(http=[{"route": [{"destination": {"host": "other"}}]}])
    assert "set port.number" in says(rule, *STATE, other)
    rule["spec"]["http"][0]["route"][0]["destination"]["port"] = {"number": 8080}
    assert says(rule, *STATE, other) == ""
    outside = virtual_service(hosts=["*"], gateways=["gw"], http=[{"route": [{"destination": {"host": "other"}}]}])
    assert says(outside, *STATE, other) == ""
