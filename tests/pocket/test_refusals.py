"""A real Envoy refuses an object that got past admission: that object is held back, and all else goes on."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pocket import parts
from pocket.mesh.admin import admin
from pocket.mesh.deliver import Delivery
from pocket.mesh.model import Inbound, PodEndpoint, Proxy
from pocket.mesh_sync import MeshSync
from pocket.objects import Obj, name_of
from pocket.settings import Settings
from pocket.store import Store
from tests.pocket.mesh.kit import NS, Mesh, mesh, pod, service, sidecar, virtual_service

GOOD = [{"match": [{"uri": {"regex": "/one/.*"}}], "route": [{"destination": {"host": "s2"}}]}]
BAD = [{"match": [{"uri": {"regex": "a("}}], "route": [{"destination": {"host": "s2"}}]}]  # no regular expression


def replace_spec(spec: Obj, obj: Obj) -> None:
    obj["spec"] = spec


class Cluster:
    """A store, one Envoy, and the mesh between them."""

    def __init__(self, root: Path, live: Mesh, store: Store) -> None:
        self.live, self.store = live, store
        settings = Settings(home=root, port_base=20000, gateway_port=8080)
        parts.write_prometheus_config(settings)
        live.delivery = Delivery(settings.xds_socket)
        self.sync = MeshSync(settings, store, self, live.delivery)

    def proxies(self) -> list[Proxy]:
        return self.live.proxies

    def pod_endpoints(self) -> list[PodEndpoint]:
        return [pod()]

    def put(self, *objects: Obj) -> None:
        for obj in objects:
            if self.store.find(obj["kind"], NS, name_of(obj)):
                self.store.modify(obj["kind"], NS, name_of(obj), functools.partial(replace_spec, obj["spec"]))
            else:
                self.store.create(obj)

    def condition(self, name: str = "s2") -> Any:
        status = self.store.get("VirtualService", NS, name).get("status") or {}
        return next((c for c in status.get("conditions", ()) if c["type"] == "Reconciled"), None)

    async def routes(self) -> str:
        return await admin(self.live.proxies[0], "GET", "/config_dump?resource=dynamic_route_configs")


@contextlib.asynccontextmanager
async def cluster(root: Path, *objects: Obj) -> AsyncIterator[Cluster]:
    with mesh(root) as live:
        store = Store()
        made = Cluster(root, live, store)
        live.proxy(sidecar, "s1")
        await live.start()
        made.put(*objects)
        await made.sync.sync()
        yield made


def test_what_one_object_breaks_breaks_that_object_only(tmp_path: Path) -> None:
    async def run() -> None:
        first = (service(), virtual_service(http=GOOD), service("s3"), virtual_service("s3", http=GOOD))
        async with cluster(tmp_path, *first) as c:
            other = [{"match": [{"uri": {"regex": "/two/.*"}}], "route": [{"destination": {"host": "s3"}}]}]
            c.put(virtual_service(http=BAD), virtual_service("s3", http=other))
            await c.sync.sync()
            routes = await c.routes()
            assert "/one/.*" in routes, "the last good version stays"
            assert "/two/.*" in routes, "and what came with the bad one is in force"

            assert c.condition()["status"] == "False"
            assert "missing ): a(" in c.condition()["message"]
            assert c.condition("s3") is None
            (event,) = [event for event in c.store.list("Event", NS) if event["involvedObject"]["name"] == "s2"]
            assert (event["type"], event["reason"]) == ("Warning", "Rejected")
            assert "the Envoy of music/s1 refuses it: missing ): a(" in event["message"]

            c.put(virtual_service("s3", http=GOOD), service("s4"))  # others go on changing
            await c.sync.sync()
            routes = await c.routes()
            assert "/two/.*" not in routes
            assert "s4.music.svc.cluster.local" in routes

            c.put(virtual_service(http=other))
            await c.sync.sync()
            assert "/two/.*" in await c.routes()
            assert c.condition()["status"] == "True"

    asyncio.run(run())


def test_a_successor_goes_on_with_the_last_good_version(tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster(tmp_path, service(), virtual_service(http=GOOD)) as c:
            c.put(virtual_service(http=BAD))
            await c.sync.sync()
            await c.live.cut_off()
            successor = Cluster(tmp_path, c.live, c.store)
            await c.live.listen()
            await successor.sync.sync()
            assert "/one/.*" in await c.routes()
            assert c.condition()["status"] == "False"
            successor.put(virtual_service(http=GOOD))
            await successor.sync.sync()
            assert c.condition()["status"] == "True"

    asyncio.run(run())


def test_a_refusal_that_is_nobodys_fault_is_told_at_the_pod(tmp_path: Path) -> None:
    async def run() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            async with cluster(tmp_path, service(), virtual_service(http=GOOD)) as c:
                c.store.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s1", "namespace": NS}})
                proxy = c.live.proxies[0]
                c.live.proxies[:] = [dataclasses.replace(proxy, inbound=(Inbound(1, taken.getsockname()[1], 2),))]
                await c.sync.sync()
                assert c.condition() is None
                (event,) = c.store.list("Event", NS)
                assert event["involvedObject"]["name"] == "s1"
                assert "Address already in use" in event["message"]

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"no json", b"[{}]"])
def test_a_file_that_cannot_be_read_is_no_obstacle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "held.json").write_bytes(content)

    async def run() -> None:
        async with cluster(tmp_path, service(), virtual_service(http=GOOD)) as c:
            assert "/one/.*" in await c.routes()

    asyncio.run(run())
