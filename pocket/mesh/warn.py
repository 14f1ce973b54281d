"""What is accepted, as in Istio, but probably not what was meant: the warnings that kubectl prints.

Istio says the same through `istioctl analyze` (https://istio.io/latest/docs/reference/config/analysis/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pocket.mesh.certificates import problem, terminates
from pocket.mesh.delegates import delegations, is_delegate
from pocket.mesh.matching import is_catch_all, route_match
from pocket.mesh.model import Snapshot
from pocket.mesh.names import MESH, fqdn, host_matches
from pocket.mesh.registry import MeshService, registry, target_port
from pocket.mesh.view import bound_gateways
from pocket.objects import Obj, kind_of, matches, name_of


def warnings(obj: Obj, snapshot: Snapshot) -> list[str]:
    """One sentence for each thing that looks wrong, given the rest of the cluster (which may hold an older `obj`)."""
    find = {
        "VirtualService": _virtual_service,
        "DestinationRule": _destination_rule,
        "Gateway": _gateway,
        "ServiceEntry": _service_entry,
        "AuthorizationPolicy": _authorization_policy,
        "ServiceMonitor": _service_monitor,
    }.get(kind_of(obj))
    return list(dict.fromkeys(find(obj, snapshot))) if find else []


def _virtual_service(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    services = {service.host: service for service in registry(snapshot, _namespace(obj))}
    if is_delegate(obj):
        yield from _roots(obj, snapshot)
    else:
        yield from _delegates(obj, snapshot)
        yield from _places(obj, snapshot, services)
    yield from _all_destinations(obj, snapshot, services)
    yield from _guessed_ports(obj, services)
    yield from _unreachable(obj)


def _delegates(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    for found in delegations(obj, snapshot.virtual_services):
        if found.problem:
            yield f'{found.path}.delegate: VirtualService "{found.target}" {found.problem}: the rule has no effect'
        for number in found.dropped:
            yield (
                f'{found.path}.delegate: rule http[{number}] of "{found.target}" is not used: '
                f"its conditions are not within those of {found.path}.match"
            )


def _roots(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    """What becomes of a delegate where others refer to it already."""
    target = f"{_namespace(obj)}/{name_of(obj)}"
    for root in snapshot.virtual_services:
        for found in delegations(root, [obj]):
            if found.target != target:
                continue
            name = f"{_namespace(root)}/{name_of(root)}"
            if found.problem:
                yield f'VirtualService "{name}" refers to this one, which {found.problem}: its rule has no effect'
            for number in found.dropped:
                yield (
                    f'spec.http[{number}] is not used for VirtualService "{name}": '
                    f"its conditions are not within those of {found.path}.match there"
                )


def _places(obj: Obj, snapshot: Snapshot, services: Mapping[str, MeshService]) -> Iterator[str]:
    """Gateways and hosts that the rules are for."""
    namespace = _namespace(obj)
    gateways = bound_gateways(obj)
    known = {f"{_namespace(gateway)}/{name_of(gateway)}": gateway for gateway in snapshot.gateways}
    for name in gateways:
        if name != MESH and name not in known:
            yield f'Gateway "{name}" is not defined: the rules have no effect there'
        elif name != MESH and not any(_overlap(known[name], host, namespace) for host in obj["spec"]["hosts"]):
            yield f'Gateway "{name}" exposes none of the hosts {", ".join(obj["spec"]["hosts"])}'
    if MESH not in gateways:
        yield from _mesh_missing(obj, snapshot, services)
    elif gateways == [MESH]:
        for host in obj["spec"]["hosts"]:
            full = fqdn(host, namespace)
            if not any(host_matches(full, service) or host_matches(service, full) for service in services):
                yield f'host "{host}" is no service that the mesh knows: {full}'


def _all_destinations(obj: Obj, snapshot: Snapshot, services: Mapping[str, MeshService]) -> Iterator[str]:
    namespace = _namespace(obj)
    missing = set()
    for path, destination in _destinations(obj):
        host = fqdn(destination["host"], namespace)
        if host not in services:
            if host not in missing:
                yield f"{path}.host: {host} is not defined: requests get 503"
            missing.add(host)
        else:
            yield from _destination(destination, path, services[host], snapshot)


def _mesh_missing(obj: Obj, snapshot: Snapshot, services: Mapping[str, MeshService]) -> Iterator[str]:
    """Rules for a service's own host that only gateways follow: requests from pods go past them."""
    namespace = _namespace(obj)
    for host in obj["spec"]["hosts"]:
        full = fqdn(host, namespace)
        if full not in services:
            continue
        others = [
            other
            for other in snapshot.virtual_services
            if MESH in bound_gateways(other)
            and full in (fqdn(h, _namespace(other)) for h in other["spec"].get("hosts") or ())
        ]
        if not others:
            yield f'host "{host}" is a service, but only gateways follow the rules: add the gateway "mesh" for pods'


def _destination(destination: Mapping[str, Any], path: str, service: MeshService, snapshot: Snapshot) -> Iterator[str]:
    port = (destination.get("port") or {}).get("number")
    if port is not None and service.port(port) is None:
        ports = ", ".join(str(one.number) for one in service.ports)
        yield f"{path}.port.number: {service.host} has no port {port}, only {ports}: requests get 503"
    subset = destination.get("subset")
    if subset and subset not in _subsets(service.host, snapshot):
        yield f'{path}.subset: "{subset}" of {service.host} is not defined in a DestinationRule: requests get 503'


def _guessed_ports(obj: Obj, services: Mapping[str, MeshService]) -> Iterator[str]:
    """Destinations without a port: a sidecar takes the port that the caller used, whatever ports the host has."""
    if MESH not in bound_gateways(obj) or is_delegate(obj):
        return
    namespace = _namespace(obj)
    for host in obj["spec"]["hosts"]:
        called = services.get(fqdn(host, namespace).lower())
        ports = [port.number for port in called.ports if port.is_http] if called else [80]
        for path, destination in _destinations(obj):
            target = services.get(fqdn(destination["host"], namespace))
            if not path.startswith("spec.http") or target is None or destination.get("port"):
                continue
            for number in ports:
                if target.port(number) is None:
                    yield (
                        f"{path} names no port, and {target.host} has no port {number} as {host} has: "
                        f"pods that call {host}:{number} get 503, in Istio too; set port.number"
                    )


def _subsets(host: str, snapshot: Snapshot) -> set[str]:
    return {
        subset["name"]
        for rule in snapshot.destination_rules
        if host_matches(fqdn(rule["spec"]["host"], _namespace(rule)), host)
        for subset in rule["spec"].get("subsets") or ()
    }


def _destinations(obj: Obj) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("http", "tls", "tcp"):
        for index, rule in enumerate(obj["spec"].get(kind) or ()):
            path = f"spec.{kind}[{index}]"
            for number, one in enumerate(rule.get("route") or ()):
                yield f"{path}.route[{number}].destination", one["destination"]
            if rule.get("mirror"):
                yield f"{path}.mirror", rule["mirror"]
            for number, one in enumerate(rule.get("mirrors") or ()):
                yield f"{path}.mirrors[{number}].destination", one["destination"]


def _unreachable(obj: Obj) -> Iterator[str]:
    rules = obj["spec"].get("http") or ()
    for index, rule in enumerate(rules[:-1]):
        everything = [
            match
            for match in rule.get("match") or [None]
            if not any((match or {}).get(name) for name in ("port", "gateways", "sourceLabels", "sourceNamespace"))
            and is_catch_all({"match": route_match(match)})
        ]
        if everything:
            yield f"spec.http[{index}] matches every request: the rules after it are never used"
            return


def _overlap(gateway: Obj, host: str, namespace: str) -> bool:
    for server in gateway["spec"].get("servers") or ():
        for exposed in server["hosts"]:
            where, _, pattern = exposed.rpartition("/")
            where = _namespace(gateway) if where == "." else where
            full = fqdn(host, namespace)
            if where in ("", "*", namespace) and (host_matches(pattern, full) or host_matches(full, pattern)):
                return True
    return False


def _destination_rule(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    namespace = _namespace(obj)
    host = fqdn(obj["spec"]["host"], namespace)
    if not any(host_matches(host, service.host) for service in registry(snapshot, namespace)):
        yield f'spec.host: "{obj["spec"]["host"]}" is no service that the mesh knows: {host}'
    for other in snapshot.destination_rules:
        if name_of(other) != name_of(obj) and _namespace(other) == namespace:
            theirs = {subset["name"] for subset in other["spec"].get("subsets") or ()}
            mine = {subset["name"] for subset in obj["spec"].get("subsets") or ()}
            if fqdn(other["spec"]["host"], namespace) == host and theirs & mine:
                twice = ", ".join(sorted(theirs & mine))
                yield f'subset {twice} of {host} is in DestinationRule "{name_of(other)}" too: the older one wins'


def _gateway(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    if not any(matches(obj["spec"]["selector"], pod.labels) for pod in snapshot.endpoints):
        wanted = ",".join(f"{key}={value}" for key, value in sorted(obj["spec"]["selector"].items()))
        yield f"spec.selector: no pod has the labels {wanted}: the Gateway has no effect"
    yield from _certificates(obj, snapshot)
    ports = _gateway_ports(obj, snapshot)
    for index, server in enumerate(obj["spec"]["servers"]):
        if ports and server["port"]["number"] not in ports:
            listed = ", ".join(str(port) for port in sorted(ports))
            yield f"spec.servers[{index}].port.number: the gateway's Service has no such port, only {listed}"


def _certificates(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    """Servers that end TLS with a Secret that is not there, in the namespace of the gateway's pods."""
    pods = [pod for pod in snapshot.endpoints if matches(obj["spec"]["selector"], pod.labels)]
    for index, server in enumerate(obj["spec"]["servers"]):
        for namespace in sorted({pod.namespace for pod in pods}) if terminates(server.get("tls")) else ():
            if said := problem(server["tls"], snapshot.secrets, namespace):
                yield f"spec.servers[{index}].tls: {said}: nobody can connect until it is there"


def _gateway_ports(gateway: Obj, snapshot: Snapshot) -> set[int]:
    """The ports of the Services that lead to the gateway's pods."""
    pods = [pod for pod in snapshot.endpoints if matches(gateway["spec"]["selector"], pod.labels)]
    return {
        number
        for service in snapshot.services
        for port in service["spec"].get("ports") or ()
        if any(
            pod.namespace == _namespace(service) and matches(service["spec"].get("selector"), pod.labels)
            for pod in pods
        )
        for number in (port["port"], target_port(port, {}))
        if number is not None
    }


def _service_entry(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    own = {service.host for service in registry(snapshot, _namespace(obj)) if service.from_service}
    for host in obj["spec"]["hosts"]:
        if host in own:
            yield f'host "{host}" is a Service of the cluster, which goes before the ServiceEntry'


def _authorization_policy(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    del snapshot
    if obj["spec"].get("action") == "AUDIT":
        yield "spec.action AUDIT has no effect: nobody here audits"


def _service_monitor(obj: Obj, snapshot: Snapshot) -> Iterator[str]:
    del snapshot
    if not obj["spec"]["selector"].get("matchLabels") and not obj["spec"]["selector"].get("matchExpressions"):
        yield "spec.selector is empty: it selects every Service of the namespace"


def _namespace(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace") or "default")
