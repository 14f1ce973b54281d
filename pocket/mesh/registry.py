"""The service registry: Kubernetes Services and Istio ServiceEntries in one form.

1. Services and ServiceEntries that are not exported to the proxy's namespace are not there.
2. A Service hides a ServiceEntry of its host; of ServiceEntries the namespace's own go first, then the oldest.
3. ServiceEntries of one host and namespace are one service: the ports of all (where they are alike otherwise), and
   behind each port the endpoints of all.
4. A Service of type ExternalName is another name of the service that it leads to; where there is none, it is resolved
   as cluster DNS would.

Protocol selection is Istio's: `appProtocol`, else the prefix of the port's name, else unknown
(https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pocket.mesh.model import CLUSTER_DOMAIN, PodEndpoint, Snapshot
from pocket.mesh.names import export_rank, exported, oldest_first, service_host, visible
from pocket.mesh.peers import PeerAuthentications, principal
from pocket.objects import Obj, matches, name_of

Protocol = Literal["http", "http2", "grpc", "tcp", "tls", "auto"]
Resolution = Literal["pods", "static", "dns", "logical-dns", "dynamic"]

EXPORT_TO = "networking.istio.io/exportTo"
"""The annotation by which a Service says who may see it: namespaces, `.`, `*` or `~`, separated by commas."""

_PROTOCOLS: dict[str, Protocol] = {
    "http": "http",
    "http2": "http2",
    "grpc": "grpc",
    "grpc-web": "http",
    "kubernetes.io/h2c": "http2",
    "kubernetes.io/ws": "http",
    "https": "tls",
    "kubernetes.io/wss": "tls",
    "tls": "tls",
    "tcp": "tcp",
    "mongo": "tcp",
    "mysql": "tcp",
    "redis": "tcp",
}

_RESOLUTIONS: dict[str, Resolution] = {
    "STATIC": "static",
    "DNS": "dns",
    "DNS_ROUND_ROBIN": "logical-dns",
    "NONE": "dynamic",
    "DYNAMIC_DNS": "dynamic",
}


@dataclass(frozen=True)
class Address:
    """Where one instance of a service listens, and whose it is."""

    host: str  # or, where `port` is 0, the path of a Unix socket
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    pod: PodEndpoint | None = None
    weight: int = 1
    mutual: bool = False  # it takes mutual TLS


@dataclass(frozen=True)
class Port:
    """One port of a service, with the addresses behind it."""

    number: int
    name: str
    protocol: Protocol
    addresses: tuple[Address, ...] = ()

    @property
    def is_http(self) -> bool:
        return self.protocol in ("http", "http2", "grpc", "auto")

    @property
    def is_http2(self) -> bool:
        return self.protocol in ("http2", "grpc")

    @property
    def is_tcp(self) -> bool:
        return self.protocol in ("tcp", "tls", "auto")


@dataclass(frozen=True)
class MeshService:
    """A host that the mesh knows, wherever it was declared."""

    host: str  # full name, or a wildcard of a ServiceEntry
    name: str  # a Service's name; for a ServiceEntry the host, as in Istio's telemetry
    namespace: str
    ports: tuple[Port, ...]
    resolution: Resolution = "pods"
    external: bool = False  # MESH_EXTERNAL: no mesh identity is sent there
    virtual_ips: tuple[str, ...] = ()
    from_service: bool = True
    headless: bool = False
    alias_of: str | None = None  # of an ExternalName: the host that it leads to in the end
    resolves_itself: bool = False  # of an ExternalName: that host is no service
    subject_names: tuple[str, ...] = ()  # of a ServiceEntry: whom its server's certificate is for
    principals: tuple[str, ...] = ()  # whom its pods run as
    aliases: tuple[tuple[str, str], ...] = ()  # name and namespace of each ExternalName that leads here

    def port(self, number: int) -> Port | None:
        return next((port for port in self.ports if port.number == number), None)


def protocol_of(name: str | None, app_protocol: str | None) -> Protocol:
    """The protocol of a port by Istio's rules; `auto` where nothing says it."""
    if app_protocol:
        return _PROTOCOLS.get(app_protocol.lower(), "auto")
    lowered = (name or "").lower()
    for prefix in ("grpc-web", lowered.split("-", 1)[0]):
        if lowered == prefix or lowered.startswith(f"{prefix}-"):
            return _PROTOCOLS.get(prefix, "auto")
    return "auto"


def registry(snapshot: Snapshot, namespace: str) -> tuple[MeshService, ...]:
    """Every service that a proxy in `namespace` can see, sorted by host."""
    found: dict[str, MeshService] = {}
    for exports, service in snapshot.once("services", lambda: _services(snapshot)):
        if visible(exports, service.namespace, namespace):
            found[service.host] = service
    entries = _entry_services(snapshot, namespace)
    for host in sorted(entries.keys() - found.keys()):
        found[host] = entries[host]
    _follow_aliases(found)
    return tuple(found[host] for host in sorted(found))


def services_of(snapshot: Snapshot, labels: Mapping[str, str], namespace: str) -> list[Obj]:
    """The Services that select a pod, by name."""

    def arranged() -> dict[str, list[Obj]]:
        by_namespace: dict[str, list[Obj]] = {}
        for obj in sorted(snapshot.services, key=name_of):
            by_namespace.setdefault(obj["metadata"].get("namespace") or "", []).append(obj)
        return by_namespace

    def find() -> list[Obj]:
        known = snapshot.once("services by namespace", arranged).get(namespace, ())
        return [obj for obj in known if matches(obj["spec"].get("selector"), labels)]

    return snapshot.once(("services of", namespace, frozenset(labels.items())), find)


def target_port(port: Mapping[str, object], port_names: Mapping[str, int]) -> int | None:
    """The containerPort behind a Service's port: `targetPort` by number or name, else the port's own number."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str):
        return port_names.get(target)
    return int(str(target))


def host_forms(service: MeshService, namespace: str) -> list[str]:
    """Every other name by which a pod in `namespace` may call a service, as cluster DNS and Istio resolve them."""
    if not service.from_service:
        forms = [f"{service.host}."]
    else:
        forms = _kubernetes_forms(service.name, service.namespace, namespace)
    for name, own in service.aliases:
        forms += [service_host(name, own), *_kubernetes_forms(name, own, namespace)]
    if service.headless:  # its pods by their names
        forms += [f"*.{form}" for form in [service.host, *forms]]
    return [*forms, *service.virtual_ips]


def _kubernetes_forms(name: str, own: str, namespace: str) -> list[str]:
    short = [name] if own == namespace else []
    return [f"{name}.{own}.svc.{CLUSTER_DOMAIN}.", *short, f"{name}.{own}.svc", f"{name}.{own}"]


# -- Services -------------------------------------------------------------------------------------------------------


def _service_exports(obj: Obj) -> list[str]:
    annotation = (obj["metadata"].get("annotations") or {}).get(EXPORT_TO) or ""
    return [part.strip() for part in annotation.split(",") if part.strip()]


def _services(snapshot: Snapshot) -> list[tuple[list[str], MeshService]]:
    """Every Service, with the namespaces that may see it."""
    return [(_service_exports(obj), _from_service(obj, snapshot)) for obj in snapshot.services]


def _from_service(obj: Obj, snapshot: Snapshot) -> MeshService:
    spec, name = obj["spec"], name_of(obj)
    namespace = obj["metadata"].get("namespace") or "default"
    cluster_ips = [ip for ip in (spec.get("clusterIPs") or [spec.get("clusterIP")]) if ip]
    external_name = spec.get("externalName") if spec.get("type") == "ExternalName" else None
    ports = []
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") != "TCP":
            continue
        if external_name:
            addresses: Sequence[Address] = [Address(external_name, port["port"])]
        elif spec.get("selector"):
            addresses = _pods(spec, port, namespace, snapshot)
        else:
            addresses = _manual(name, namespace, port, snapshot)
        protocol = protocol_of(port.get("name"), port.get("appProtocol"))
        ports.append(Port(port["port"], port.get("name") or "", protocol, tuple(addresses)))
    return MeshService(
        host=service_host(name, namespace),
        name=name,
        namespace=namespace,
        ports=tuple(ports),
        resolution="dns" if external_name else "pods",
        external=bool(external_name),
        virtual_ips=tuple(ip for ip in cluster_ips if ip != "None"),
        headless=not external_name and "None" in cluster_ips,
        alias_of=external_name.rstrip(".").lower() if external_name else None,
        principals=tuple(
            sorted(
                {
                    principal(pod.namespace, pod.service_account)
                    for pod in (_selected(spec["selector"], namespace, snapshot) if spec.get("selector") else ())
                }
            )
        ),
    )


def _pods(spec: Obj, port: Obj, namespace: str, snapshot: Snapshot) -> list[Address]:
    addresses = []
    for pod in _selected(spec.get("selector"), namespace, snapshot):
        if not pod.ready and not spec.get("publishNotReadyAddresses"):
            continue
        container_port = target_port(port, pod.port_names)
        if container_port is not None and container_port in pod.ports:
            addresses.append(_address(pod, container_port, snapshot))
    return addresses


def _address(pod: PodEndpoint, port: int, snapshot: Snapshot) -> Address:
    mode = peer_authentications(snapshot).mode(pod.namespace, pod.labels, port)
    mutual = pod.has_sidecar and mode != "DISABLE"
    return Address(*_place(pod, port), pod.labels, pod, mutual=mutual)


def _place(pod: PodEndpoint, port: int) -> tuple[str, int]:
    return (pod.sockets[port], 0) if port in pod.sockets else (pod.address, pod.ports[port])


def peer_authentications(snapshot: Snapshot) -> PeerAuthentications:
    """What the PeerAuthentications of this state of the cluster say."""
    return snapshot.once("peers", lambda: PeerAuthentications(snapshot.peer_authentications))


def _selected(selector: Mapping[str, str] | None, namespace: str, snapshot: Snapshot) -> list[PodEndpoint]:
    if not selector:
        return []

    def arranged() -> dict[tuple[str, str, str], list[PodEndpoint]]:
        by_label: dict[tuple[str, str, str], list[PodEndpoint]] = {}
        for pod in sorted(snapshot.endpoints, key=lambda pod: (pod.namespace, pod.name)):
            for key, value in pod.labels.items():
                by_label.setdefault((pod.namespace, key, value), []).append(pod)
        return by_label

    known = snapshot.once("pods by label", arranged)
    key, value = next(iter(selector.items()))
    return [pod for pod in known.get((namespace, key, value), ()) if matches(selector, pod.labels)]


def _manual(name: str, namespace: str, port: Obj, snapshot: Snapshot) -> list[Address]:
    """The addresses of a Service without selector, from the Endpoints object of its name."""
    addresses = []
    for obj in snapshot.manual_endpoints:
        if name_of(obj) != name or obj["metadata"].get("namespace") != namespace:
            continue
        for subset in obj.get("subsets") or ():
            for candidate in subset.get("ports") or ():
                if (candidate.get("name") or "") == (port.get("name") or ""):
                    addresses += [Address(entry["ip"], candidate["port"]) for entry in subset.get("addresses") or ()]
    return addresses


def _follow_aliases(found: dict[str, MeshService]) -> None:
    """Let every ExternalName know where it leads in the end, and every service its aliases."""
    aliases: dict[str, list[tuple[str, str]]] = {}
    for host, service in list(found.items()):
        if service.alias_of is None:
            continue
        target, seen = service.alias_of, {host}
        while target in found and found[target].alias_of is not None and target not in seen:
            seen.add(target)
            target = str(found[target].alias_of)
        found[host] = replace(service, resolves_itself=target not in found)
        if target in found and target not in seen:
            aliases.setdefault(target, []).append((service.name, service.namespace))
    for host, names in aliases.items():
        found[host] = replace(found[host], aliases=tuple(sorted(names)))


# -- ServiceEntries -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Instance:
    """One endpoint of a ServiceEntry behind one of its ports."""

    port: int
    port_name: str
    address: Address


def _entry_services(snapshot: Snapshot, namespace: str) -> dict[str, MeshService]:
    seen = [obj for obj in snapshot.service_entries if exported(obj, namespace)]
    seen.sort(key=lambda obj: (export_rank(obj, namespace), oldest_first(obj)))
    by_host: dict[str, list[Obj]] = {}
    for obj in seen:
        for host in obj["spec"]["hosts"]:
            by_host.setdefault(host.lower(), []).append(obj)
    return {host: _from_entries(host, entries, snapshot) for host, entries in by_host.items()}


def _from_entries(host: str, entries: Sequence[Obj], snapshot: Snapshot) -> MeshService:
    """The service of a host: the first entry's, with the ports of those like it."""
    first = entries[0]
    namespace = first["metadata"].get("namespace") or "default"
    resolution = _RESOLUTIONS[first["spec"].get("resolution") or "NONE"]
    declared: dict[int, Obj] = {}
    for entry in entries:
        if entry is first or _alike(first, entry):
            for port in entry["spec"].get("ports") or ():
                declared.setdefault(port["number"], port)
    instances = [one for entry in _of_host(host, namespace, snapshot) for one in _instances(entry, host, snapshot)]
    ports = []
    for number, port in declared.items():
        protocol = _PROTOCOLS.get((port.get("protocol") or "").lower()) or protocol_of(port["name"], None)
        # Istio finds resolved endpoints by the port's number, and addresses by its name.
        behind = [
            one.address
            for one in instances
            if (one.port == number if resolution in ("dns", "logical-dns") else one.port_name == port["name"])
        ]
        if resolution == "logical-dns":
            del behind[1:]
        ports.append(Port(number, port["name"], protocol, tuple(behind)))
    return MeshService(
        host=host,
        name=host,
        namespace=namespace,
        ports=tuple(ports),
        resolution=resolution,
        external=(first["spec"].get("location") or "MESH_EXTERNAL") == "MESH_EXTERNAL",
        virtual_ips=tuple(ip for ip in first["spec"].get("addresses") or () if "/" not in ip),
        from_service=False,
        subject_names=tuple(first["spec"].get("subjectAltNames") or ()),
    )


def _of_host(host: str, namespace: str, snapshot: Snapshot) -> list[Obj]:
    """Every ServiceEntry of a host in a namespace, whoever sees it."""
    return sorted(
        (
            obj
            for obj in snapshot.service_entries
            if (obj["metadata"].get("namespace") or "default") == namespace
            and host in (one.lower() for one in obj["spec"]["hosts"])
        ),
        key=oldest_first,
    )


def _alike(first: Obj, second: Obj) -> bool:
    """May the ports of the second join those of the first?"""

    def key(obj: Obj) -> list[Any]:
        spec, meta = obj["spec"], obj["metadata"]
        selector = (spec.get("workloadSelector") or {}).get("labels") or {}
        exports = sorted(spec.get("exportTo") or ())
        return [meta.get("namespace"), spec.get("resolution") or "NONE", meta.get("labels") or {}, selector, exports]

    return key(first) == key(second)


def _instances(obj: Obj, host: str, snapshot: Snapshot) -> list[_Instance]:
    spec = obj["spec"]
    out = []
    for port in spec.get("ports") or ():
        default = port.get("targetPort") or port["number"]
        if spec.get("workloadSelector") is not None:
            found = _workloads(obj, default, snapshot)
        elif not spec.get("endpoints") and (spec.get("resolution") or "NONE") in ("DNS", "DNS_ROUND_ROBIN"):
            found = [Address(host, default)]
        else:
            found = [_endpoint(one, port["name"], default) for one in spec.get("endpoints") or ()]
        out += [_Instance(port["number"], port["name"], address) for address in found]
    return out


def _endpoint(endpoint: Mapping[str, Any], port_name: str, default: int) -> Address:
    port = (endpoint.get("ports") or {}).get(port_name) or default
    return Address(endpoint["address"], port, endpoint.get("labels") or {}, weight=endpoint.get("weight") or 1)


def _workloads(obj: Obj, port: int, snapshot: Snapshot) -> list[Address]:
    """The pods that a ServiceEntry selects."""
    namespace = obj["metadata"].get("namespace") or "default"
    pods = _selected(obj["spec"]["workloadSelector"].get("labels"), namespace, snapshot)
    return [Address(*_place(pod, port), pod.labels, pod) for pod in pods if pod.ready and port in pod.ports]
