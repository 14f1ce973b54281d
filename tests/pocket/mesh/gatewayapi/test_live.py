"""HTTPRoutes and real Envoys: at the gateway, and between pods."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from pocket.mesh.model import CLUSTER_DOMAIN
from tests.pocket.mesh.gatewayapi.kit import (
    backend,
    gateway_of,
    ingress,
    listener,
    route,
    rule,
    to_gateway,
    to_service,
)
from tests.pocket.mesh.kit import service, virtual_service
from tests.pocket.mesh.test_live import World, world

VERSIONS = [
    service(f"s2-{version}", selector={"app": "s2", "version": version}, ports=[{"name": "http", "port": 30001}])
    for version in ("v1", "v2")
]


async def apply(w: World, *routes: Any) -> None:
    await w.apply(ingress(), gateway_of(listener()), *VERSIONS, *routes)


async def said(request: Any) -> dict[str, Any]:
    async with request as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def status(request: Any) -> int:
    async with request as answer:
        return int(answer.status)


def test_weights_hold_at_the_gateway_and_in_the_mesh(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            both = rule(backend("s2-v1", weight=80), backend("s2-v2", weight=20))
            await apply(w, route(both, parents=[to_gateway(), to_service()]))
            for way in (w.outside, w.inside):
                seen = Counter([(await said(way()))["name"] for _ in range(400)])
                assert 40 <= seen["v2"] <= 125, (way, seen)  # 80 expected; five standard deviations

    asyncio.run(run())


def test_paths_filters_and_backends_that_are_not_there(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            rewrite = {
                "type": "URLRewrite",
                "urlRewrite": {"hostname": "h", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
            }
            full = {
                "type": "URLRewrite",
                "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}},
            }
            headers = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}]}}
            redirect = {
                "type": "RequestRedirect",
                "requestRedirect": {
                    "statusCode": 302,
                    "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/n"},
                },
            }
            await apply(
                w,
                route(
                    rule(backend("s2-v1"), path="/a", filters=[rewrite, headers]),
                    rule(backend("s2-v2"), path="/full", filters=[full]),
                    rule(backend("nobody"), path="/nobody"),
                    rule(backend(namespace="other"), path="/other"),
                    rule(backend("s2-v1", weight=0), path="/zero"),
                    {"matches": [{"path": {"value": "/r"}}], "filters": [redirect]},
                ),
            )
            seen = await said(w.outside("/a/b?q=1"))
            assert (seen["name"], seen["path"], seen["headers"]["a"], seen["headers"]["host"]) == (
                "v1",
                "/b?q=1",
                "b",
                "h",
            )
            assert (await said(w.outside("/a")))["path"] == "/"
            assert (await said(w.outside("/full/x")))["path"] == "/new"
            assert await status(w.outside("/ab")) == 404, "a prefix is of whole segments"
            for path in ("/nobody", "/other", "/zero"):
                assert await status(w.outside(path)) == 500, path
            async with w.outside("/r/x") as answer:
                assert (answer.status, answer.headers["location"].partition("://")[2].partition("/")[2]) == (302, "n/x")

    asyncio.run(run())


def test_who_says_how_a_service_is_reached(tmp_path: Path) -> None:
    """Its own namespace, and before that the caller's; nobody else."""

    async def run() -> None:
        async with world(tmp_path) as w:
            host = f"s2.music.svc.{CLUSTER_DOMAIN}:30001"
            to_v2 = rule(backend("s2-v2", namespace="music"))
            foreign = route(to_v2, parents=[to_service(namespace="music")], namespace="foreign")
            await apply(w, route(rule(backend("s2-v1")), parents=[to_service()]), foreign)
            assert (await said(w.inside(host=host)))["name"] == "v1"
            await apply(w, foreign, virtual_service(hosts=["s2"], http=[{"directResponse": {"status": 418}}]))
            assert await status(w.inside(host=host)) == 418, "a foreign route does not count here"

    asyncio.run(run())
