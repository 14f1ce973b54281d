"""An ingress gateway's ports: the servers of Gateways on each, and the virtual hosts of their VirtualServices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pocket.mesh.certificates import terminates
from pocket.mesh.matching import concerns, is_catch_all
from pocket.mesh.model import GatewayPort, Resource
from pocket.mesh.names import host_matches, oldest_first
from pocket.mesh.routes import http_routes, l4_clusters
from pocket.mesh.view import View, hosts_of
from pocket.objects import Obj, matches, name_of

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")

HOSTS_ANNOTATION = "pocket/hosts"
"""Of a gateway's Service: further hosts that `*` means there, with commas between; `*` itself: all."""

_THIS_MACHINE = (r"localhost", r".+\.localhost", r"\d{1,3}(\.\d{1,3}){3}", r"\[[0-9a-f:.]+\]")
"""Regular expressions of hosts that nobody's DNS can lead here: names of the loopback interface, and addresses."""
_FOREIGN = f"""A Host that this gateway does not know: a web page may have sent it by a name of its own (DNS rebinding).
Name the host in a Gateway or a VirtualService, or let `*` mean it, too:
kubectl -n istio-system annotate --overwrite service istio-ingressgateway {HOSTS_ANNOTATION}=HOST
"""


@dataclass(frozen=True)
class Server:
    """One server of a Gateway."""

    gateway: str  # `namespace/name`
    spec: Mapping[str, Any]

    @property
    def protocol(self) -> str:
        return str(self.spec["port"]["protocol"]).upper()

    @property
    def tls(self) -> Mapping[str, Any] | None:
        return self.spec.get("tls")

    @property
    def is_plain_http(self) -> bool:
        return self.protocol in HTTP_PROTOCOLS

    @property
    def is_https(self) -> bool:
        return self.protocol == "HTTPS" and terminates(self.tls)

    @property
    def hosts(self) -> list[str]:
        """Its hosts without their namespaces, as clients name them."""
        return list(dict.fromkeys(host.lower().rpartition("/")[2] for host in self.spec["hosts"]))


def gateway_servers(view: View, port: GatewayPort) -> list[Server]:
    """The servers of Gateways for one port of this gateway.

    A number that is no port of the gateway's Service is one of the pod itself, as in Istio. Plain HTTP, TLS and plain
    TCP do not share a port: the oldest Gateway says which it is.
    """
    targets = {one.service_port: one.target for one in view.proxy.gateway_ports}
    found: list[Server] = []
    for obj in sorted(view.snapshot.gateways, key=oldest_first):
        if not matches(obj["spec"].get("selector"), view.proxy.labels):
            continue
        for spec in obj["spec"].get("servers") or ():
            server = Server(f"{obj['metadata']['namespace']}/{name_of(obj)}", spec)
            number = spec["port"]["number"]
            if targets.get(number, number) == port.target and (not found or _together(found[0], server)):
                found.append(server)
    return found


def _together(first: Server, second: Server) -> bool:
    if first.is_plain_http or second.is_plain_http:
        return first.is_plain_http and second.is_plain_http
    return first.tls is not None and second.tls is not None


def gateway_routes_name(port: GatewayPort, server: Server) -> str:
    """The name of a route configuration: of all plain HTTP of a port, or of one HTTPS server."""
    if server.is_plain_http:
        return f"http.{port.listen_port}"
    namespace, _, name = server.gateway.partition("/")
    return f"https.{server.spec['port']['number']}.{server.spec['port']['name']}.{name}.{namespace}"


def all_gateway_routes(view: View, port: GatewayPort) -> list[Resource]:
    """The route configurations of one port."""
    servers = gateway_servers(view, port)
    plain = [server for server in servers if server.is_plain_http]
    groups = [plain] if plain else [[server] for server in servers if server.is_https]
    made = {gateway_routes_name(port, group[0]): group for group in groups}
    return [_routes(name, view, group) for name, group in made.items()]


def l4_route(view: View, server: Server) -> Resource | None:
    """Where a server of plain TCP, or one that ends TLS, sends connections: the first `tcp` rule that fits."""
    for obj in view.virtual_services(server.gateway):
        if not _gateway_domains(server, obj):
            continue
        for rule in obj["spec"].get("tcp") or ():
            if _l4_concerns(rule.get("match") or [{}], view, server, obj):
                namespace = obj["metadata"]["namespace"]
                return l4_clusters(rule, namespace, view.by_host, server.spec["port"]["number"])
    return None


def sni_routes(view: View, server: Server) -> list[tuple[list[str], Resource]]:
    """Names and where connections for them go that pass through: the `tls` rules of VirtualServices, in order."""
    found = []
    for obj in view.virtual_services(server.gateway):
        if not _gateway_domains(server, obj):
            continue
        for rule in obj["spec"].get("tls") or ():
            for match in rule["match"]:
                if _l4_concerns([match], view, server, obj):
                    namespace, number = obj["metadata"]["namespace"], server.spec["port"]["number"]
                    found.append((list(match["sniHosts"]), l4_clusters(rule, namespace, view.by_host, number)))
    return found


def _l4_concerns(matches_: Iterable[Mapping[str, Any]], view: View, server: Server, obj: Obj) -> bool:
    namespace, number = obj["metadata"]["namespace"], server.spec["port"]["number"]
    return any(concerns(match, view.proxy, frozenset((server.gateway,)), number, namespace) for match in matches_)


def _routes(name: str, view: View, servers: Sequence[Server]) -> Resource:
    """A route configuration; what nothing matches gets 404.

    Servers of several Gateways are joined, and so are the rules of several VirtualServices for one host: those that
    catch everything come last. Rules are made once for each Gateway, for the first of its servers that they concern.
    """
    routes: dict[str, list[Resource]] = {}
    numbers: dict[str, int] = {}
    redirected = set()
    made: dict[tuple[str, str], list[Resource]] = {}
    for server in servers:
        number = server.spec["port"]["number"]
        redirects = bool((server.tls or {}).get("httpsRedirect"))
        for obj in view.virtual_services(server.gateway):
            domains = _gateway_domains(server, obj)
            key = server.gateway, f"{obj['metadata']['namespace']}/{name_of(obj)}"
            if domains and key not in made:
                found = http_routes(obj, view.context((server.gateway,), number, tls=server.tls is not None))
                if found:
                    made[key] = found
            for domain in domains if key in made else ():
                _append_new(routes.setdefault(domain, []), made[key])
                numbers.setdefault(domain, number)
                if redirects:
                    redirected.add(domain)
        for domain in server.hosts if redirects else ():
            routes.setdefault(domain, [])
            numbers.setdefault(domain, number)
            redirected.add(domain)
    virtual_hosts = []
    for domain, listed in sorted(routes.items()):
        ordered = sorted(listed, key=is_catch_all)
        virtual_host: Resource = {
            "name": f"{domain}:{numbers[domain]}",
            "domains": [domain],
            "routes": [*_strangers(view.proxy.hosts), *ordered] if domain == "*" else ordered,
            "include_request_attempt_count": True,
        }
        if domain in redirected:
            virtual_host["require_tls"] = "ALL"
        virtual_hosts.append(virtual_host)
    if "*" not in routes:
        virtual_hosts.append({"name": f"blackhole:{servers[0].spec['port']['number']}", "domains": ["*"], "routes": []})
    return {
        "name": name,
        "virtual_hosts": virtual_hosts,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
    }


def _strangers(hosts: Sequence[str] | None) -> list[Resource]:
    """What refuses hosts that are neither this machine nor one of `hosts`; nothing where these are None."""
    if hosts is None:
        return []
    names = [re.escape(host).replace(r"\*", ".+", 1) if host.startswith("*.") else re.escape(host) for host in hosts]
    regex = f"(?i)({'|'.join((*_THIS_MACHINE, *names))})\\.?(:\\d+)?"
    known = {"name": ":authority", "string_match": {"safe_regex": {"regex": regex}}, "invert_match": True}
    answer = {"status": 421, "body": {"inline_string": _FOREIGN}}
    return [{"name": "foreign-host", "match": {"prefix": "/", "headers": [known]}, "direct_response": answer}]


def _append_new(routes: list[Resource], more: Iterable[Resource]) -> None:
    for route in more:
        if route not in routes:  # one VirtualService on two servers of a port
            routes.append(route)


def _gateway_domains(server: Server, obj: Obj) -> list[str]:
    """The hosts that a server and a VirtualService have in common: the narrower of each two that overlap."""
    own = obj["metadata"]["namespace"]
    domains = []
    for exposed in server.spec["hosts"]:
        where, _, pattern = exposed.lower().rpartition("/")
        if where == ".":
            where = server.gateway.split("/")[0]
        if where not in ("", "*", own):
            continue
        for host in hosts_of(obj):
            if host_matches(pattern, host):
                domains.append(host)
            elif host_matches(host, pattern):
                domains.append(pattern)
    return list(dict.fromkeys(domains))
