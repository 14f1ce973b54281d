"""The cluster as one proxy sees it: its services, the VirtualServices that concern it, the rule of each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pocket.mesh.destination_rules import DestinationRule, DestinationRules
from pocket.mesh.model import Proxy, Snapshot
from pocket.mesh.names import MESH, export_rank, exported, fqdn, gateway_name, is_gateway_api, oldest_first
from pocket.mesh.registry import MeshService
from pocket.mesh.routes import Context
from pocket.objects import Obj


@dataclass(frozen=True)
class View:
    """The cluster as one proxy sees it."""

    snapshot: Snapshot
    proxy: Proxy
    services: tuple[MeshService, ...]

    @cached_property
    def by_host(self) -> Mapping[str, MeshService]:
        return {service.host: service for service in self.services}

    @cached_property
    def tcp_services(self) -> list[MeshService]:
        """Those with a port that carries something else than HTTP."""
        return [service for service in self.services if any(not port.is_http for port in service.ports)]

    @cached_property
    def _rules(self) -> DestinationRules:
        return self.snapshot.once("rules", lambda: DestinationRules(self.snapshot.destination_rules))

    def destination_rule(self, service: MeshService) -> DestinationRule | None:
        """The DestinationRule that holds for a service, or what several come to together."""
        return self._rules.find(service, self.proxy)

    def rule(self, service: MeshService) -> Mapping[str, Any]:
        """The `spec` of the DestinationRule that holds for a service; empty where there is none."""
        found = self.destination_rule(service)
        return found.spec if found else {}

    def context(self, gateways: Iterable[str], port: int, *, tls: bool = False) -> Context:
        """What routes at these gateways, on this port, are made from."""
        return Context(self.proxy, self.by_host, frozenset(gateways), port, self._hash, tls=tls)

    def virtual_services(self, gateway: str) -> list[Obj]:
        """The VirtualServices for `mesh` or for `ns/gateway` that the proxy may see: private ones, those exported to
        its namespace, public ones, and of each kind the oldest first."""
        namespace = self.proxy.namespace

        def own(obj: Obj) -> bool:  # a route of the Gateway API that overrides what the service's owner says
            return is_gateway_api(obj) and obj["metadata"]["namespace"] == namespace

        def find() -> list[Obj]:
            seen = [obj for obj in self.snapshot.virtual_services if exported(obj, namespace)]
            found = [obj for obj in seen if gateway in bound_gateways(obj)]
            return sorted(found, key=lambda obj: (export_rank(obj, namespace), not own(obj), oldest_first(obj)))

        return self.snapshot.once(("virtual services", namespace, gateway), find)

    def _hash(self, service: MeshService, subset: str, port: int | None) -> Mapping[str, Any] | None:
        """The `consistentHash` of a destination: the subset's before the whole service's, of each the port's first."""
        spec = self.rule(service)
        candidates = [one.get("trafficPolicy") for one in spec.get("subsets") or () if one["name"] == subset]
        for policy in (*candidates, spec.get("trafficPolicy")):
            levels = (policy or {}).get("portLevelSettings") or ()
            for one in (*(level for level in levels if level["port"]["number"] == port), policy or {}):
                found = (one.get("loadBalancer") or {}).get("consistentHash")
                if found is not None:
                    return dict(found)
        return None


def bound_gateways(virtual_service: Obj) -> list[str]:
    """The gateways of a VirtualService in full (`mesh`, `ns/name`)."""
    namespace = virtual_service["metadata"].get("namespace") or "default"
    return [gateway_name(name, namespace) for name in virtual_service["spec"].get("gateways") or [MESH]]


def hosts_of(virtual_service: Obj) -> list[str]:
    """The hosts of a VirtualService in full, in lower case as Envoy compares them."""
    namespace = virtual_service["metadata"].get("namespace") or "default"
    return [fqdn(host, namespace).lower() for host in virtual_service["spec"].get("hosts") or ()]
