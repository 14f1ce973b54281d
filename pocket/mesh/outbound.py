"""A sidecar's way out: which names it answers to, and the routes behind each.

Istio gives a sidecar one listener for each port; applications in pocket call a proxy instead, and the port stands in
the Host header. So the virtual hosts are made port by port, as for Istio's listeners, and their names carry the port:

1. The services that have the port are looked at, and the VirtualServices that name one of them (on port 80: all).
2. A VirtualService is for the services that it names, with a wildcard for those of which no other speaks more exactly;
   hosts that are no service are served along with its services, and without any on port 80.
3. One without a rule for this proxy and port does not count: the service's default route remains.
4. What two of them claim belongs to the first.

The rules are those of Istio's control plane (pilot/pkg/networking/core, httproute.go and route/route.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pocket.mesh import password, telemetry
from pocket.mesh.model import Resource
from pocket.mesh.names import (
    MESH,
    PASSTHROUGH,
    PASSTHROUGH_TCP,
    cluster_name,
    host_matches,
    is_gateway_api,
    most_specific,
)
from pocket.mesh.registry import MeshService, host_forms
from pocket.mesh.routes import default_route, external_route, http_routes, tunnel_route
from pocket.mesh.tunnels import Tunnels
from pocket.mesh.view import View, hosts_of
from pocket.objects import Obj

OUTBOUND_ROUTES = "http_proxy"
"""The name of a sidecar's route configuration: Istio's own for a proxy that applications call as `http_proxy`."""

_HTTP = 80
"""The port that a client leaves out of the Host header, and on which Istio serves hosts that are no service."""


def outbound_routes(view: View) -> Resource:
    """The route configuration of a sidecar's outbound listener."""
    tunnels = Tunnels(view)
    rules = [obj for obj in view.virtual_services(MESH) if obj["spec"].get("http")]
    best = _best_rules(view.services, rules)
    ports = {port.number for service in view.services for port in service.ports} | {_HTTP}
    virtual_hosts: list[Resource] = []
    taken: set[str] = set()
    for number in sorted(ports):
        made = _Port(view, number, rules, best, tunnels).virtual_hosts()
        taken.update(name for virtual_host in made for name in virtual_host["domains"])
        virtual_hosts += made
    for (host, number), clusters in sorted(tunnels.rest().items()):
        name = f"{host}:{number}"
        if name not in taken:
            virtual_hosts.append(_virtual_host(name, [name], [tunnel_route(clusters)]))
    if view.proxy.mode == "plain":
        for virtual_host in virtual_hosts:
            virtual_host["include_request_attempt_count"] = False
    virtual_hosts.append(_allow_any())
    return {
        "name": OUTBOUND_ROUTES,
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "request_headers_to_remove": [password.HEADER],
    }


def _best_rules(services: Iterable[MeshService], rules: Sequence[Obj]) -> dict[str, int]:
    """For each service that some VirtualService names: the index of the one that does so most exactly."""
    index: dict[str, int] = {}
    for number, obj in enumerate(rules):
        for host in hosts_of(obj):
            index.setdefault(host, number)
    wildcards = [host for host in index if host.startswith("*")]
    found = {}
    for service in services:
        best = service.host if service.host in index else most_specific(wildcards, service.host)
        if best is not None:
            found[service.host] = index[best]
    return found


@dataclass
class _Group:
    """Names that share their routes."""

    routes: list[Resource]
    services: list[MeshService] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)  # of a VirtualService, that are no services


class _Port:
    """The virtual hosts of one port."""

    def __init__(
        self, view: View, number: int, rules: Sequence[Obj], best: Mapping[str, int], tunnels: Tunnels
    ) -> None:
        self._view = view
        self._number = number
        self._rules = rules
        self._best = best
        self._tunnels = tunnels
        self._services = {service.host: service for service in view.services if service.port(number)}
        self._wildcards = [host for host in self._services if host.startswith("*")]
        self._names: set[str] = set()
        self._domains: set[str] = {"*"}

    def virtual_hosts(self) -> list[Resource]:
        groups = [group for index in range(len(self._rules)) if (group := self._ruled(index))]
        ruled = {service.host for group in groups for service in group.services}
        context = self._view.context((MESH,), self._number)
        for host, service in self._services.items():
            if host not in ruled and service.alias_of is None:
                groups.append(_Group([default_route(service, context)], [service]))
            elif host not in ruled and service.resolves_itself:
                groups.append(_Group([external_route(service, self._number)], [service]))
        known = {service.host for group in groups for service in group.services}
        made = []
        for group in groups:
            for host in group.hosts:
                made += self._virtual_host(host, [host], group.routes)
            for service in group.services:
                forms = [form for form in host_forms(service, self._view.proxy.namespace) if form not in known]
                made += self._virtual_host(service.host, [service.host, *forms], self._tunnelled(service, group.routes))
        return made

    def _ruled(self, index: int) -> _Group | None:
        """What one VirtualService rules on this port."""
        obj = self._rules[index]
        services, others = self._split(obj, index)
        if self._number != _HTTP and not any(self._overlaps(host) for host in hosts_of(obj)):
            return None
        services = [service for service in services if self._is_http(service)]
        if is_gateway_api(obj):  # only its owner, and who calls it, say how a service is reached
            owner, caller = obj["metadata"]["namespace"], self._view.proxy.namespace
            services, others = [one for one in services if owner in (one.namespace, caller)], []
            if not services:
                return None
        if not services and self._number != _HTTP:
            return None
        routes = http_routes(obj, self._view.context((MESH,), self._number))
        return _Group(routes, services, others) if routes else None

    def _split(self, obj: Obj, index: int) -> tuple[list[MeshService], list[str]]:
        """The services that a VirtualService is for, and its hosts that are none."""
        services, others = [], []
        for host in hosts_of(obj):
            if not host.startswith("*"):
                if host in self._services:
                    services.append(self._services[host])
                else:
                    others.append(host)
            elif not self._overlaps(host):
                others.append(host)
            else:
                services += [
                    service
                    for name, service in self._services.items()
                    if _overlap(host, name) and self._best.get(name) == index
                ]
        return services, others

    def _overlaps(self, host: str) -> bool:
        if host in self._services:
            return True
        return any(_overlap(host, name) for name in (self._services if host.startswith("*") else self._wildcards))

    def _is_http(self, service: MeshService) -> bool:
        port = service.port(self._number)
        return port is not None and port.is_http

    def _tunnelled(self, service: MeshService, routes: list[Resource]) -> list[Resource]:
        """The routes, and before them the one for connections where the port's protocol allows for them."""
        port = service.port(self._number)
        if port is None or not port.is_tcp or service.alias_of is not None:
            return routes
        clusters = self._tunnels.claim(service.host, self._number)
        return [tunnel_route(clusters or {"cluster": cluster_name(self._number, "", service.host)}), *routes]

    def _virtual_host(self, host: str, names: Iterable[str], routes: list[Resource]) -> list[Resource]:
        """At most one: Envoy refuses a domain that stands twice, so the first one has it."""
        name = f"{host}:{self._number}"
        if name in self._names:
            return []
        self._names.add(name)
        domains = [one for one in dict.fromkeys(names) if one not in self._domains]
        self._domains.update(domains)
        return [_virtual_host(name, _with_port(domains, self._number), routes)] if domains else []


def _overlap(first: str, second: str) -> bool:
    return host_matches(first, second) or host_matches(second, first)


def _with_port(hosts: Iterable[str], port: int) -> list[str]:
    names = []
    for host in hosts:
        names.append(f"{host}:{port}")
        if port == _HTTP:
            names.append(host)
    return names


def _virtual_host(name: str, domains: list[str], routes: list[Resource]) -> Resource:
    return {"name": name, "domains": domains, "routes": routes, "include_request_attempt_count": True}


def _allow_any() -> Resource:
    """Hosts that the mesh does not know, as with Istio's outboundTrafficPolicy ALLOW_ANY."""
    action: dict[str, Any] = {"cluster": PASSTHROUGH, "timeout": "0s"}
    return {
        "name": "allow_any",
        "domains": ["*"],
        "routes": [
            tunnel_route({"cluster": PASSTHROUGH_TCP}),
            {
                "name": "allow_any",
                "match": {"prefix": "/"},
                "route": action,
                "request_headers_to_remove": [telemetry.PEER_HEADER],
            },
        ],
        "include_request_attempt_count": False,
    }
