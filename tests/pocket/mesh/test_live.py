# ruff: noqa: E501 - rules as they would stand in YAML
"""Real Envoys, real connections: what a request meets on its way through gateway and sidecars."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from pocket.mesh.model import GatewayPort, Inbound, PodEndpoint, Proxy, Substitute
from pocket.mesh.telemetry import PEER_HEADER, label_names
from pocket.objects import Obj
from tests.pocket.mesh.kit import (
    NS,
    Mesh,
    client,
    destination_rule,
    free_ports,
    gateway,
    gateway_proxy,
    mesh,
    metrics,
    pod,
    service,
    service_entry,
    sidecar,
    upstream,
    virtual_service,
)
from tests.pocket.mesh.test_regexes import LONG as LONG_REGEX

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class World:
    """A gateway, a caller s1, and s2 in two versions, each with its sidecar."""

    mesh: Mesh
    gateway: Proxy
    s1: Proxy
    v1: Proxy
    v2: Proxy
    pods: tuple[PodEndpoint, PodEndpoint]
    http: aiohttp.ClientSession

    @property
    def base(self) -> list[Obj | PodEndpoint]:
        return [service(), destination_rule(), gateway(), *self.pods]

    async def apply(self, *rules: Obj | PodEndpoint) -> None:
        await self.mesh.apply(*self.base, *rules)

    def outside(self, path: str = "/", **more: Any) -> Any:
        """A request through the gateway."""
        url = f"http://127.0.0.1:{self.gateway.gateway_ports[0].listen_port}{path}"
        return self.http.request(more.pop("method", "GET"), url, allow_redirects=False, **more)

    def inside(self, path: str = "/", host: str = "s2:30001", **more: Any) -> Any:
        """A request of s1's application."""
        proxy = f"http://127.0.0.1:{self.s1.outbound_port}"
        return self.http.request(more.pop("method", "GET"), f"http://{host}{path}", proxy=proxy, **more)


@contextlib.asynccontextmanager
async def world(
    root: Path, first: Handler | None = None, second: Handler | None = None, **s1: Any
) -> AsyncIterator[World]:
    async with upstream("v1", first) as app1, upstream("v2", second) as app2, client() as http:
        listen1, listen2, port = free_ports(3)
        with mesh(root) as live:
            labels = {"app": "s2", "version": "v1"}
            found = World(
                mesh=live,
                gateway=live.proxy(gateway_proxy, "gateway", gateway_ports=(GatewayPort(80, port),)),
                s1=live.proxy(sidecar, "s1", **s1),
                v1=live.proxy(
                    sidecar, "s2-v1", workload="s2-v1", app="s2", labels=labels, inbound=(Inbound(30001, listen1, app1),)
                ),
                v2=live.proxy(
                    sidecar, "s2-v2", workload="s2-v2", app="s2", version="v2", labels=labels | {"version": "v2"},
                    inbound=(Inbound(30001, listen2, app2),),
                ),
                pods=(pod(port=listen1, has_sidecar=True), pod(version="v2", port=listen2, has_sidecar=True)),
                http=http,
            )  # fmt: skip
            await live.start(*found.base)
            yield found


def weights(first: int, second: int, **more: Any) -> Obj:
    route = [
        {"destination": {"host": "s2", "subset": "v1"}, "weight": first},
        {"destination": {"host": "s2", "subset": "v2"}, "weight": second},
    ]
    return virtual_service(hosts=["*"], gateways=["gw"], http=[{"route": route, **more}])


def to(subset: str = "v1", **more: Any) -> Obj:
    return virtual_service(hosts=["s2"], http=[{"route": [{"destination": {"host": "s2", "subset": subset}}], **more}])


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """Poll until something true comes back."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
    return found


def test_weights_divide_the_traffic(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(weights(80, 20))
            seen: Counter[str] = Counter()
            for _ in range(400):
                async with w.outside() as answer:
                    seen[(await answer.json())["name"]] += 1
            assert 40 <= seen["v2"] <= 125  # 80 expected; five standard deviations
            await w.apply(weights(0, 100))
            async with w.outside() as answer:
                assert (await answer.json())["name"] == "v2"

    asyncio.run(run())


def test_no_request_is_lost_while_weights_flip_and_pods_come_and_go(tmp_path: Path) -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(random.choice((0, 0.002, 0.03)))
        return web.Response(text=str(len(await request.read())))

    async def run() -> None:
        async with world(tmp_path, slow, slow) as w:
            await w.apply(weights(50, 50))
            v1, v2 = w.pods
            fixed = [service(), destination_rule(), gateway()]
            failures: list[Any] = []
            done, going = 0, True

            async def load() -> None:
                nonlocal done
                async with client() as session:
                    w2 = World(w.mesh, w.gateway, w.s1, w.v1, w.v2, w.pods, session)
                    while going:
                        size = random.choice((1, 1000, 20000))
                        try:
                            async with w2.outside("/x", method="POST", data=b"x" * size) as answer:
                                if answer.status != 200 or await answer.text() != str(size):
                                    failures.append((answer.status, await answer.text()))
                        except aiohttp.ClientError as error:
                            failures.append(error)
                        done += 1

            clients = [asyncio.create_task(load()) for _ in range(16)]
            for _ in range(8):
                for pods, share in (((v1, v2), (90, 10)), ((v2,), (0, 100)), ((v1, v2), (100, 0)), ((v1,), (100, 0))):
                    await w.mesh.apply(*fixed, weights(*share), *pods)
                    await until(partial(_more, lambda: done, done + 20))
            going = False
            await asyncio.gather(*clients)
            assert done > 600
            assert failures == []

    asyncio.run(run())


async def _more(counter: Callable[[], int], bound: int) -> bool:
    return counter() > bound


async def _true(value: bool) -> bool:
    return value


def test_faults(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(to(fault={"abort": {"httpStatus": 418, "percentage": {"value": 100}}}))
            async with w.inside() as answer:
                assert (answer.status, await answer.text()) == (418, "fault filter abort")
            await w.apply(to(fault={"abort": {"httpStatus": 418, "percentage": {"value": 0}}}))
            async with w.inside() as answer:
                assert answer.status == 200
            await w.apply(to(fault={"delay": {"fixedDelay": "300ms", "percentage": {"value": 100}}}))
            began = asyncio.get_running_loop().time()
            async with w.inside() as answer:
                assert answer.status == 200
            assert asyncio.get_running_loop().time() - began >= 0.29  # Envoy's timers count whole milliseconds

    asyncio.run(run())


def test_retries_reach_the_pod_that_works(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()

    async def fails(request: web.Request) -> web.Response:
        calls["v1"] += 1
        return web.Response(status=503)

    async def run() -> None:
        async with world(tmp_path, fails) as w:
            rule = {"route": [{"destination": {"host": "s2"}}], "retries": {"attempts": 3, "retryOn": "5xx"}}
            await w.apply(virtual_service(http=[rule]))
            for _ in range(10):
                async with w.inside() as answer:
                    assert answer.status == 200
                    assert (await answer.json())["name"] == "v2"
            assert calls["v1"] > 0
            await w.apply(virtual_service(http=[rule | {"retries": {"attempts": 0}}]))
            statuses = set()
            for _ in range(10):
                async with w.inside() as answer:
                    statuses.add(answer.status)
            assert 503 in statuses

    asyncio.run(run())


def test_a_timeout_ends_the_request(tmp_path: Path) -> None:
    async def hangs(request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def run() -> None:
        async with world(tmp_path, hangs) as w:
            await w.apply(to(timeout="200ms"))
            async with w.inside() as answer:
                assert answer.status == 504

    asyncio.run(run())


def test_a_mirror_gets_a_copy_and_its_answer_is_dropped(tmp_path: Path) -> None:
    copies: list[str] = []

    async def mirror(request: web.Request) -> web.Response:
        copies.append(await request.text())
        return web.Response(status=500)

    async def run() -> None:
        async with world(tmp_path, None, mirror) as w:
            await w.apply(to(mirror={"host": "s2", "subset": "v2"}))
            async with w.inside(method="POST", data="hello") as answer:
                assert (await answer.json())["name"] == "v1"
            await until(lambda: _true(copies == ["hello"]))

    asyncio.run(run())


def test_matches_rewrites_redirects_and_headers(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            route = [{"destination": {"host": "s2", "subset": "v1"}}]
            other = [{"destination": {"host": "s2", "subset": "v2"}}]
            await w.apply(
                virtual_service(
                    hosts=["*"],
                    gateways=["gw"],
                    http=[
                        {"match": [{"uri": {"prefix": "/old"}}], "rewrite": {"uri": "/new", "authority": "h"}, "route": route},
                        {"match": [{"uri": {"exact": "/moved"}}], "redirect": {"uri": "/here", "redirectCode": 302}},
                        {"match": [{"uri": {"exact": "/tea"}}], "directResponse": {"status": 418, "body": {"string": "tea"}}},
                        {
                            "match": [{"uri": {"regex": "/r/[0-9]+|" + LONG_REGEX}, "method": {"exact": "PUT"}, "headers": {"x": {"exact": "y"}}}],
                            "route": other,
                        },
                        {"match": [{"uri": {"prefix": "/q"}, "queryParams": {"v": {"exact": "2"}}}], "route": other},
                        {"match": [{"uri": {"prefix": "/w"}, "withoutHeaders": {"beta": {}}}], "route": route},
                        {"match": [{"uri": {"prefix": "/w"}}], "route": other},
                        {
                            "match": [{"uri": {"prefix": "/h"}}],
                            "headers": {"request": {"set": {"a": "1"}, "remove": ["b"]}, "response": {"set": {"c": "3"}}},
                            "route": route,
                        },
                    ],
                )
            )  # fmt: skip

            async def seen(path: str, **more: Any) -> dict[str, Any]:
                async with w.outside(path, **more) as answer:
                    assert answer.status == 200, path
                    return dict(await answer.json())

            found = await seen("/old/x?y=1")
            assert (found["path"], found["headers"]["host"]) == ("/new/x?y=1", "h")
            async with w.outside("/moved") as answer:
                assert (answer.status, answer.headers["location"].split("/", 3)[3]) == (302, "here")
            async with w.outside("/tea") as answer:
                assert (answer.status, await answer.text()) == (418, "tea")
            assert (await seen("/r/7", method="PUT", headers={"x": "y"}))["name"] == "v2"
            song = "/api/v2/songs/00000000-0000-4000-8000-000000000000"
            assert (await seen(song, method="PUT", headers={"x": "y"}))["name"] == "v2"
            for wrong in ({"method": "PUT"}, {"headers": {"x": "y"}}):
                async with w.outside("/r/7", **wrong) as answer:
                    assert answer.status == 404
            assert (await seen("/q?v=2"))["name"] == "v2"
            assert (await seen("/w"))["name"] == "v1"
            assert (await seen("/w", headers={"beta": "1"}))["name"] == "v2"
            async with w.outside("/h", headers={"b": "2"}) as answer:
                got = (await answer.json())["headers"]
                assert (got["a"], "b" in got, answer.headers["c"]) == ("1", False, "3")
            async with w.outside("/nothing") as answer:
                assert answer.status == 404

    asyncio.run(run())


def test_an_undefined_subset_answers_503(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(to("v9"))
            async with w.inside() as answer:
                assert answer.status == 503

    asyncio.run(run())


def test_a_pod_that_fails_is_taken_out(tmp_path: Path) -> None:
    async def fails(request: web.Request) -> web.Response:
        return web.Response(status=500)

    async def run() -> None:
        async with world(tmp_path, fails) as w:
            rule = destination_rule(
                trafficPolicy={
                    "outlierDetection": {
                        "consecutive5xxErrors": 2, "interval": "100ms", "baseEjectionTime": "60s", "maxEjectionPercent": 100,
                    }
                }
            )  # fmt: skip
            await w.mesh.apply(service(), rule, *w.pods)

            async def ten_good_ones() -> bool:
                for _ in range(10):
                    async with w.inside() as answer:
                        if answer.status != 200:
                            return False
                return True

            await until(ten_good_ones)

    asyncio.run(run())


# -- identity and metrics -------------------------------------------------------------------------------------------


def test_the_application_sees_forwarded_headers_and_never_the_peer_header(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(weights(100, 0))
            async with w.outside(headers={PEER_HEADER: "evil|evil"}) as answer:
                seen = (await answer.json())["headers"]
            assert PEER_HEADER not in seen
            assert seen["x-forwarded-proto"] == "http"
            assert "x-forwarded-for" in seen
            assert "x-request-id" in seen
            async with w.inside(headers={"x-request-id": "mine"}) as answer:
                assert (await answer.json())["headers"]["x-request-id"] == "mine"

    asyncio.run(run())


async def requests_total(proxy: Proxy) -> list[dict[str, str]]:
    return [labels for name, labels, _ in await metrics(proxy) if name == "istio_requests_total"]


def test_standard_metrics_with_all_labels(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(weights(0, 100))
            async with w.outside(headers={PEER_HEADER: "evil|evil|evil|evil|evil|evil|evil"}) as answer:
                assert answer.status == 200
            service_labels = {
                "destination_service": f"s2.{NS}.svc.cluster.local",
                "destination_service_name": "s2",
                "destination_service_namespace": NS,
                "request_protocol": "http",
                "response_code": "200",
                "response_flags": "-",
            }
            source = {
                "source_workload": "istio-ingressgateway",
                "source_workload_namespace": "istio-system",
                "source_app": "istio-ingressgateway",
                "source_version": "unknown",
                "source_canonical_service": "istio-ingressgateway",
                "source_canonical_revision": "latest",
                "source_cluster": "Kubernetes",
            }
            destination = {
                "destination_workload": "s2-v2",
                "destination_workload_namespace": NS,
                "destination_app": "s2",
                "destination_version": "v2",
                "destination_canonical_service": "s2",
                "destination_canonical_revision": "v2",
                "destination_cluster": "Kubernetes",
            }
            (at_source,) = await until(lambda: requests_total(w.gateway))
            assert at_source.items() >= (service_labels | source | destination | {"reporter": "source"}).items()
            (at_destination,) = await until(lambda: requests_total(w.v2))
            expected = service_labels | source | destination | {"reporter": "destination"}
            assert at_destination.items() >= expected.items()
            assert at_destination["connection_security_policy"] == "mutual_tls"
            assert set(label_names()) <= set(at_source) & set(at_destination)

            async def histograms() -> bool:
                found = {name for name, _, _ in await metrics(w.v2)}
                return {
                    f"istio_{base}_{part}"
                    for base in ("request_duration_milliseconds", "request_bytes", "response_bytes")
                    for part in ("bucket", "sum", "count")
                } <= found

            await until(histograms)

    asyncio.run(run())


def test_who_calls_from_outside_the_mesh_is_unknown(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            async with w.http.get(f"http://127.0.0.1:{w.v1.inbound[0].listen_port}/metrics") as answer:
                assert answer.status == 200
            (labels,) = await until(lambda: requests_total(w.v1))
            sources = {key: value for key, value in labels.items() if key.startswith("source_")}
            assert len(sources) == 8
            assert set(sources.values()) == {"unknown"}

    asyncio.run(run())


def test_requests_that_reach_no_workload(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            await w.mesh.apply(service(), destination_rule(), gateway())  # no pods
            async with w.inside() as answer:
                assert answer.status == 503
            await w.apply(to(fault={"abort": {"httpStatus": 500, "percentage": {"value": 100}}}))
            async with w.inside() as answer:
                assert answer.status == 500
            async with w.outside("/nothing") as answer:
                assert answer.status == 404
            found = await until(lambda: _at_least(2, requests_total(w.s1)))
            by_code = {labels["response_code"]: labels for labels in found}
            assert by_code["503"]["response_flags"] == "UH"
            assert by_code["500"]["response_flags"] == "FI"
            for labels in by_code.values():
                assert labels["destination_workload"] == labels["destination_workload_namespace"] == "unknown"
                assert labels["destination_service"] == f"s2.{NS}.svc.cluster.local"
            (lost,) = await until(lambda: requests_total(w.gateway))
            assert (lost["response_flags"], lost["destination_service"]) == ("NR", "unknown")

    asyncio.run(run())


async def _at_least(count: int, found: Awaitable[list[dict[str, str]]]) -> list[dict[str, str]] | None:
    listed = await found
    return listed if len(listed) >= count else None


# -- what is not HTTP -----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tcp_echo(prefix: bytes) -> AsyncIterator[int]:
    """A TCP server that answers each line with `prefix` and the line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(prefix + line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def tunnel(proxy: Proxy, target: str) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """CONNECT as `https_proxy` clients do it; returns the status line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.outbound_port)
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return head.decode().splitlines()[0], reader, writer


async def tcp_bytes(proxy: Proxy, service_name: str) -> dict[str, tuple[float, dict[str, str]]]:
    return {
        name: (value, labels)
        for name, labels, value in await metrics(proxy)
        if name.startswith("istio_tcp_") and labels["destination_service_name"] == service_name and value
    }


def static_entry(host: str, port: int, **more: Any) -> Obj:
    made = service_entry(
        host, resolution="STATIC", endpoints=[{"address": "127.0.0.1", "ports": {"tls": port}}], **more
    )
    made["metadata"]["name"] = host
    return made


def test_a_tunnel_goes_where_service_entries_and_tls_rules_say(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w, tcp_echo(b"one ") as one, tcp_echo(b"two ") as two:
            entries = [static_entry("one.example.com", one), static_entry("two.example.com", two)]
            rules = virtual_service(
                hosts=["*.example.com"],
                tls=[
                    {"match": [{"sniHosts": ["moved.example.com"]}], "route": [{"destination": {"host": "two.example.com"}}]},
                    {
                        "match": [{"port": 443, "sniHosts": ["*.example.com"]}],
                        "route": [{"destination": {"host": "one.example.com"}}],
                    },
                ],
            )  # fmt: skip

            async def says(target: str) -> bytes:
                status, reader, writer = await tunnel(w.s1, target)
                assert status == "HTTP/1.1 200 OK"
                writer.write(b"hello\n")
                try:
                    return await reader.readline()
                finally:
                    writer.close()

            await w.mesh.apply(*entries)
            assert await says("two.example.com:443") == b"two hello\n"
            await w.mesh.apply(*entries, rules)
            assert await says("moved.example.com:443") == b"two hello\n"
            assert await says("any.example.com:443") == b"one hello\n"
            assert await says(f"localhost:{one}") == b"one hello\n"  # unknown hosts pass through
            found = await until(lambda: tcp_bytes(w.s1, "PassthroughCluster"))
            assert found["istio_tcp_received_bytes_total"][0] == len(b"hello\n")
            assert await requests_total(w.s1) == []  # a tunnel is no request

    asyncio.run(run())


def test_a_substitute_counts_its_bytes_under_the_service_entry(tmp_path: Path) -> None:
    async def run() -> None:
        async with tcp_echo(b"answer ") as port:
            (listen,) = free_ports(1)
            stands_for = Substitute("dynamo.example.com", 443, listen, port)
            async with world(tmp_path, substitutes=(stands_for,)) as w:
                await w.apply(service_entry())
                reader, writer = await asyncio.open_connection("127.0.0.1", listen)
                writer.write(b"x\n")
                assert await reader.readline() == b"answer x\n"

                async def both() -> Any:
                    found = await tcp_bytes(w.s1, "dynamo.example.com")
                    return found if len(found) == 3 else None

                found = await until(both)
                writer.close()
                assert found["istio_tcp_received_bytes_total"][0] == 2
                sent, labels = found["istio_tcp_sent_bytes_total"]
                assert sent == len(b"answer x\n")
                assert labels["reporter"] == "source"
                assert labels["source_workload"] == "s1"
                assert labels["destination_service"] == "dynamo.example.com"
                assert labels["destination_service_namespace"] == NS
                assert labels["destination_workload"] == "unknown"
                assert found["istio_tcp_connections_opened_total"][0] == 1

    asyncio.run(run())


def test_plain_requests_to_unknown_hosts_pass_through(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w, upstream("elsewhere") as port:
            async with w.inside(host=f"localhost:{port}") as answer:
                assert (await answer.json())["name"] == "elsewhere"
            (labels,) = await until(lambda: requests_total(w.s1))
            assert labels["destination_service_name"] == "PassthroughCluster"
            assert labels["destination_service"] == f"localhost:{port}"

    asyncio.run(run())


def test_every_form_of_a_name_leads_there(tmp_path: Path) -> None:
    async def run() -> None:
        async with world(tmp_path) as w:
            for host in ("s2", "s2.music", "s2.music.svc", "s2.music.svc.cluster.local", "S2"):
                async with w.inside(host=f"{host}:30001") as answer:
                    assert answer.status == 200, host

    asyncio.run(run())


def test_paths_are_normalised_on_the_way_out_and_http_1_0_is_told_to_upgrade(tmp_path: Path) -> None:
    async def raw(port: int, text: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(text.replace("\n", "\r\n").encode())
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        return answer.decode()

    async def run() -> None:
        async with world(tmp_path) as w:
            await w.apply(to(match=[{"uri": {"exact": "/b"}}]), weights(1, 0))
            host = "host: s2:30001\nconnection: close\n\n"
            out = await raw(w.s1.outbound_port, f"GET http://s2:30001/a/../b HTTP/1.1\n{host}")
            assert '"path": "/b"' in out, "the rule for /b matches, and the application sees /b"
            for port in (w.s1.outbound_port, w.gateway.gateway_ports[0].listen_port):
                assert (await raw(port, f"GET / HTTP/1.0\n{host}")).startswith("HTTP/1.1 426")

    asyncio.run(run())


def test_a_requests_grpc_timeout_ends_it(tmp_path: Path) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(15)
        return web.Response()

    async def run() -> None:
        async with world(tmp_path, slow, slow) as w:
            await w.apply(weights(1, 0))
            headers = {"content-type": "application/grpc", "te": "trailers", "grpc-timeout": "500m"}
            began = asyncio.get_running_loop().time()
            async with w.outside("/grpc.Service/Call", method="POST", headers=headers) as answer:
                assert answer.headers["grpc-status"] == "4", "DEADLINE_EXCEEDED"
            assert asyncio.get_running_loop().time() - began < 15, "not the application ended it"

    asyncio.run(run())
