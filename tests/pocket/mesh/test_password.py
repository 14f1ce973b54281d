"""The way out of a pod asks for the pod's password: a real Envoy."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.pocket.mesh.kit import client, mesh, metrics, pod, service, sidecar, upstream

PASSWORD = "a-Secret_1"


async def ask(port: int, request: str) -> str:
    """The head and what follows of the answer to a request on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer.decode()


def credential(user: str, password: str) -> str:
    return f"Proxy-Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}\r\n"


@pytest.mark.parametrize("mode", ["sidecar", "plain"])
def test_who_has_it_gets_through_and_nobody_else(tmp_path: Path, mode: str) -> None:
    async def run() -> None:
        async with upstream("s2") as app, client() as http:
            with mesh(tmp_path) as live:
                more: dict[str, Any] = {"mode": mode} | ({"metrics_port": 0} if mode == "plain" else {})
                proxy = live.proxy(sidecar, "s1", password=PASSWORD, **more)
                await live.start(service(), pod(port=app))
                port = proxy.outbound_port
                async with http.get("http://s2:30001/x", proxy=f"http://pod:{PASSWORD}@127.0.0.1:{port}") as answer:
                    seen = await answer.json()
                assert (answer.status, seen["name"]) == (200, "s2")
                assert "proxy-authorization" not in seen["headers"], "it stays between the pod and its Envoy"
                for wrong in ("", credential("pod", "other"), credential("other", PASSWORD)):
                    for first in ("GET http://s2:30001/x", f"CONNECT 127.0.0.1:{app}"):
                        fields = f"Host: s2:30001\r\n{wrong}Connection: close\r\n"
                        said = await ask(port, f"{first} HTTP/1.1\r\n{fields}\r\n")
                        assert said.startswith("HTTP/1.1 407 "), said
                        assert 'proxy-authenticate: Basic realm="pod"' in said
                head = f"CONNECT 127.0.0.1:{app} HTTP/1.1\r\nHost: 127.0.0.1:{app}\r\n{credential('pod', PASSWORD)}\r\n"
                inner = "GET /y HTTP/1.1\r\nHost: s2\r\nConnection: close\r\n\r\n"
                said = await ask(port, head + inner)
                assert said.startswith("HTTP/1.1 200 ")
                assert '"path": "/y"' in said
                if mode == "sidecar":
                    counted = [labels for name, labels, _ in await metrics(proxy) if name == "istio_requests_total"]
                    assert [one["response_code"] for one in counted] == ["200"], "the pod did not ask for the rest"

    asyncio.run(run())


def test_a_refusal_of_somebody_else_stays_what_it_is(tmp_path: Path) -> None:
    async def run() -> None:
        async def refuse(_: web.Request) -> web.Response:
            return web.Response(status=403, text="no")

        async with upstream("s2", refuse) as app, client() as http:
            with mesh(tmp_path) as live:
                proxy = live.proxy(sidecar, "s1", password=PASSWORD)
                await live.start(service(), pod(port=app))
                way_out = f"http://pod:{PASSWORD}@127.0.0.1:{proxy.outbound_port}"
                async with http.get("http://s2:30001/x", proxy=way_out) as answer:
                    assert (answer.status, await answer.text()) == (403, "no")

    asyncio.run(run())
