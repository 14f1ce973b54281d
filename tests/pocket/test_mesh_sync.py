"""Pushing the state to the Envoys: together when asked together, and a broken Envoy holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from pocket import parts
from pocket.mesh.admin import Dead
from pocket.mesh.deliver import Delivery, NotAcknowledged
from pocket.mesh.identities import Identities
from pocket.mesh.model import EnvoyConfig, PodEndpoint, Proxy
from pocket.mesh_sync import MeshSync
from pocket.settings import Settings
from pocket.store import Store


class Pods:
    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def proxies(self) -> list[Proxy]:
        return [Proxy(name, "ns", name, "/nowhere", 1000 + index) for index, name in enumerate(self.names)]

    def pod_endpoints(self) -> list[PodEndpoint]:
        return []


class Envoys:
    """In the place of Delivery: notes what is written, answers when it is told to."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.forgotten: list[str] = []
        self.answer = asyncio.Event()
        self.refusals: dict[str, Exception] = {}
        self.identities = Identities(None)

    def write(self, proxy: Proxy, config: EnvoyConfig) -> None:
        assert isinstance(config, EnvoyConfig)
        self.written.append(proxy.name)

    def write_all(self, configs: Iterable[tuple[Proxy, EnvoyConfig]]) -> int:
        for proxy, config in configs:
            self.write(proxy, config)
        return 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        yield

    def forget(self, proxy: Proxy) -> None:
        self.forgotten.append(proxy.name)

    async def acknowledged(self, proxy: Proxy) -> None:
        await self.answer.wait()
        if proxy.name in self.refusals:
            raise self.refusals[proxy.name]


def make(tmp_path: Path, *names: str) -> tuple[MeshSync, Envoys, Pods, Store]:
    settings = Settings(home=tmp_path, port_base=20000, gateway_port=8080)
    parts.write_prometheus_config(settings)
    envoys, pods, store = Envoys(), Pods(*names), Store()
    return MeshSync(settings, store, pods, cast(Delivery, envoys)), envoys, pods, store


def test_calls_that_come_during_a_push_share_the_next_one(tmp_path: Path) -> None:
    async def story() -> None:
        mesh, envoys, _, _ = make(tmp_path, "a")
        calls = [asyncio.create_task(mesh.sync())]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        calls += [asyncio.create_task(mesh.sync()) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert envoys.written == ["a"], "the second push waits for the first"
        envoys.answer.set()
        await asyncio.gather(*calls)
        assert envoys.written == ["a", "a"]

    asyncio.run(asyncio.wait_for(story(), 10))


def test_one_envoy_that_refuses_is_told_and_holds_up_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        mesh, envoys, _, _ = make(tmp_path, "a", "b", "c")
        envoys.answer.set()
        envoys.refusals = {"a": NotAcknowledged("a refuses"), "b": Dead("b has ended")}
        with caplog.at_level(logging.INFO):
            await mesh.sync()

    asyncio.run(asyncio.wait_for(story(), 10))
    assert [(r.levelname, r.message) for r in caplog.records] == [("ERROR", "a refuses"), ("INFO", "b has ended")]


def test_prometheus_learns_of_every_envoy(tmp_path: Path) -> None:
    async def story() -> None:
        mesh, envoys, pods, _ = make(tmp_path, "a")
        envoys.answer.set()
        await mesh.sync()
        pods.names.append("b")
        await mesh.sync()

    asyncio.run(asyncio.wait_for(story(), 10))
    groups = json.loads((tmp_path / "prometheus" / "sidecars.json").read_text())
    assert [group["labels"]["pod"] for group in groups] == ["a", "b"]


def test_prometheus_has_a_certificate_of_the_mesh_and_gets_the_next_one_in_time(tmp_path: Path) -> None:
    folder = tmp_path / "prometheus" / "certs"
    now = 1_000_000.0

    async def story() -> None:
        nonlocal now
        mesh, envoys, _, _ = make(tmp_path, "a")
        envoys.identities = Identities(None, lifetime=100, clock=lambda: now)
        envoys.answer.set()
        await mesh.sync()
        first = certificate()
        assert first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.UniformResourceIdentifier
        ) == ["spiffe://cluster.local/ns/istio-system/sa/prometheus"]
        first.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "root-cert.pem").read_bytes()))
        assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
        await mesh.sync()
        assert certificate() == first
        now += 51
        assert envoys.identities.due() == 0, "mesh.run() pushes then"
        await mesh.sync()
        assert certificate() != first

    def certificate() -> x509.Certificate:
        return x509.load_pem_x509_certificate((folder / "cert-chain.pem").read_bytes())

    asyncio.run(asyncio.wait_for(story(), 10))


def test_an_envoy_that_is_gone_is_forgotten_once(tmp_path: Path) -> None:
    async def story() -> list[str]:
        mesh, envoys, pods, _ = make(tmp_path, "a", "b")
        envoys.answer.set()
        await mesh.sync()
        pods.names.remove("b")
        await mesh.sync()
        await mesh.sync()
        return envoys.forgotten

    assert asyncio.run(asyncio.wait_for(story(), 10)) == ["b"]


def test_a_change_of_routes_is_pushed_by_itself_and_a_pods_status_is_not(tmp_path: Path) -> None:
    async def story() -> None:
        mesh, envoys, _, store = make(tmp_path, "a")
        envoys.answer.set()
        runner = asyncio.create_task(mesh.run())
        await asyncio.sleep(0)
        store.create({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "ns"}})
        await asyncio.sleep(0.05)
        assert envoys.written == []
        service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s", "namespace": "ns"}, "spec": {}}
        store.create(service)
        while not envoys.written:
            await asyncio.sleep(0.01)
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 10))


def test_a_full_disk_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The control process does not end with it: what was not written is written when there is room."""

    class Full(Envoys):
        room = False

        def write(self, proxy: Proxy, config: EnvoyConfig) -> None:
            super().write(proxy, config)
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")

    async def story() -> None:
        _, _, pods, store = make(tmp_path, "a")
        settings = Settings(home=tmp_path, port_base=20000, gateway_port=8080)
        envoys = Full()
        envoys.answer.set()
        mesh = MeshSync(settings, store, pods, cast(Delivery, envoys), retry=0.01)
        running = asyncio.create_task(mesh.run())
        store.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ns"}, "spec": {}})
        while len(envoys.written) < 3:
            await asyncio.sleep(0.01)
        envoys.room = True
        await mesh.sync()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(story(), 30))
    assert "No space left" in caplog.text


def test_objects_of_the_gateway_api_say_how_they_are_and_a_time_is_kept(tmp_path: Path) -> None:
    kind = "HTTPRoute.gateway.networking.k8s.io"

    async def story() -> tuple[Any, Any, int]:
        mesh, envoys, _, store = make(tmp_path, "a")
        envoys.answer.set()
        parent = {"group": "", "kind": "Service", "name": "nobody"}
        meta = {"name": "r", "namespace": "ns"}
        spec = {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "nobody", "port": 1}]}]}
        store.create(
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}
        )
        await mesh.sync()
        first = store.get(kind, "ns", "r")["status"]
        version = store.version
        await mesh.sync()
        return first, store.get(kind, "ns", "r")["status"], store.version - version

    first, second, writes = asyncio.run(asyncio.wait_for(story(), 10))
    reasons = {one["type"]: (one["status"], one["reason"]) for one in first["parents"][0]["conditions"]}
    assert reasons == {"Accepted": ("False", "NoMatchingParent"), "ResolvedRefs": ("False", "BackendNotFound")}
    assert all(one["lastTransitionTime"] for one in first["parents"][0]["conditions"])
    assert second == first
    assert writes == 0, "what is as it was is not written"


def test_a_certificate_is_renewed_when_it_is_due(tmp_path: Path) -> None:
    async def story() -> None:
        mesh, envoys, pods, _ = make(tmp_path, "a")
        envoys.answer.set()
        envoys.identities = Identities(None, lifetime=0.2)
        envoys.identities.secrets(pods.proxies()[0])
        runner = asyncio.create_task(mesh.run())
        while len(envoys.written) < 3:
            await asyncio.sleep(0.01)
            envoys.identities.secrets(pods.proxies()[0])
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 10))
