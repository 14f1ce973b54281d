"""Where bytes go that are not HTTP: the `tls` and `tcp` rules of VirtualServices, by host and port."""

from __future__ import annotations

from pocket.mesh.clusters import substitute_name
from pocket.mesh.matching import concerns
from pocket.mesh.model import Resource
from pocket.mesh.names import MESH, cluster_name, host_matches, most_specific
from pocket.mesh.routes import l4_clusters
from pocket.mesh.view import View, hosts_of
from pocket.objects import Obj


class Tunnels:
    """The rules for one sidecar, those of the oldest VirtualService first."""

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
                    for host in match.get("sniHosts") or hosts_of(obj):
                        for port in [match["port"]] if match.get("port") else _ports(host, kind, view):
                            clusters = l4_clusters(rule, namespace, view.by_host, port)
                            self._rules.setdefault((host, port), clusters)


def substitute_targets(view: View) -> dict[str, Resource]:
    """Where each substitute's listener leads, by name: to the substitute, unless a VirtualService says otherwise."""
    if not view.proxy.substitutes:
        return {}
    tunnels = Tunnels(view)
    out = {}
    for substitute in view.proxy.substitutes:
        own = {"cluster": substitute_name(substitute)}
        clusters = tunnels.find(substitute.host, substitute.port)
        default = cluster_name(substitute.port, "", substitute.host)
        out[substitute_name(substitute)] = own if clusters in (None, {"cluster": default}) else clusters or own
    return out


def _ports(host: str, kind: str, view: View) -> list[int]:
    """The ports that a rule without one is for: those of the hosts' services with such a protocol."""
    numbers = [
        port.number
        for service in view.services
        if host_matches(host, service.host) or host_matches(service.host, host)
        for port in service.ports
        if port.protocol in ("tcp", "tls", "auto")
    ]
    return sorted(set(numbers)) or ([443] if kind == "tls" else [])
