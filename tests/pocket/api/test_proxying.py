"""Requests through the API server to what pods and Services serve, and port-forward over WebSocket channels."""

from __future__ import annotations

import asyncio
import http.server
import ssl
import threading
from collections.abc import Iterator

import aiohttp
import pytest

from pocket.objects import Obj
from tests.pocket.api.live import TOKEN, Cluster


class _Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = f"{self.command} {self.path} {self.headers.get('Authorization')} {self.headers.get('X-Mine')}".encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that says what it was asked."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def service(cluster: Cluster, port: int) -> None:
    cluster.run_pod("web")
    cluster.runtime.ports[8080] = ("127.0.0.1", port)
    spec: Obj = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    meta = {"name": "web", "namespace": "default"}
    cluster.call(cluster.store.create, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})


@pytest.mark.parametrize("name", ["pods/web:8080", "services/web", "services/web:80", "services/http:web:http"])
def test_pods_and_services(cluster: Cluster, port: int, name: str) -> None:
    service(cluster, port)
    path = f"/api/v1/namespaces/default/{name}/proxy"
    answer = cluster.request("GET", f"{path}/a/b?c=d")
    assert (answer.status, answer.body) == (200, b"GET /a/b?c=d None None"), "the token is the API server's alone"
    assert cluster.request("GET", f"{path}/missing").status == 404
    posted = cluster.request("POST", f"{path}/x", b"some body", content_type="text/plain")
    assert (posted.status, posted.body) == (201, b"some body")


def test_a_service_without_selector_leads_to_its_endpoints(cluster: Cluster, port: int) -> None:
    meta = {"name": "prometheus", "namespace": "default"}
    spec = {"ports": [{"name": "http", "port": 9090}]}
    cluster.call(cluster.store.create, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    path = "/api/v1/namespaces/default/services/prometheus:9090/proxy/q"
    refused = cluster.request("GET", path)
    assert (refused.status, refused.json["reason"]) == (503, "ServiceUnavailable")
    subset = {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"name": "http", "port": port}]}
    endpoints = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": [subset]}
    cluster.call(cluster.store.create, endpoints)
    assert cluster.request("GET", path).body.startswith(b"GET /q")
    assert "GET /raw" in cluster.kubectl("get", "--raw", path.replace("/q", "/raw"))


def test_port_forward_over_channels(cluster: Cluster, port: int) -> None:
    cluster.run_pod("web")
    cluster.runtime.ports[8080] = ("127.0.0.1", port)

    async def talk() -> bytes:
        tls = ssl.create_default_context(cafile=str(cluster.folder / "tls" / "ca.crt"))
        url = f"{cluster.url}/api/v1/namespaces/default/pods/web/portforward?ports=8080&ports=9"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["v4.channel.k8s.io"], headers=headers, ssl=tls) as socket,
        ):
            first = [await socket.receive_bytes(timeout=20) for _ in range(5)]
            assert first[:4] == [b"\0\x90\x1f", b"\1\x90\x1f", b"\2\x09\0", b"\3\x09\0"]
            assert first[4].startswith(b"\3error forwarding port 9")
            await socket.send_bytes(b"\0GET /hello HTTP/1.0\r\n\r\n")
            found = b""
            while b"GET /hello" not in found:
                message = await socket.receive_bytes(timeout=20)
                assert message[0] == 0
                found += message[1:]
            return found

    assert b"200 OK" in asyncio.run(talk())
