"""The cluster of the conformance cases: what pocket makes of it for one proxy that asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocket.mesh.admission import check
from pocket.mesh.model import EnvoyConfig, GatewayPort, PodEndpoint, Proxy, Snapshot, snapshot_of
from pocket.mesh.translate import translate
from pocket.objects import Obj
from tests.pocket.mesh.kit import gateway_proxy, sidecar

HERE = Path(__file__).parent
GATEWAY_SERVICE = GatewayPort(80, 80, 8080)


@dataclass(frozen=True)
class Asked:
    """One request of one case, and istiod's answer."""

    case: str
    index: int
    objects: tuple[Obj, ...]  # those that istiod's webhook accepts, and pocket
    request: dict[str, Any]
    istio: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.case}#{self.index}"


def cases() -> list[dict[str, Any]]:
    return list(json.loads((HERE / "cases.json").read_text()))


def asked(listed: list[dict[str, Any]]) -> Iterator[Asked]:
    for case in listed:
        accepted = tuple(obj for obj in case["objects"] if not case["admission"][key(obj)] and not refused(obj))
        for index, one in enumerate(case["requests"]):
            yield Asked(case["name"], index, accepted, one["request"], one["istio"])


def key(obj: Obj) -> str:
    return f"{obj['kind']}/{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def refused(obj: Obj) -> list[str]:
    """What pocket's admission says."""
    return [str(error) for error in check(obj)]


def configured(one: Asked) -> tuple[Proxy, EnvoyConfig]:
    """Pocket's configuration for the proxy that the request comes from."""
    proxy = _proxy(one)
    return proxy, translate(_snapshot(one), proxy)


def _proxy(one: Asked) -> Proxy:
    spec = _proxies()[one.request["frm"]]
    more: dict[str, Any] = {"name": one.request["frm"], "namespace": spec["namespace"], "labels": spec["labels"]}
    if spec["type"] == "sidecar":
        return sidecar(app=spec["labels"]["app"], **more)
    if one.request.get("svc"):
        return gateway_proxy(**more, gateway_ports=(GATEWAY_SERVICE,))
    numbers = {
        server["port"]["number"] for obj in one.objects if obj["kind"] == "Gateway" for server in obj["spec"]["servers"]
    }
    return gateway_proxy(**more, gateway_ports=tuple(GatewayPort(number, number) for number in sorted(numbers)))


def _snapshot(one: Asked) -> Snapshot:
    documents = [*_documents("cluster.yaml"), *(_documents("gateway-service.yaml") if one.request.get("svc") else ())]
    services = [obj for obj in documents if obj["kind"] == "Service"]
    pods = [_pod(obj, services) for obj in documents if obj["kind"] == "Pod"]
    slices = [_endpoints(obj) for obj in documents if obj["kind"] == "EndpointSlice"]
    return snapshot_of([*services, *slices, *one.objects], pods)


@cache
def _documents(name: str) -> tuple[Obj, ...]:
    return tuple(yaml.safe_load_all((HERE / name).read_text()))


@cache
def _proxies() -> dict[str, Any]:
    return dict(json.loads((HERE / "proxies.json").read_text()))


def _pod(obj: Obj, services: list[Obj]) -> PodEndpoint:
    """A pod that listens where its containers and the Services of its namespace say."""
    meta = obj["metadata"]
    named = [port for container in obj["spec"]["containers"] for port in container.get("ports") or ()]
    numbers = {port["containerPort"] for port in named}
    for service in services:
        for port in service["spec"].get("ports") or ():
            target = port.get("targetPort") or port["port"]
            if isinstance(target, int):
                numbers.add(target)
    ready = next((one["status"] for one in obj["status"]["conditions"] if one["type"] == "Ready"), "False")
    return PodEndpoint(
        name=meta["name"],
        namespace=meta["namespace"],
        labels=meta["labels"],
        workload=meta["name"],
        ports={number: number for number in numbers},
        port_names={port["name"]: port["containerPort"] for port in named if port.get("name")},
        app=meta["labels"].get("app", ""),
        version=meta["labels"].get("version", ""),
        ready=ready == "True",
        address=obj["status"]["podIP"],
    )


def _endpoints(obj: Obj) -> Obj:
    """An EndpointSlice as the Endpoints object that pocket's own controller would have kept."""
    meta = obj["metadata"]
    return {
        "kind": "Endpoints",
        "metadata": {"name": meta["labels"]["kubernetes.io/service-name"], "namespace": meta["namespace"]},
        "subsets": [
            {
                "addresses": [{"ip": ip} for endpoint in obj["endpoints"] for ip in endpoint["addresses"]],
                "ports": obj["ports"],
            }
        ],
    }
