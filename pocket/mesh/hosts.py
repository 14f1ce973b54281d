"""Virtual hosts: which names a sidecar or a gateway answers to, and the routes behind each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pocket.mesh import policy
from pocket.mesh.clusters import substitute_name
from pocket.mesh.destination_rules import DestinationRule, DestinationRules
from pocket.mesh.matching import concerns, is_catch_all
from pocket.mesh.model import GatewayPort, Proxy, Resource, Snapshot
from pocket.mesh.names import (
    MESH,
    PASSTHROUGH,
    PASSTHROUGH_TCP,
    cluster_name,
    exported,
    fqdn,
    gateway_name,
    host_matches,
    most_specific,
)
from pocket.mesh.registry import MeshService, Port, host_forms
from pocket.mesh.routes import Context, default_route, http_routes, l4_clusters, tunnel_route
from pocket.objects import Obj, matches, name_of

OUTBOUND_ROUTES = "http_proxy"
"""The name of a sidecar's route configuration: Istio's own for a proxy that applications call as `http_proxy`."""

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


def gateway_routes_name(port: GatewayPort) -> str:
    return f"http.{port.listen_port}"


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
    def _rules(self) -> DestinationRules:
        return DestinationRules(self.snapshot.destination_rules)

    def destination_rule(self, service: MeshService) -> DestinationRule | None:
        """The DestinationRule that holds for a service, or what several come to together."""
        return self._rules.find(service, self.proxy)

    def rule(self, service: MeshService) -> Mapping[str, Any]:
        """The `spec` of the DestinationRule that holds for a service; empty where there is none."""
        found = self.destination_rule(service)
        return found.spec if found else {}

    def context(self, gateways: Iterable[str], port: int) -> Context:
        return Context(self.proxy, self.by_host, frozenset(gateways), port, self._policy)

    def virtual_services(self, gateway: str) -> list[Obj]:
        """The VirtualServices for `mesh` or for `ns/gateway` that the proxy may see, oldest first."""
        return [
            obj
            for obj in sorted(
                self.snapshot.virtual_services,
                key=lambda o: (o["metadata"].get("creationTimestamp") or "", o["metadata"]["namespace"], name_of(o)),
            )
            if exported(obj, self.proxy.namespace) and gateway in bound_gateways(obj)
        ]

    def _policy(self, service: MeshService, subset: str, port: int) -> policy.Policy:
        spec = self.rule(service)
        merged = policy.merge(None, spec.get("trafficPolicy"), port)
        for candidate in spec.get("subsets") or ():
            if candidate["name"] == subset:
                return policy.merge(merged, candidate.get("trafficPolicy"), port)
        return merged


def bound_gateways(virtual_service: Obj) -> list[str]:
    """The gateways of a VirtualService in full (`mesh`, `ns/name`), those of its match blocks included."""
    namespace = virtual_service["metadata"].get("namespace") or "default"
    return [gateway_name(name, namespace) for name in virtual_service["spec"].get("gateways") or [MESH]]


# -- sidecars -------------------------------------------------------------------------------------------------------


def outbound_routes(view: View) -> Resource:
    """The route configuration of a sidecar's outbound listener."""
    domains = _Domains()
    tunnels = _Tunnels(view)
    virtual_services = view.virtual_services(MESH)
    virtual_hosts = []
    for service in view.services:
        for port in service.ports:
            routes = _service_routes(view, service, port, virtual_services, tunnels)
            names = domains.take(_with_port(host_forms(service, view.proxy.namespace), port.number))
            if names:
                virtual_hosts.append(_virtual_host(f"{service.host}:{port.number}", names, routes))
    for obj in virtual_services:
        for host in _hosts(obj):
            if host != "*" and not any(host_matches(host, service.host) for service in view.services):
                # Istio serves a host without a service on port 80 only.
                routes = http_routes(obj, view.context((MESH,), 80))
                names = domains.take(_with_port([host], 80)) if routes else []
                if names:
                    virtual_hosts.append(_virtual_host(f"{host}:80", names, routes))
    for (host, number), clusters in sorted(tunnels.rest().items()):
        names = domains.take([f"{host}:{number}"])
        if names:
            virtual_hosts.append(_virtual_host(f"{host}:{number}", names, [tunnel_route(clusters)]))
    if view.proxy.mode == "plain":
        for virtual_host in virtual_hosts:
            virtual_host["include_request_attempt_count"] = False
    virtual_hosts.append(_allow_any())
    return {"name": OUTBOUND_ROUTES, "virtual_hosts": virtual_hosts, "validate_clusters": False}


def substitute_clusters_of(view: View) -> dict[str, Resource]:
    """Where each substitute's listener leads, by name: to the substitute, unless a VirtualService says otherwise."""
    tunnels = _Tunnels(view)
    out = {}
    for substitute in view.proxy.substitutes:
        own = {"cluster": substitute_name(substitute)}
        clusters = tunnels.find(substitute.host, substitute.port)
        default = cluster_name(substitute.port, "", substitute.host)
        out[substitute_name(substitute)] = own if clusters in (None, {"cluster": default}) else clusters or own
    return out


def _service_routes(
    view: View, service: MeshService, port: Port, virtual_services: Sequence[Obj], tunnels: _Tunnels
) -> list[Resource]:
    context = view.context((MESH,), port.number)
    routes: list[Resource] = []
    if port.is_tcp:
        clusters = tunnels.claim(service.host, port.number)
        routes.append(tunnel_route(clusters or {"cluster": cluster_name(port.number, "", service.host)}))
    own = _virtual_service_of(service, virtual_services)
    ruled = http_routes(own, context) if own and port.is_http else []
    return routes + (ruled or [default_route(service, context)])


def _virtual_service_of(service: MeshService, virtual_services: Sequence[Obj]) -> Obj | None:
    """The one that names the service most exactly; the oldest of several, as in Istio's sidecars."""
    candidates = [(host, obj) for obj in virtual_services if obj["spec"].get("http") for host in _hosts(obj)]
    best = most_specific([host for host, _ in candidates], service.host)
    return next((obj for host, obj in candidates if host == best), None)


def _hosts(virtual_service: Obj) -> list[str]:
    namespace = virtual_service["metadata"].get("namespace") or "default"
    return [fqdn(host, namespace) for host in virtual_service["spec"].get("hosts") or ()]


class _Tunnels:
    """Where bytes go that are not HTTP, by host and port: VirtualServices' `tls` and `tcp` rules, the oldest first."""

    def __init__(self, view: View) -> None:
        self._rules: dict[tuple[str, int], Resource] = {}
        self._claimed: set[tuple[str, int]] = set()
        for obj in view.virtual_services(MESH):
            self._add(obj, view)

    def claim(self, host: str, port: int) -> Resource | None:
        """The rule for exactly this host, which then needs no virtual host of its own."""
        self._claimed.add((host, port))
        return self._rules.get((host, port))

    def find(self, host: str, port: int) -> Resource | None:
        """The rule that covers a host best."""
        best = most_specific([name for name, number in self._rules if number == port], host)
        return None if best is None else self._rules[(best, port)]

    def rest(self) -> dict[tuple[str, int], Resource]:
        """The rules that nobody claimed."""
        return {key: clusters for key, clusters in self._rules.items() if key not in self._claimed}

    def _add(self, obj: Obj, view: View) -> None:
        namespace = obj["metadata"].get("namespace") or "default"
        for kind in ("tls", "tcp"):
            for rule in obj["spec"].get(kind) or ():
                for match in rule.get("match") or [{}]:
                    if not concerns(match, view.proxy, frozenset((MESH,)), None, namespace):
                        continue
                    hosts = match.get("sniHosts") or _hosts(obj)
                    for host in hosts:
                        for port in [match["port"]] if match.get("port") else _l4_ports(host, kind, view):
                            clusters = l4_clusters(rule, namespace, view.by_host, port)
                            self._rules.setdefault((host, port), clusters)


def _l4_ports(host: str, kind: str, view: View) -> list[int]:
    """The ports that a rule without one is for: those of the hosts' services with such a protocol."""
    numbers = [
        port.number
        for service in view.services
        if host_matches(host, service.host) or host_matches(service.host, host)
        for port in service.ports
        if port.protocol in ("tcp", "tls", "auto")
    ]
    return sorted(set(numbers)) or ([443] if kind == "tls" else [])


def _allow_any() -> Resource:
    """Hosts that the mesh does not know, as with Istio's outboundTrafficPolicy ALLOW_ANY."""
    action = {"cluster": PASSTHROUGH, "timeout": "0s"}
    return {
        "name": "allow_any",
        "domains": ["*"],
        "routes": [
            tunnel_route({"cluster": PASSTHROUGH_TCP}),
            {"name": "allow_any", "match": {"prefix": "/"}, "route": action},
        ],
        "include_request_attempt_count": False,
    }


# -- gateways -------------------------------------------------------------------------------------------------------


def gateway_servers(view: View, port: GatewayPort) -> list[tuple[str, Mapping[str, Any]]]:
    """The servers of Gateways for one port of this gateway, each with its Gateway's full name.

    A number that is no port of the gateway's Service is one of the pod itself, as in Istio.
    """
    targets = {one.service_port: one.target for one in view.proxy.gateway_ports}
    found = []
    for obj in sorted(view.snapshot.gateways, key=lambda o: (o["metadata"]["namespace"], name_of(o))):
        if not matches(obj["spec"].get("selector"), view.proxy.labels):
            continue
        for server in obj["spec"].get("servers") or ():
            number = server["port"]["number"]
            if targets.get(number, number) == port.target and server["port"]["protocol"].upper() in HTTP_PROTOCOLS:
                found.append((f"{obj['metadata']['namespace']}/{name_of(obj)}", server))
    return found


def gateway_routes(view: View, port: GatewayPort) -> Resource:
    """The route configuration of one port of an ingress gateway; what nothing matches gets 404.

    Servers of several Gateways are joined, and so are the rules of several VirtualServices for one host: those that
    catch everything come last. Rules are made once for each Gateway, for the first of its servers that they concern.
    """
    routes: dict[str, list[Resource]] = {}
    numbers: dict[str, int] = {}
    redirected = set()
    made: dict[tuple[str, str], list[Resource]] = {}
    for gateway, server in gateway_servers(view, port):
        number = server["port"]["number"]
        redirects = bool((server.get("tls") or {}).get("httpsRedirect"))
        for obj in view.virtual_services(gateway):
            domains = _gateway_domains(server, obj, gateway)
            key = gateway, f"{obj['metadata']['namespace']}/{name_of(obj)}"
            if domains and key not in made:
                found = http_routes(obj, view.context((gateway,), number))
                if found:
                    made[key] = found
            for domain in domains if key in made else ():
                _append_new(routes.setdefault(domain, []), made[key])
                numbers.setdefault(domain, number)
                if redirects:
                    redirected.add(domain)
        for exposed in server["hosts"] if redirects else ():
            domain = exposed.lower().rpartition("/")[2]
            routes.setdefault(domain, [])
            numbers.setdefault(domain, number)
            redirected.add(domain)
    virtual_hosts = []
    for domain, listed in sorted(routes.items()):
        ordered = sorted(listed, key=is_catch_all)
        virtual_host = _virtual_host(f"{domain}:{numbers[domain]}", [domain], ordered)
        if domain in redirected:
            virtual_host["require_tls"] = "ALL"
        virtual_hosts.append(virtual_host)
    if "*" not in routes:
        virtual_hosts.append({"name": f"blackhole:{port.service_port}", "domains": ["*"], "routes": []})
    return {
        "name": gateway_routes_name(port),
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
    }


def _append_new(routes: list[Resource], more: Iterable[Resource]) -> None:
    for route in more:
        if route not in routes:  # one VirtualService on two servers of a port
            routes.append(route)


def _gateway_domains(server: Mapping[str, Any], obj: Obj, gateway: str) -> list[str]:
    """The hosts that a server and a VirtualService have in common: the narrower of each two that overlap."""
    own = obj["metadata"]["namespace"]
    domains = []
    for exposed in server["hosts"]:
        where, _, pattern = exposed.lower().rpartition("/")
        if where == ".":
            where = gateway.split("/")[0]
        if where not in ("", "*", own):
            continue
        for host in _hosts(obj):
            if host_matches(pattern, host):
                domains.append(host)
            elif host_matches(host, pattern):
                domains.append(pattern)
    return list(dict.fromkeys(domains))


# -- both -----------------------------------------------------------------------------------------------------------


class _Domains:
    """Envoy refuses a route configuration in which a domain stands twice: the first one has it."""

    def __init__(self) -> None:
        self._taken: set[str] = {"*"}

    def take(self, names: Iterable[str]) -> list[str]:
        fresh = [name for name in dict.fromkeys(names) if name not in self._taken]
        self._taken.update(fresh)
        return fresh


def _with_port(hosts: Iterable[str], port: int) -> list[str]:
    names = []
    for host in hosts:
        names.append(f"{host}:{port}")
        if port == 80:  # what a client leaves out of the Host header
            names.append(host)
    return names


def _virtual_host(name: str, domains: list[str], routes: list[Resource]) -> Resource:
    return {"name": name, "domains": domains, "routes": routes, "include_request_attempt_count": True}
