"""The real kubectl forwards ports to servers of the test."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pocket.api import portforward, spdy
from tests.pocket.api.live import KUBECTL, TOKEN, Cluster
from tests.pocket.api.running import Running, kubectls, running, until

TRANSPORTS = {"websocket": "true", "spdy": "false"}
Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def server(serve: Serve) -> Iterator[int]:
    """Its port; each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def one(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def everything(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    return b"".join(iter(lambda: connection.recv(65536), b""))


def upper(connection: socket.socket) -> None:
    """Answers when the client has said everything: needs half-close."""
    connection.sendall(everything(connection).upper())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def local_port(kubectl: Running) -> int:
    while True:
        if match := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> ", kubectl.line()):
            return int(match[1])


def forward(cluster: Cluster, *arguments: str, transport: str = "websocket", kubectl: Path = KUBECTL) -> (
    contextlib.AbstractContextManager[Running]
):  # fmt: skip
    env = {"KUBECTL_PORT_FORWARD_WEBSOCKETS": TRANSPORTS[transport]}
    return running(cluster, "port-forward", "--address=127.0.0.1", *arguments, env=env, kubectl=kubectl)


def ask(port: int, said: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def hears_nothing(port: int, said: bytes) -> bool:
    """The end of the connection, or its breaking off, where kubectl had not read all."""
    try:
        return ask(port, said) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("kubectl", kubectls(), ids=str)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_there_and_back(cluster: Cluster, transport: str, kubectl: Path) -> None:
    cluster.run_pod("p")
    with server(upper) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "pod/p", ":8080", transport=transport, kubectl=kubectl) as command:
            here = local_port(command)
            assert ask(here, b"hello") == b"HELLO"
            assert ask(here, b"again") == b"AGAIN"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_much_at_once(cluster: Cluster, transport: str) -> None:
    """Megabytes on many connections: more than any buffer holds, so that both ends have to wait for each other."""
    cluster.run_pod("p")

    def digest(connection: socket.socket) -> None:
        data = everything(connection)
        connection.sendall(hashlib.sha256(data).digest() + data)

    with server(digest) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "p", ":8080", transport=transport) as command, ThreadPoolExecutor(12) as pool:
            here = local_port(command)
            sent = [os.urandom(1 << 20) for _ in range(12)]
            for data, answer in zip(sent, pool.map(lambda data: ask(here, data), sent), strict=True):
                assert answer == hashlib.sha256(data).digest() + data


def test_a_process_that_does_not_read_holds_up_its_client(cluster: Cluster) -> None:
    cluster.run_pod("p")
    read = threading.Event()

    def slow(connection: socket.socket) -> None:
        assert read.wait(30)
        connection.sendall(str(len(everything(connection))).encode())

    with server(slow) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "p", ":8080") as command, socket.socket() as client:
            client.settimeout(1.0)
            client.connect(("127.0.0.1", local_port(command)))
            sent = 0
            with contextlib.suppress(TimeoutError):
                while sent < 200 << 20:
                    sent += client.send(bytes(1 << 20))
            assert sent < 200 << 20, "somebody keeps all that is sent"
            read.set()
            client.settimeout(20)
            client.shutdown(socket.SHUT_WR)
            assert int(everything(client)) >= sent


def test_a_connection_that_is_broken_off_harms_no_other(cluster: Cluster) -> None:
    cluster.run_pod("p")

    def hasty(connection: socket.socket) -> None:
        if connection.recv(1) == b"x":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
            return
        connection.sendall(b"fine")

    with server(hasty) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "p", ":8080") as command:
            here = local_port(command)
            assert hears_nothing(here, b"x" + bytes(1 << 20))
            with socket.create_connection(("127.0.0.1", here)) as client:
                client.sendall(b"a")  # and goes away without hearing the answer
            assert ask(here, b"a") == b"fine"


def test_several_ports_and_a_unix_socket(cluster: Cluster, tmp_path: Path) -> None:
    cluster.run_pod("p")
    path = tmp_path / ("long" * 30) / "admin.sock"
    path.parent.mkdir()
    before = Path.cwd()
    with server(upper) as port, socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)
        try:
            listener.bind("admin.sock")
        finally:
            os.chdir(before)
        listener.listen()
        cluster.runtime.ports.update({80: ("127.0.0.1", port), 15000: path})
        with forward(cluster, "p", ":80", ":15000") as command:
            web, admin = local_port(command), local_port(command)
            assert ask(web, b"a") == b"A"
            with socket.create_connection(("127.0.0.1", admin), timeout=20) as client:
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"admin")
                assert client.recv(5) == b"admin"


def test_through_a_service(cluster: Cluster) -> None:
    """kubectl itself looks for the pod and its containerPort."""
    pod = cluster.run_pod("p")
    pod["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8080}]
    cluster.call(cluster.store.update, pod)
    cluster.kubectl("create", "service", "clusterip", "p", "--tcp=80:http")
    with server(upper) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "service/p", ":80") as command:
            assert ask(local_port(command), b"a") == b"A"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_listens(cluster: Cluster, transport: str) -> None:
    cluster.run_pod("p")
    cluster.runtime.ports[8080] = "127.0.0.1", free_port()
    with forward(cluster, "p", ":8080", transport=transport) as command:
        assert hears_nothing(local_port(command), b"a")
        assert command.line().startswith("Handling connection")
        line = command.line()
        assert re.search(r"error forwarding port 8080 to pod p, uid [0-9a-f-]{36}: failed to connect to ", line)
        assert "localhost:8080: dial tcp4 127.0.0.1:8080: connect: connection refused" in line
        assert command.line() == "error: lost connection to pod"
        assert command.wait() == 1


def test_a_port_that_is_no_containerport(cluster: Cluster) -> None:
    cluster.run_pod("p")
    with forward(cluster, "p", ":9999") as command:
        assert hears_nothing(local_port(command), b"a")
        command.line()
        assert "connection refused: it is no containerPort of this pod, and pocket knows only those" in command.line()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_it_ends_with_the_pod(cluster: Cluster, transport: str) -> None:
    cluster.run_pod("p")
    begun = threading.Event()

    def wait(connection: socket.socket) -> None:
        begun.set()
        everything(connection)

    with server(wait) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "p", ":8080", transport=transport) as command:
            with socket.create_connection(("127.0.0.1", local_port(command)), timeout=20) as client:
                assert command.line().startswith("Handling connection")
                assert begun.wait(20)
                cluster.call(cluster.store.delete, "Pod", "default", "p")
                assert command.line() == "error: lost connection to pod"
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            assert command.wait() == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_is_left_behind(cluster: Cluster, transport: str) -> None:
    """The process' connections end with the client."""
    cluster.run_pod("p")
    begun, ended = threading.Event(), threading.Event()

    def watch(connection: socket.socket) -> None:
        begun.set()
        everything(connection)
        ended.set()

    with server(watch) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with (
            forward(cluster, "p", ":8080", transport=transport) as command,
            socket.create_connection(("127.0.0.1", local_port(command)), timeout=20),
        ):
            assert begun.wait(20)
            command.process.kill()
            assert ended.wait(20)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nor_by_a_process_that_does_not_read(
    cluster: Cluster, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portforward, "_PROBE", 0.2)
    cluster.run_pod("p")
    begun, stop = threading.Event(), threading.Event()

    def stuck(_: socket.socket) -> None:
        begun.set()
        stop.wait(60)

    def forwarded(port: int) -> bool:
        """Does the API server, which is in this process, hold a connection to the port?"""
        return any(entry.raddr and entry.raddr.port == port for entry in psutil.Process().net_connections())

    with server(stuck) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with forward(cluster, "p", ":8080", transport=transport) as command, socket.socket() as client:
            client.settimeout(1.0)
            client.connect(("127.0.0.1", local_port(command)))
            with contextlib.suppress(TimeoutError):
                while True:
                    client.send(bytes(1 << 20))
            assert begun.is_set()
            assert forwarded(port)
            command.process.kill()
            try:
                until(lambda: not forwarded(port), "the end of the connection")
            finally:
                stop.set()


def test_refusals(cluster: Cluster) -> None:
    assert 'pods "nobody" not found' in cluster.kubectl("port-forward", "nobody", ":80", fails=True)
    pod = cluster.run_pod("done")
    pod["status"]["phase"] = "Succeeded"
    cluster.call(cluster.store.update, pod)
    path = "/api/v1/namespaces/default/pods/done/portforward"
    assert "pod is not running. Current status=Succeeded" in cluster.request("POST", path).json["message"]
    cluster.run_pod("p")
    answer = cluster.request("POST", "/api/v1/namespaces/default/pods/p/portforward")
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
    assert "Upgrade request required" in answer.json["message"]


@contextlib.contextmanager
def upgraded(cluster: Cluster, protocol: str = "portforward.k8s.io") -> Iterator[tuple[ssl.SSLSocket, bytes]]:
    """A connection after its upgrade, and the head of the answer."""
    tls = ssl.create_default_context(cafile=str(cluster.folder / "tls" / "ca.crt"))
    tls.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's default since 3.13
    host, port = cluster.url.removeprefix("https://").split(":")
    with tls.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host) as connection:
        lines = [
            "POST /api/v1/namespaces/default/pods/p/portforward HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}",
            "Connection: Upgrade", "Upgrade: SPDY/3.1", f"X-Stream-Protocol-Version: {protocol}", "Content-Length: 0",
        ]  # fmt: skip
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        yield connection, head


def frames(connection: socket.socket, count: int) -> list[spdy.Frame]:
    decoder, found = spdy.Decoder(), list[spdy.Frame]()
    while len(found) < count:
        data = connection.recv(65536)
        assert data, f"the end after {found}"
        found += decoder.feed(data)
    return found


def test_the_protocol_itself(cluster: Cluster) -> None:
    cluster.run_pod("p")
    encoder = spdy.Encoder()
    half = {"streamtype": "error", "port": "80", "requestid": "0"}
    with upgraded(cluster) as (connection, head):
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"X-Stream-Protocol-Version: portforward.k8s.io" in head
        for frame in (
            spdy.Ping(1),
            spdy.Ping(2),  # the answer to one of ours, which we never sent
            spdy.SynStream(1, {"streamtype": "data", "port": "80", "requestid": "0"}),  # before its error stream
            spdy.SynStream(3, half),
            spdy.SynStream(5, half),  # a second one
            spdy.SynStream(7, {"streamtype": "data", "port": "0"}),
            spdy.Data(99, b"of no stream"),
            spdy.Reset(99),
            spdy.Ping(3),
        ):
            connection.sendall(encoder.encode(frame))
        assert frames(connection, 6) == [
            spdy.Ping(1), spdy.Reset(1, spdy.PROTOCOL_ERROR), spdy.SynReply(3), spdy.Reset(5, spdy.PROTOCOL_ERROR),
            spdy.Reset(7, spdy.PROTOCOL_ERROR), spdy.Ping(3),
        ]  # fmt: skip
        connection.sendall(b"\x80\x02 is another protocol")
        assert connection.recv(1) == b"", "the connection ends"


def test_half_a_connection_ends_alone(cluster: Cluster) -> None:
    """A reset of one data stream closes its connection; the next one works."""
    cluster.run_pod("p")
    ended = threading.Event()

    def watch(connection: socket.socket) -> None:
        everything(connection)
        ended.set()

    encoder = spdy.Encoder()
    with server(watch) as port, upgraded(cluster) as (connection, _):
        cluster.runtime.ports[80] = "127.0.0.1", port
        for stream, kind in ((1, "error"), (3, "data")):
            headers = {"streamtype": kind, "port": "80", "requestid": "0"}
            connection.sendall(encoder.encode(spdy.SynStream(stream, headers)))
        connection.sendall(encoder.encode(spdy.Data(3, b"hello")))
        assert frames(connection, 2) == [spdy.SynReply(1), spdy.SynReply(3)]
        connection.sendall(encoder.encode(spdy.Reset(3)) + encoder.encode(spdy.Ping(1)))
        assert ended.wait(20)
        assert frames(connection, 2) == [spdy.Data(1, b"", fin=True), spdy.Ping(1)]


def test_another_stream_protocol_is_refused(cluster: Cluster) -> None:
    cluster.run_pod("p")
    with upgraded(cluster, "v9.portforward.k8s.io") as (_, head):
        assert head.startswith(b"HTTP/1.1 403 ")
