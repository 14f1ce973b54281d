"""The service registry: Kubernetes Services and Istio ServiceEntries in one form.

Protocol selection is Istio's: `appProtocol`, else the prefix of the port's name, else unknown
(https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pocket.mesh.model import CLUSTER_DOMAIN, PodEndpoint, Snapshot
from pocket.mesh.names import exported, service_host
from pocket.objects import Obj, matches, name_of

Protocol = Literal["http", "http2", "grpc", "tcp", "tls", "auto"]
Resolution = Literal["pods", "static", "dns", "logical-dns", "dynamic"]

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

    host: str
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)
    pod: PodEndpoint | None = None
    weight: int = 1


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
    """Every service that a proxy in `namespace` can see, sorted by host. A Service hides a ServiceEntry of its name."""
    found: dict[str, MeshService] = {}
    for obj in snapshot.services:
        service = _from_service(obj, snapshot)
        found[service.host] = service
    for obj in snapshot.service_entries:
        if exported(obj, namespace):
            for service in _from_entry(obj):
                found.setdefault(service.host, service)
    return tuple(found[host] for host in sorted(found))


def services_of(snapshot: Snapshot, labels: Mapping[str, str], namespace: str) -> list[Obj]:
    """The Services that select a pod, by name."""
    return [
        obj
        for obj in sorted(snapshot.services, key=name_of)
        if obj["metadata"].get("namespace") == namespace and matches(obj["spec"].get("selector"), labels)
    ]


def target_port(port: Mapping[str, object], port_names: Mapping[str, int]) -> int | None:
    """The containerPort behind a Service's port: `targetPort` by number or name, else the port's own number."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, str):
        return port_names.get(target)
    return int(str(target))


def _from_service(obj: Obj, snapshot: Snapshot) -> MeshService:
    spec, name = obj["spec"], name_of(obj)
    namespace = obj["metadata"].get("namespace") or "default"
    cluster_ips = [ip for ip in (spec.get("clusterIPs") or [spec.get("clusterIP")]) if ip and ip != "None"]
    external_name = spec.get("externalName") if spec.get("type") == "ExternalName" else None
    ports = []
    for port in spec.get("ports") or ():
        if (port.get("protocol") or "TCP") != "TCP":
            continue
        if external_name:
            addresses: Iterable[Address] = [Address(external_name, port["port"])]
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
        virtual_ips=tuple(cluster_ips),
    )


def _pods(spec: Obj, port: Obj, namespace: str, snapshot: Snapshot) -> list[Address]:
    addresses = []
    for pod in sorted(snapshot.endpoints, key=lambda pod: (pod.namespace, pod.name)):
        if pod.namespace != namespace or not matches(spec.get("selector"), pod.labels):
            continue
        if not pod.ready and not spec.get("publishNotReadyAddresses"):
            continue
        container_port = target_port(port, pod.port_names)
        if container_port is not None and container_port in pod.ports:
            addresses.append(Address(pod.address, pod.ports[container_port], pod.labels, pod))
    return addresses


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


def _from_entry(obj: Obj) -> list[MeshService]:
    spec = obj["spec"]
    resolution = _RESOLUTIONS[spec.get("resolution") or "NONE"]
    services = []
    for host in spec["hosts"]:
        ports = []
        for port in spec.get("ports") or ():
            protocol = _PROTOCOLS.get((port.get("protocol") or "").lower()) or protocol_of(port.get("name"), None)
            ports.append(Port(port["number"], port["name"], protocol, tuple(_entry_addresses(spec, host, port))))
        services.append(
            MeshService(
                host=host,
                name=host,
                namespace=obj["metadata"].get("namespace") or "default",
                ports=tuple(ports),
                resolution=resolution,
                external=(spec.get("location") or "MESH_EXTERNAL") == "MESH_EXTERNAL",
                virtual_ips=tuple(ip for ip in spec.get("addresses") or () if "/" not in ip),
                from_service=False,
            )
        )
    return services


def _entry_addresses(spec: Obj, host: str, port: Obj) -> list[Address]:
    default = port.get("targetPort") or port["number"]
    endpoints = spec.get("endpoints") or ()
    if not endpoints and (spec.get("resolution") or "NONE") in ("DNS", "DNS_ROUND_ROBIN"):
        return [Address(host, default)]
    return [
        Address(
            endpoint["address"],
            (endpoint.get("ports") or {}).get(port["name"]) or default,
            endpoint.get("labels") or {},
            weight=endpoint.get("weight") or 1,
        )
        for endpoint in endpoints
    ]


def host_forms(service: MeshService, namespace: str) -> list[str]:
    """Every name by which a pod in `namespace` may call a service, as cluster DNS and Istio resolve them."""
    if not service.from_service:
        return [service.host, *service.virtual_ips]
    own = f"{service.name}.{service.namespace}"
    forms = [service.host, f"{own}.svc", own]
    if service.namespace == namespace:
        forms.append(service.name)
    assert service.host.endswith(CLUSTER_DOMAIN)  # noqa: S101 - registry() made it
    return [*forms, *service.virtual_ips]
