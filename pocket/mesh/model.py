"""What the mesh is computed from and what comes out: the nouns that kubelet, controllers and mesh share.

Everything here is immutable data without I/O. `translate(snapshot, proxy)` turns it into an `EnvoyConfig`,
`bootstrap(proxy)` into the file that Envoy starts with, and `Delivery` brings both to the running Envoy.

All addresses are loopback addresses: pocket is a cluster on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

from pocket.objects import Obj, kind_of

T = TypeVar("T")

LOCALHOST = "127.0.0.1"
CLUSTER_DOMAIN = "cluster.local"
GATEWAY_API = "gateway.networking.k8s.io"
TRUST_DOMAIN = "cluster.local"  # Istio's default: the first part of every identity

BOOTSTRAP_FILE = "bootstrap.json"
"""The file in a proxy's directory that Envoy is started with: `envoy -c bootstrap.json`, in that directory."""

ADMIN_SOCKET = "admin.sock"
"""Envoy's admin interface: a Unix socket in the proxy's directory, which only its owner can open."""

STATS_SOCKET = "stats.sock"
"""Beside it: what Envoy has counted, and whether its worker is there."""

DRAIN_SECONDS = 5
"""How long an Envoy that shall stop may take to finish what is under way."""


Mode = Literal["sidecar", "gateway", "plain"]
"""What an Envoy is for: a pod in the mesh; what comes in from outside the cluster; or a pod outside the mesh, which is
to find Services by their names, as it does with kube-proxy and cluster DNS, and nothing else."""

MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Inbound:
    """One port of an application: others call `listen_port` (the sidecar), which passes on to `app_port`."""

    container_port: int  # as the pod's spec names it, and a Service's targetPort means it
    listen_port: int
    app_port: int
    name: str = ""  # the containerPort's name, which a Service's targetPort may use
    socket: str = ""  # where the application listens instead of `app_port`: a path as seen from the proxy's directory


@dataclass(frozen=True)
class Substitute:
    """A loopback port of a sidecar that stands for an external `host:port` and leads to `target_*` instead.

    The traffic counts as traffic to `host:port` (the ServiceEntry that names it). pocket uses it for DynamoDB.
    """

    host: str  # `dynamodb.us-west-2.amazonaws.com`
    port: int  # 443
    listen_port: int
    target_port: int
    target_address: str = LOCALHOST


@dataclass(frozen=True)
class GatewayPort:
    """One port of an ingress gateway: `service_port` of its Service leads to `target_port` of the pod.

    A Gateway's `server.port.number` means either (Istio looks among the Service's ports first); clients use
    `listen_port`.
    """

    service_port: int
    listen_port: int
    target_port: int = 0  # 0: the same as the Service's

    @property
    def target(self) -> int:
        return self.target_port or self.service_port


@dataclass(frozen=True)
class Proxy:
    """One Envoy: the sidecar of a pod, or an ingress gateway."""

    name: str  # the pod's name
    namespace: str
    uid: str  # the pod's uid
    directory: str  # where its Envoy runs (its cwd): bootstrap, admin socket and control channel lie there
    metrics_port: int  # Prometheus, and nobody else, scrapes https://127.0.0.1:METRICS_PORT/stats/prometheus
    mode: Mode = "sidecar"
    workload: str = "unknown"  # the Deployment's (Job's) name
    app: str = ""  # label `app`, "" where the pod has none
    version: str = ""  # label `version`
    labels: Mapping[str, str] = field(default_factory=dict)
    service_account: str = "default"
    outbound_port: int = 0  # the application's http_proxy; a gateway has none
    password: str = ""  # what it asks there for; "" for nothing
    inbound: tuple[Inbound, ...] = ()
    substitutes: tuple[Substitute, ...] = ()
    gateway_ports: tuple[GatewayPort, ...] = ()
    hosts: tuple[str, ...] | None = None  # what a gateway's `*` means, beside this machine's names; None: every host

    @property
    def id(self) -> str:
        """The key under which Delivery remembers it: `namespace/pod`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class PodEndpoint:
    """A running pod as others reach it."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    workload: str
    ports: Mapping[int, int]  # containerPort -> port on `address` (the sidecar's listen port, else the application's)
    port_names: Mapping[str, int] = field(default_factory=dict)  # name of a containerPort -> its number
    app: str = ""
    version: str = ""
    service_account: str = "default"
    has_sidecar: bool = True
    ready: bool = True  # pods that are not ready, or on their way out, get no traffic
    address: str = LOCALHOST
    authorization: str = field(default="", repr=False)  # the header that whoever calls it has to send, if any
    sockets: Mapping[int, str] = field(default_factory=dict)  # containerPort -> Unix socket, as seen by every Envoy


@dataclass(frozen=True)
class Snapshot:
    """The whole cluster as the mesh sees it at one moment. Objects are plain dictionaries and are not changed.

    `endpoints` are pods; Services without selector take theirs from `manual_endpoints` (Endpoints objects).
    """

    services: tuple[Obj, ...] = ()
    virtual_services: tuple[Obj, ...] = ()
    destination_rules: tuple[Obj, ...] = ()
    gateways: tuple[Obj, ...] = ()
    service_entries: tuple[Obj, ...] = ()
    endpoints: tuple[PodEndpoint, ...] = ()
    manual_endpoints: tuple[Obj, ...] = ()
    secrets: tuple[Obj, ...] = ()  # certificates of Gateways and DestinationRules
    gateway_api: tuple[Obj, ...] = ()  # all its kinds
    namespaces: tuple[Obj, ...] = ()
    peer_authentications: tuple[Obj, ...] = ()
    authorization_policies: tuple[Obj, ...] = ()
    request_authentications: tuple[Obj, ...] = ()
    memo: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` computes from this snapshot alone, and for all proxies: computed once."""
        if key not in self.memo:
            self.memo[key] = make()
        return cast(T, self.memo[key])


ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
"""The source of configuration: the one control channel of each Envoy, for as long as it takes."""

Resource = dict[str, Any]
"""One Envoy resource (a Listener, a Cluster ...) in the JSON form of Envoy's v3 API."""


class Joined(dict[str, Resource]):
    """Resources by name, of which some are shared with other proxies: whoever encodes them does so part by part."""

    def __init__(self, *parts: Mapping[str, Resource]) -> None:
        super().__init__()
        for part in parts:
            self.update(part)
        self.parts = parts


@dataclass(frozen=True)
class EnvoyConfig:
    """The dynamic configuration of one proxy: each kind by the resource's name.

    Endpoints of clusters that ask for them by EDS stand apart, under the cluster's name.
    """

    listeners: Mapping[str, Resource] = field(default_factory=dict)
    clusters: Mapping[str, Resource] = field(default_factory=dict)
    endpoints: Mapping[str, Resource] = field(default_factory=dict)
    routes: Mapping[str, Resource] = field(default_factory=dict)
    secrets: Mapping[str, Resource] = field(default_factory=dict)


def snapshot_of(objects: Iterable[Obj], endpoints: Iterable[PodEndpoint]) -> Snapshot:
    """Sort a heap of objects (say, everything in the store) into a Snapshot; other kinds are left out."""
    heaps: dict[str, list[Obj]] = {}
    for obj in objects:
        heaps.setdefault(kind_of(obj), []).append(obj)
    pods = tuple(endpoints)
    return Snapshot(
        services=tuple(heaps.get("Service", ())),
        virtual_services=tuple(heaps.get("VirtualService", ())),
        destination_rules=tuple(heaps.get("DestinationRule", ())),
        gateways=tuple(heaps.get("Gateway", ())),
        service_entries=tuple(heaps.get("ServiceEntry", ())),
        endpoints=pods,
        manual_endpoints=tuple(heaps.get("Endpoints", ())),
        secrets=tuple(heaps.get("Secret", ())),
        gateway_api=tuple(obj for kind, heap in heaps.items() if kind.endswith(f".{GATEWAY_API}") for obj in heap),
        namespaces=tuple(heaps.get("Namespace", ())),
        peer_authentications=tuple(heaps.get("PeerAuthentication", ())),
        authorization_policies=tuple(heaps.get("AuthorizationPolicy", ())),
        request_authentications=tuple(heaps.get("RequestAuthentication", ())),
    )
