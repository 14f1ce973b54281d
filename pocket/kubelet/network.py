"""The ports of one pod and what follows from them: how others reach it, its Envoy, what its containers are told."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pocket import credentials
from pocket.kubelet import inject, substitutes
from pocket.kubelet.environment import container_environment, service_links
from pocket.kubelet.folders import folder_of
from pocket.kubelet.proxy import is_proxy
from pocket.kubelet.records import PodRecord
from pocket.mesh.gateways import HOSTS_ANNOTATION
from pocket.mesh.model import (
    ADMIN_SOCKET,
    CLUSTER_DOMAIN,
    LOCALHOST,
    STATS_SOCKET,
    GatewayPort,
    Inbound,
    Mode,
    PodEndpoint,
    Proxy,
    Substitute,
)
from pocket.mesh.password import USER
from pocket.mesh.registry import target_port
from pocket.objects import Obj, annotations_of, labels_of, matches, name_of, owner_of
from pocket.ports import PortPool
from pocket.settings import Settings
from pocket.sockets import Address
from pocket.store import Store

# Of the person's environment; everything else stays outside.
_INHERITED = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")

_ENVOY_ADMIN = 15000
_ENVOY_STATS = (15020, 15021, 15090)  # merged telemetry, health, telemetry: one listener in pocket

Addresses = Callable[[Obj, int], tuple[str, int] | None]
"""Service and port -> where a pod without sidecar reaches it."""


class Network:
    """Of one pod; `pod` is its present object, the ports stand in `record`."""

    def __init__(self, store: Store, settings: Settings, addresses: Addresses, pod: Obj, record: PodRecord) -> None:
        self._store = store
        self._settings = settings
        self._addresses = addresses
        self.pod = pod
        self._record = record
        self._folder = folder_of(settings, record.uid)

    @property
    def mode(self) -> Mode | None:
        """Which Envoy it has, if any."""
        if not inject.is_injected(self.pod):
            return "plain" if self._record.plain else None
        return "gateway" if inject.mode_of(self.pod, {}) == "gateway" else "sidecar"

    def allocate(self, pool: PortPool) -> None:
        """Note ports for everything that listens and has none yet. Raises NoFreePort."""
        record = self._record
        mode = self.mode
        wanted = [
            int(entry["containerPort"])
            for container in self._app_specs()
            for entry in container.get("ports") or ()
            if mode != "gateway"
        ]
        missing = [port for port in dict.fromkeys(wanted) if port not in record.app_ports]
        rules = [rule for rule in substitutes.RULES if rule.hosts not in record.substitute_ports]
        counts = mode in ("sidecar", "gateway") and not record.metrics_port
        count = len(missing) + (1 if counts else 0)
        if mode == "sidecar":
            count += len(missing) + len(rules)
        if mode in ("sidecar", "plain") and not record.outbound_port:
            count += 1
        fresh = iter(pool.allocate(count))
        for port in missing:
            record.app_ports[port] = next(fresh)
            if mode == "sidecar":
                record.inbound_ports[port] = next(fresh)
        if counts:
            record.metrics_port = next(fresh)
        if mode in ("sidecar", "plain"):
            record.outbound_port = record.outbound_port or next(fresh)
            record.password = record.password or secrets.token_urlsafe()
        if mode == "sidecar":
            for rule in rules:
                record.substitute_ports[rule.hosts] = next(fresh)

    def listen(self, container: Obj, sockets: bool) -> None:
        """Note how a container about to start listens; `sockets`: it can do so on a Unix socket.

        It does so for its first port, which other users of the machine then cannot reach. Outside the mesh it does
        not: there nobody is asked who he is, and Prometheus, which reads no Unix sockets, reads the port itself.
        The socket of a start before, which would be in the way, is removed.
        """
        first = [int(entry["containerPort"]) for entry in container.get("ports") or ()][:1]
        others = [port for port in self._record.sockets if port not in first]
        self._record.sockets = others + (first if sockets and self.mode != "plain" else [])
        for port in first:
            (self._folder / _socket(port)).unlink(missing_ok=True)

    def place(self, container: Obj, name_or_number: str | int) -> Address:
        """Where a container's port really is. Raises ValueError."""
        number: int | None = None
        if isinstance(name_or_number, int) or str(name_or_number).isdigit():
            number = int(name_or_number)
        else:
            for entry in container.get("ports") or ():
                if entry.get("name") == name_or_number:
                    number = int(entry["containerPort"])
        if number not in self._record.app_ports:
            raise ValueError(f"port {name_or_number}: no containerPort of the pod, and pocket knows only those")
        return self._place(number)

    def _place(self, port: int) -> Address:
        if port in self._record.sockets:
            return self._folder / _socket(port)
        return LOCALHOST, self._record.app_ports[port]

    def address(self, port: int, proxy: Path) -> Address:
        """Where what the pod calls `port` really is, as seen from inside it; its Envoy runs in the folder `proxy`.

        An Envoy has Istio's ports (https://istio.io/latest/docs/ops/deployment/application-requirements/). Raises
        LookupError.
        """
        gateway = self._gateway_targets() if self.mode == "gateway" else {}
        if port in gateway:
            return LOCALHOST, gateway[port]
        if port in self._record.app_ports:
            return self._place(port)
        if inject.is_injected(self.pod) and port == _ENVOY_ADMIN:
            return proxy / ADMIN_SOCKET
        if inject.is_injected(self.pod) and port in _ENVOY_STATS:
            return proxy / STATS_SOCKET
        raise LookupError(f"port {port}: no containerPort of the pod, and pocket knows only those")

    def environment(
        self, container: Obj, image: Mapping[str, str], more: Mapping[str, str], workdir: Path
    ) -> dict[str, str]:
        """All variables of a container; `more` is for those that say nothing about them. Raises ConfigError.

        It starts in `workdir`, from where it sees the socket on which it may have to listen.
        """
        path = [*image.get("PATH", "").split(os.pathsep), str(Path(sys.executable).parent)]
        path += os.environ.get("PATH", os.defpath).split(os.pathsep)
        path = list(dict.fromkeys(entry for entry in path if entry))
        system = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return container_environment(
            self.pod,
            container,
            self._store.find,
            image={"LANG": "C.UTF-8", **system, **image, "PATH": os.pathsep.join(path), "HOSTNAME": self._record.name},
            links=self._service_links(),
            ours=self._listen_variables(container, workdir),
            defaults={**self._proxy_variables(), **self._substitute_variables(), **more},
        )

    def endpoint(self, ready: bool) -> PodEndpoint:
        """The pod as others reach it."""
        labels = labels_of(self.pod)
        ports = [entry for container in self._app_specs() for entry in container.get("ports") or ()]
        return PodEndpoint(
            name=self._record.name,
            namespace=self._record.namespace,
            labels=labels,
            workload=self.workload(),
            ports=self._gateway_targets() if self.mode == "gateway" else self._endpoint_ports(),
            port_names={str(entry["name"]): int(entry["containerPort"]) for entry in ports if entry.get("name")},
            app=labels.get("app", ""),
            version=labels.get("version", ""),
            service_account=str(self.pod["spec"].get("serviceAccountName") or "default"),
            has_sidecar=self.mode == "sidecar",
            ready=ready,
            sockets={} if self.mode == "sidecar" else {port: self._seen(port) for port in self._record.sockets},
        )

    def workload(self) -> str:
        """The Deployment's or Job's name; a ReplicaSet's or the pod's own where there is nothing above."""
        owner = owner_of(self.pod)
        if owner is None:
            return self._record.name
        if owner["kind"] == "ReplicaSet":
            replica_set = self._store.find("ReplicaSet", self._record.namespace, owner["name"])
            above = owner_of(replica_set) if replica_set else None
            if above is not None:
                return str(above["name"])
            hashed = labels_of(self.pod).get("pod-template-hash")
            return str(owner["name"]).removesuffix(f"-{hashed}") if hashed else str(owner["name"])
        return str(owner["name"])

    def _app_specs(self) -> list[Obj]:
        """Containers of the application, native sidecars included."""
        spec = self.pod["spec"]
        own = [entry for entry in spec.get("initContainers") or () if entry.get("restartPolicy") == "Always"]
        return own + [entry for entry in spec["containers"] if not (self.mode == "sidecar" and is_proxy(entry))]

    def _seen(self, port: int) -> str:
        """A socket's path: all Envoys run in folders of pods' folders, and 107 bytes are all that there may be."""
        return f"../../{self._record.uid}/{_socket(port)}"

    def _listen_variables(self, container: Obj, workdir: Path) -> dict[str, str]:
        variables = {}
        for index, entry in enumerate(container.get("ports") or ()):
            port = str(self._record.app_ports[int(entry["containerPort"])])
            if index == 0:
                place = self._place(int(entry["containerPort"]))
                host = f"unix:{os.path.relpath(place, workdir.resolve())}" if isinstance(place, Path) else LOCALHOST
                variables.update({"HOST": host, "PORT": port})
            variables[f"PORT_{entry['containerPort']}"] = port
        return variables

    def _proxy_variables(self) -> dict[str, str]:
        if self.mode not in ("sidecar", "plain"):
            return {}
        password = f"{USER}:{self._record.password}@" if self._record.password else ""
        proxy = f"http://{password}127.0.0.1:{self._record.outbound_port}"
        spared = "localhost,127.0.0.1"
        return {
            "http_proxy": proxy, "HTTP_PROXY": proxy, "https_proxy": proxy, "HTTPS_PROXY": proxy,
            "no_proxy": spared, "NO_PROXY": spared,
        }  # fmt: skip

    def _substitute_variables(self) -> dict[str, str]:
        variables = {}
        for rule in substitutes.RULES:
            port = self._record.substitute_ports.get(rule.hosts, self._settings.emulator_port)
            variables[rule.variable] = f"{rule.scheme}://127.0.0.1:{port}"
        if self.mode is None:  # of the system: it has no Envoy that would tell Prometheus who asks
            variables["PROMETHEUS_URL"] = credentials.prometheus_url(self._settings)
        return variables

    def _service_links(self) -> dict[str, str]:
        """As in Kubernetes: those of the Services that are there when the container starts."""
        settings = self._settings
        links = {"KUBERNETES_SERVICE_HOST": LOCALHOST, "KUBERNETES_SERVICE_PORT": str(settings.api_port)}
        if self.pod["spec"].get("enableServiceLinks") is False:
            return links
        services = self._store.list("Service", self._record.namespace)
        # By name and through the sidecar where there is one, so that routes apply.
        address = _by_name if self.mode == "sidecar" else self._addresses
        return {**service_links(services, address), **links}

    def proxy(self, directory: Path) -> Proxy:
        """Its Envoy, which runs in `directory`."""
        labels = labels_of(self.pod)
        record = self._record
        mode = self.mode or "plain"
        return Proxy(
            name=record.name,
            namespace=record.namespace,
            uid=record.uid,
            directory=str(directory),
            metrics_port=record.metrics_port,
            mode=mode,
            workload=self.workload(),
            app=labels.get("app", ""),
            version=labels.get("version", ""),
            labels=labels,
            service_account=str(self.pod["spec"].get("serviceAccountName") or "default"),
            outbound_port=record.outbound_port,
            password=record.password,
            inbound=tuple(
                Inbound(
                    port,
                    listen,
                    record.app_ports[port],
                    socket=self._seen(port) if port in record.sockets else "",
                )
                for port, listen in sorted(record.inbound_ports.items())
            ),
            substitutes=self._substitutes(),
            gateway_ports=self._gateway_ports() if mode == "gateway" else (),
            hosts=self._gateway_hosts() if mode == "gateway" else None,
        )

    def _substitutes(self) -> tuple[Substitute, ...]:
        entries = self._store.list("ServiceEntry")
        return tuple(
            Substitute(
                substitutes.host_of(rule, entries),
                rule.port,
                self._record.substitute_ports[rule.hosts],
                self._settings.emulator_port,
            )
            for rule in substitutes.RULES
            if rule.hosts in self._record.substitute_ports
        )

    def _gateway_hosts(self) -> tuple[str, ...] | None:
        """The names of the gateway's Services, and what their annotations add; None: every host."""
        hosts = set()
        for service in self._services():
            name = f"{name_of(service)}.{self._record.namespace}"
            hosts |= {name_of(service), name, f"{name}.svc", f"{name}.svc.{CLUSTER_DOMAIN}"}
            hosts |= {host.strip() for host in annotations_of(service).get(HOSTS_ANNOTATION, "").split(",")}
        return None if "*" in hosts else tuple(sorted(hosts - {""}))

    def _gateway_ports(self) -> tuple[GatewayPort, ...]:
        """The ports that the gateway's Service opens on the node."""
        names = self._gateway_port_names()
        found = {
            GatewayPort(int(port["port"]), int(port["nodePort"]), target_port(port, names) or 0)
            for port in self._node_ports()
        }
        return tuple(sorted(found, key=lambda port: port.service_port))

    def _gateway_targets(self) -> dict[int, int]:
        """A gateway listens on the node's ports themselves."""
        names = self._gateway_port_names()
        targets = {target_port(port, names): int(port["nodePort"]) for port in self._node_ports()}
        return {number: node_port for number, node_port in targets.items() if number is not None}

    def _gateway_port_names(self) -> dict[str, int]:
        return {
            str(entry["name"]): int(entry["containerPort"])
            for container in self._app_specs()
            for entry in container.get("ports") or ()
            if entry.get("name")
        }

    def _endpoint_ports(self) -> dict[int, int]:
        return dict(self._record.inbound_ports if self.mode == "sidecar" else self._record.app_ports)

    def _node_ports(self) -> list[Obj]:
        ports = [port for service in self._services() for port in service["spec"].get("ports") or ()]
        return [port for port in ports if port.get("nodePort")]

    def _services(self) -> list[Obj]:
        """Those that lead to the pod."""
        services = self._store.list("Service", self._record.namespace)
        return [service for service in services if matches(service["spec"].get("selector"), labels_of(self.pod))]


def _socket(port: int) -> str:
    """The socket of a containerPort, in the pod's folder."""
    return f"{port}.sock"


def _by_name(service: Obj, port: int) -> tuple[str, int] | None:
    return name_of(service), port
