"""An ingress gateway's ports: the servers of Gateways on each, and the virtual hosts of their VirtualServices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pocket.mesh.matching import is_catch_all
from pocket.mesh.model import GatewayPort, Resource
from pocket.mesh.names import host_matches, oldest_first
from pocket.mesh.routes import http_routes
from pocket.mesh.view import View, hosts_of
from pocket.objects import Obj, matches, name_of

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")


def gateway_routes_name(port: GatewayPort) -> str:
    """The name of the route configuration of one port."""
    return f"http.{port.listen_port}"


def gateway_servers(view: View, port: GatewayPort) -> list[tuple[str, Mapping[str, Any]]]:
    """The servers of Gateways for one port of this gateway, each with its Gateway's full name.

    A number that is no port of the gateway's Service is one of the pod itself, as in Istio.
    """
    targets = {one.service_port: one.target for one in view.proxy.gateway_ports}
    found = []
    for obj in sorted(view.snapshot.gateways, key=oldest_first):
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
        virtual_host: Resource = {
            "name": f"{domain}:{numbers[domain]}",
            "domains": [domain],
            "routes": ordered,
            "include_request_attempt_count": True,
        }
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
        for host in hosts_of(obj):
            if host_matches(pattern, host):
                domains.append(host)
            elif host_matches(host, pattern):
                domains.append(pattern)
    return list(dict.fromkeys(domains))
