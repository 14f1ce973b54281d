from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
from pathlib import Path

import pytest
from aiohttp import web

from pocket.mesh.deliver import (
    Dead,
    Delivery,
    Gone,
    NotAcknowledged,
    active_requests,
    admin,
    document,
    drain,
    is_live,
    objection,
)
from pocket.mesh.model import EnvoyConfig, Inbound
from pocket.mesh.translate import translate
from tests.pocket.mesh.kit import (
    client,
    destination_rule,
    mesh,
    pod,
    service,
    sidecar,
    snapshot,
    upstream,
    virtual_service,
)

TO_S2 = {"route": [{"destination": {"host": "s2", "subset": "v1"}}]}


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def clusters(directory: Path) -> dict[str, int]:
    """Name -> number of endpoints, as the file has it now."""
    found = json.loads((directory / "cds.json").read_text())["resources"]
    return {
        one["name"]: sum(len(group["lb_endpoints"]) for group in one.get("load_assignment", {}).get("endpoints", ()))
        for one in found
    }


def test_the_version_is_the_content() -> None:
    one = document("cds.json", {"a": {"name": "a"}})
    assert one == document("cds.json", {"a": {"name": "a"}})
    assert one[1] != document("cds.json", {"a": {"name": "b"}})[1]
    parsed = json.loads(one[0])
    assert parsed["version_info"] == one[1]
    assert parsed["resources"][0]["@type"] == "type.googleapis.com/envoy.config.cluster.v3.Cluster"


def test_a_new_proxy_gets_everything_at_once(tmp_path: Path) -> None:
    proxy = sidecar(directory=str(tmp_path / "new"))
    Delivery().write(proxy, translate(snapshot(service()), proxy))
    assert names(tmp_path / "new") == {"cds.json", "lds.json", "rds-http_proxy.json"}


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    proxy = sidecar(directory=str(tmp_path))
    delivery = Delivery()
    state = (service(), destination_rule(), pod())
    delivery.write(proxy, translate(snapshot(*state), proxy))
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    delivery.write(proxy, translate(snapshot(*state, virtual_service(http=[TO_S2])), proxy))
    after = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"rds-http_proxy.json"}


def test_what_routes_may_still_use_is_held_until_they_have_left(tmp_path: Path) -> None:
    proxy = sidecar(directory=str(tmp_path))
    delivery = Delivery()
    delivery.write(proxy, translate(snapshot(service(), destination_rule(), pod()), proxy))
    before = clusters(tmp_path)
    routes = (tmp_path / "rds-http_proxy.json").read_text()
    delivery.write(proxy, translate(snapshot(service("s7"), service(), destination_rule()), proxy))
    first = clusters(tmp_path)
    assert first["outbound|30001|v1|s2.music.svc.cluster.local"] == 1
    assert first["outbound|30001||s7.music.svc.cluster.local"] == 0
    assert (tmp_path / "rds-http_proxy.json").read_text() == routes
    assert before.items() <= first.items()


def test_envoys_words_without_what_surrounds_them() -> None:
    said = (
        "[2026-11-24][1][info] x\n"
        "[2026-11-24][1][critical][main] [a.cc:1] error initializing configuration '/t': missing ): a(\n"
    )
    assert objection(said) == "missing ): a("
    assert objection("") == "no word"


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
            assert not any("s2" in name for name in clusters(Path(proxy.directory)))

    asyncio.run(run())


def test_a_new_control_process_finds_out_what_is_in_force(tmp_path: Path) -> None:
    async def run() -> None:
        with mesh(tmp_path) as live:
            proxy = live.proxy(sidecar, "s1")
            await live.start(service(), destination_rule(), pod())
            live.delivery = Delivery()
            await live.apply(service(), destination_rule(), pod())
            live.delivery = Delivery()
            await live.apply(service(), destination_rule(), pod(), virtual_service(http=[TO_S2]))
            assert "outbound|30001|v1|" in json.dumps(
                json.loads(await admin(proxy, "GET", "/config_dump?resource=dynamic_route_configs"))
            )

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
        delivery = Delivery()
        delivery.write(proxy, EnvoyConfig())
        with pytest.raises(NotAcknowledged, match=r"music/s1-1 did not take its configuration in time: .*admin socket"):
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
