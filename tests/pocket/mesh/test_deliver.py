from __future__ import annotations

import asyncio
import dataclasses
import socket
from pathlib import Path

import pytest
from aiohttp import web

from pocket.mesh.admin import Dead, Gone, active_requests, admin, drain, is_live, objection
from pocket.mesh.deliver import Delivery, NotAcknowledged
from pocket.mesh.model import EnvoyConfig, Inbound, Proxy
from tests.pocket.mesh.kit import (
    client,
    destination_rule,
    mesh,
    pod,
    service,
    sidecar,
    upstream,
    virtual_service,
)

TO_S2 = {"route": [{"destination": {"host": "s2", "subset": "v1"}}]}


def test_envoys_words_without_what_surrounds_them() -> None:
    said = (
        "[2026-11-24][1][info] x\n"
        "[2026-11-24][1][critical][main] [a.cc:1] error initializing configuration '/t': missing ): a(\n"
    )
    assert objection(said) == "missing ): a("
    assert objection("") == "no word"


async def taken(proxy: Proxy) -> list[str]:
    """All that Envoy was sent, each with the time when it took it."""
    kinds = ("dynamic_active_clusters", "dynamic_listeners", "dynamic_route_configs")
    return [await admin(proxy, "GET", f"/config_dump?resource={kind}") for kind in kinds]


# -- with a real Envoy ----------------------------------------------------------------------------------------------


def test_acknowledged_means_in_force_and_cleaned_up(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live:
            proxy = live.proxy(sidecar, "s1")
            await live.start(service(), destination_rule(), pod())
            await live.apply(service("s7"))
            assert live.log(proxy) == ""  # no warning, say of a field that Envoy is about to drop
            dump = await admin(proxy, "GET", "/config_dump")
            assert "outbound|30001||s7.music.svc.cluster.local" in dump
            assert "s2.music.svc.cluster.local" not in dump

    asyncio.run(run())


def test_a_new_control_process_sends_only_what_has_changed(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live:
            proxy = live.proxy(sidecar, "s1")
            state = (service(), destination_rule(), pod())
            await live.start(*state)
            before = await taken(proxy)
            await live.cut_off()
            await live.listen()
            await live.apply(*state)
            assert await taken(proxy) == before
            await live.cut_off()
            await live.listen()
            await live.apply(*state, virtual_service(http=[TO_S2]))
            assert "outbound|30001|v1|" in await admin(proxy, "GET", "/config_dump?resource=dynamic_route_configs")

    asyncio.run(run())


def test_an_envoy_that_is_cut_off_goes_on_and_catches_up(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live:
            async with upstream("v1") as one, upstream("v2") as two, client() as session:
                proxy = live.proxy(sidecar, "s1")
                both = (service(), destination_rule(), pod(port=one), pod(version="v2", port=two))
                await live.start(*both, virtual_service(http=[TO_S2]))

                async def ask() -> str:
                    async with session.get("http://s2:30001/", proxy=f"http://127.0.0.1:{proxy.outbound_port}") as got:
                        return str((await got.json())["name"])

                assert await ask() == "v1"
                await live.cut_off()
                assert [await ask() for _ in range(20)] == ["v1"] * 20
                live.delivery.write(proxy, EnvoyConfig())
                with pytest.raises(NotAcknowledged, match="did not take its configuration in time: it has not come"):
                    await live.delivery.acknowledged(proxy, within=0.2)
                await live.listen()
                to_v2 = {"route": [{"destination": {"host": "s2", "subset": "v2"}}]}
                await live.apply(*both, virtual_service(http=[to_v2]))
                assert await ask() == "v2"

    asyncio.run(run())


def test_a_refusal_is_told_in_envoys_own_words_and_the_old_state_stays(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live:
            proxy = live.proxy(sidecar, "s1")
            good = (service(), destination_rule(), pod())
            await live.start(*good)
            bad = virtual_service(
                http=[{"match": [{"uri": {"regex": "a("}}], **TO_S2}]
            )  # admission would not let it in
            with pytest.raises(NotAcknowledged, match=r"Envoy of music/s1 refused its configuration: missing \): a\("):
                await live.apply(*good, bad)
            assert "a(" not in await admin(proxy, "GET", "/config_dump?resource=dynamic_route_configs")
            await live.apply(*good)  # and it goes on from there

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            proxy = live.proxy(sidecar, "s1")
            await live.start(service())
            wider = dataclasses.replace(proxy, inbound=(Inbound(30000, taken.getsockname()[1], 1),))
            live.proxies[:] = [wider]
            with pytest.raises(NotAcknowledged, match="Address already in use"):
                await live.apply(service())

    asyncio.run(run())


def test_an_envoy_that_is_gone_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        proxy = sidecar(directory=str(tmp_path))
        delivery = Delivery(tmp_path / "xds.sock")
        delivery.prepare(proxy, EnvoyConfig())
        with pytest.raises(NotAcknowledged, match=r"music/s1-1 did not take its configuration in time: .*socket"):
            await delivery.acknowledged(proxy, within=0.05)
        socket.socket(socket.AF_UNIX).bind(str(tmp_path / "admin.sock"))  # nobody listens: what a crash leaves behind
        with pytest.raises(Dead, match="Connection refused"):
            await delivery.acknowledged(proxy, within=30)
        assert not await is_live(proxy)
        with pytest.raises(Gone, match="has no directory"):
            await admin(sidecar(directory=str(tmp_path / "none")), "GET", "/ready")

    asyncio.run(run())


def test_the_admin_socket_is_reached_however_long_the_path(tmp_path: Path) -> None:
    async def run() -> None:
        deep = tmp_path / ("d" * 100) / ("e" * 100)
        with mesh(deep) as live:
            proxy = live.proxy(sidecar, "s1")
            await live.start(service())
            assert (await admin(proxy, "GET", "/ready")).startswith("LIVE")
            assert (Path(proxy.directory) / "admin.sock").stat().st_mode & 0o777 == 0o600

    asyncio.run(run())


def test_an_envoy_that_drains_still_takes_what_changes(tmp_path: Path) -> None:
    """It finishes what it has by the present state of the cluster, and keeps nobody waiting."""

    async def run() -> None:
        go_on = asyncio.Event()

        async def slow(_: web.Request) -> web.Response:
            await go_on.wait()
            return web.Response(text="done")

        with mesh(tmp_path) as live:
            async with upstream("s2", slow) as port, client() as session:
                proxy = live.proxy(sidecar, "s1")
                await live.start(service(), pod(port=port))
                assert await is_live(proxy)

                async def ask() -> str:
                    url = "http://s2:30001/"
                    async with session.get(url, proxy=f"http://127.0.0.1:{proxy.outbound_port}") as answer:
                        return await answer.text()

                asked = asyncio.create_task(ask())
                async with asyncio.timeout(20):
                    while await active_requests(proxy) == 0:
                        await asyncio.sleep(0.01)
                    draining = asyncio.create_task(drain(proxy, 60))
                    while "server.state: 1" not in await admin(proxy, "GET", "/stats?filter=^server.state"):
                        await asyncio.sleep(0.01)
                await live.apply(service(), destination_rule(), pod(port=port))
                assert "outbound|30001|v1|" in await admin(proxy, "GET", "/clusters")
                go_on.set()
                assert await asked == "done"
                assert await draining

    asyncio.run(run())
