"""What the mesh tests share: short ways to write objects, real Envoys, and small servers behind them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from pocket.mesh import admin, deliver
from pocket.mesh.bootstrap import envoy_argv
from pocket.mesh.deliver import Delivery
from pocket.mesh.model import STATS_SOCKET, GatewayPort, PodEndpoint, Proxy, Snapshot, snapshot_of
from pocket.mesh.telemetry import metric_relabel_configs
from pocket.mesh.translate import translate
from pocket.objects import Obj
from pocket.programs import envoy

NS = "music"


def objects(text: str) -> list[Obj]:
    """YAML documents as objects; those without a namespace are put into NS."""
    found = [dict(document) for document in yaml.safe_load_all(text) if document]
    for obj in found:
        if obj["kind"] != "Namespace":
            obj["metadata"].setdefault("namespace", NS)
    return found


def service(name: str = "s2", port: int = 30001, *, port_name: str = "http", namespace: str = NS, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"name": port_name, "port": port}], **spec},
    }


def virtual_service(name: str = "s2", *, hosts: list[str] | None = None, **spec: Any) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"hosts": hosts or [name], **spec},
    }


def destination_rule(host: str = "s2", *, subsets: tuple[str, ...] = ("v1", "v2"), **spec: Any) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": host, "namespace": NS},
        "spec": {"host": host, "subsets": [{"name": v, "labels": {"version": v}} for v in subsets], **spec},
    }


def gateway(name: str = "gw", *, hosts: list[str] | None = None, number: int = 80) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [{"port": {"number": number, "name": "http", "protocol": "HTTP"}, "hosts": hosts or ["*"]}],
        },
    }


def service_entry(host: str = "dynamo.example.com", *, number: int = 443, protocol: str = "TLS", **spec: Any) -> Obj:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "entry", "namespace": NS},
        "spec": {
            "hosts": [host],
            "ports": [{"number": number, "name": protocol.lower(), "protocol": protocol}],
            "resolution": "DNS",
            "location": "MESH_EXTERNAL",
            **spec,
        },
    }


def pod(
    app: str = "s2", version: str = "v1", port: int = 31001, *, container_port: int = 30001, **more: Any
) -> PodEndpoint:
    fields: dict[str, Any] = {
        "name": f"{app}-{version}-{port}",
        "namespace": NS,
        "labels": {"app": app, "version": version},
        "workload": f"{app}-{version}",
        "app": app,
        "version": version,
        "ports": {container_port: port},
        "has_sidecar": False,  # most stand for a server that is alone: callers would send TLS to a sidecar
    }
    return PodEndpoint(**(fields | more))


def sidecar(app: str = "s1", directory: str = "/nowhere", **more: Any) -> Proxy:
    fields: dict[str, Any] = {
        "name": f"{app}-1",
        "namespace": NS,
        "uid": "u",
        "directory": directory,
        "metrics_port": 31990,
        "workload": app,
        "app": app,
        "version": "v1",
        "labels": {"app": app, "version": "v1"},
        "outbound_port": 31991,
    }
    return Proxy(**(fields | more))


def gateway_proxy(directory: str = "/nowhere", **more: Any) -> Proxy:
    fields: dict[str, Any] = {
        "name": "gateway-1",
        "namespace": "istio-system",
        "uid": "g",
        "directory": directory,
        "metrics_port": 31992,
        "mode": "gateway",
        "workload": "istio-ingressgateway",
        "app": "istio-ingressgateway",
        "labels": {"app": "istio-ingressgateway", "istio": "ingressgateway"},
        "gateway_ports": (GatewayPort(80, 31993),),
    }
    return Proxy(**(fields | more))


def snapshot(*things: Obj | PodEndpoint) -> Snapshot:
    return snapshot_of(
        [thing for thing in things if isinstance(thing, dict)],
        [thing for thing in things if isinstance(thing, PodEndpoint)],
    )


# -- live -----------------------------------------------------------------------------------------------------------


START_SECONDS = 60.0  # in which some Envoys come at all, where other tests use the cores: no subject of a test
_given: set[int] = set()  # ports that somebody in this process may be about to listen on


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, and that have not been given away before."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            found.append(port)
    return found


@dataclass
class Mesh:
    """Real Envoys over one snapshot; `apply` changes it and waits until all have it."""

    root: Path
    snapshot: Snapshot = field(default_factory=Snapshot)
    proxies: list[Proxy] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    control: asyncio.Task[None] | None = None  # ends with the loop

    def __post_init__(self) -> None:
        self.delivery = Delivery(self.root / "xds.sock")

    def proxy(self, make: Callable[..., Proxy], name: str, **fields: Any) -> Proxy:
        """A proxy with free ports of its own and a directory below `root`."""
        stats, out = free_ports(2)
        defaults: dict[str, Any] = {"metrics_port": stats, "directory": str(self.root / name), "name": name}
        made = make(**({"outbound_port": out} | defaults | fields)) if make is sidecar else make(**(defaults | fields))
        self.proxies.append(made)
        return made

    async def start(self, *things: Obj | PodEndpoint) -> None:
        self.snapshot = snapshot(*things)
        await self.listen()
        for proxy in self.proxies:
            deliver.prepare(proxy)
            self.delivery.prepare(proxy, translate(self.snapshot, proxy))
            log = (Path(proxy.directory) / "log").open("wb")
            self.processes[proxy.id] = subprocess.Popen(  # noqa: ASYNC220 - it must outlive a loop
                envoy_argv(envoy()), cwd=proxy.directory, stdout=log, stderr=log
            )
            log.close()
        await self.settled(START_SECONDS)

    async def listen(self) -> None:
        """Begin to serve the Envoys."""
        ready = asyncio.Event()

        async def serve() -> None:
            async with self.delivery.listening():
                ready.set()
                await asyncio.Event().wait()

        self.control = asyncio.create_task(serve())
        await ready.wait()

    async def cut_off(self) -> None:
        """The control process ends; the next one knows nothing of this one."""
        assert self.control is not None
        self.control.cancel()
        await asyncio.gather(self.control, return_exceptions=True)
        self.delivery = Delivery(self.root / "xds.sock")

    async def apply(self, *things: Obj | PodEndpoint) -> None:
        self.snapshot = snapshot(*things)
        for proxy in self.proxies:
            self.delivery.write(proxy, translate(self.snapshot, proxy))
        await self.settled()

    async def settled(self, within: float = deliver.TIMEOUT) -> None:
        await asyncio.gather(*(self.delivery.acknowledged(proxy, within) for proxy in self.proxies))

    def log(self, proxy: Proxy) -> str:
        return (Path(proxy.directory) / "log").read_text()

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def mesh(root: Path) -> Iterator[Mesh]:
    made = Mesh(root)
    try:
        yield made
    finally:
        made.stop()


@contextlib.asynccontextmanager
async def upstream(name: str, handler: Callable[[web.Request], Any] | None = None) -> AsyncIterator[int]:
    """A server that answers every request with its name and what it got; yields its port."""

    async def echo(request: web.Request) -> web.Response:
        body = await request.text()
        seen = {
            "name": name, "method": request.method, "path": request.path_qs,
            "headers": {k.lower(): v for k, v in request.headers.items()}, "body": body,
        }  # fmt: skip
        return web.json_response(seen)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler or echo)
    runner = web.AppRunner(app, keepalive_timeout=75, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    (port,) = free_ports(1)
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


async def metrics(proxy: Proxy) -> list[tuple[str, dict[str, str], float]]:
    """What Prometheus would have after its relabelling: name, labels, value."""
    async with admin.session(proxy, STATS_SOCKET) as session, session.get("http://envoy/stats/prometheus") as answer:
        text = await answer.text()
    raw = [
        (sample.name, dict(sample.labels), float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    return [found for sample in raw if (found := relabel(*sample))]


def relabel(name: str, labels: dict[str, str], value: float) -> tuple[str, dict[str, str], float] | None:
    """Prometheus' `replace` and `keep`, enough for telemetry.metric_relabel_configs."""
    everything = {"__name__": name, **labels}
    for rule in metric_relabel_configs():
        joined = rule.get("separator", ";").join(everything.get(label, "") for label in rule["source_labels"])
        found = re.fullmatch(rule["regex"], joined)
        if rule.get("action") == "keep":
            if not found:
                return None
        elif found:
            everything[rule["target_label"]] = found.expand(rule["replacement"].replace("$1", r"\1"))
    return everything.pop("__name__"), everything, value
