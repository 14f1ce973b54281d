"""The client over real sockets, against servers that do what servers may do, and what they must not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from servicekit.wire import Cut, NoConnection, ReadTimeout, Wire, WireError
from tests.answering import Answering, answering


@contextmanager
def saying(*pieces: bytes, end: bool = True) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends `pieces` to each connection, whatever it is asked; its URL and the first bytes it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    got.append(connection.recv(65536))
                    for piece in pieces:
                        connection.sendall(piece)
                        threading.Event().wait(0.02)  # so that they arrive one by one
                    if not end:
                        connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", got
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def wire(url: str, read_timeout: float = 10.0, pool_size: int = 4) -> Wire:
    return Wire(url, 5.0, read_timeout, pool_size, proxies=False)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n"


@pytest.mark.parametrize(
    ("pieces", "status", "body"),
    [
        ([HEAD + b"Content-Length: 2\r\n\r\nhi"], 200, b"hi"),
        ([HEAD[:5], HEAD[5:] + b"content-length:2\r", b"\n\r\nh", b"i"], 200, b"hi"),
        ([HEAD + b"Content-Length: 200000\r\n\r\n", b"x" * 200_000], 200, b"x" * 200_000),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", b"1\r\n!\r\n0\r\n\r\n"], 200, b"hi!"),
        ([HEAD + b"\r\nuntil the end"], 200, b"until the end"),
        ([b"HTTP/1.0 404 No\r\n\r\nuntil the end"], 404, b"until the end"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"Content-Length: 2\r\n\r\nhi"], 200, b"hi"),
        ([b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"], 503, b""),
    ],
)
def test_an_answer_of_any_form_is_read(pieces: list[bytes], status: int, body: bytes) -> None:
    with saying(*pieces) as (url, _):
        answer = wire(url).call("GET", "/")
        assert (answer.status, answer.body) == (status, body)


@pytest.mark.parametrize(
    "piece",
    [
        HEAD + b"Content-Length: 5\r\n\r\nhi",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhi",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n",
    ],
)
def test_what_is_no_whole_answer_is_an_error_and_not_asked_for_again(piece: bytes) -> None:
    with saying(piece) as (url, got):
        with pytest.raises(WireError) as error:
            wire(url).call("GET", "/", repeat=True)
        assert not isinstance(error.value, NoConnection | ReadTimeout)
        assert len(got) == 1


def test_an_answer_that_stops_halfway_is_a_timeout() -> None:
    for piece in (b"", b"HTTP/1.1 200", HEAD + b"Content-Length: 5\r\n\r\nhi"):
        with saying(piece, end=False) as (url, _), pytest.raises(ReadTimeout):
            wire(url, read_timeout=0.2).call("GET", "/", repeat=True)


def test_a_request_is_whole() -> None:
    with saying(HEAD + b"Content-Length: 0\r\n\r\n") as (url, got):
        wire(f"{url}/base").call("POST", "/x?y=z", "A: b\r\n", b"body")
    head, _, body = got[0].partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    assert first == b"POST /base/x?y=z HTTP/1.1"
    assert body == b"body"
    assert set(fields) == {b"Host: " + url[7:].encode(), b"Accept-Encoding: identity", b"Content-Length: 4", b"A: b"}


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as state:
        yield state


def test_connections_are_kept_up_to_the_pools_size(server: Answering) -> None:
    calls, together = 6, threading.Barrier(6)
    server.before = lambda handler: together.wait(30) >= 0
    client = wire(server.url, pool_size=2)

    def all_at_once() -> None:
        threads = [threading.Thread(target=client.call, args=("GET", "/")) for _ in range(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    all_at_once()
    assert len(server.connections) == calls
    all_at_once()
    assert len(server.connections) == 2 * calls - 2


def test_a_connection_that_the_server_closed_is_not_used_for_a_change(server: Answering) -> None:
    def close_after(handler: BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        return True

    client = wire(server.url)
    server.before = close_after  # without a word: no `Connection: close`
    client.call("GET", "/")
    deadline = time.monotonic() + 30
    while client._idle[0].reader.peek():  # until the end has arrived here
        assert time.monotonic() < deadline
    server.before = lambda handler: True
    assert client.call("POST", "/", body=b"x").status == 200
    assert len(server.connections) == len(server.asked) == 2


def test_connection_close_is_heeded(server: Answering) -> None:
    with saying(HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n", end=False) as (url, got):
        client = wire(url, read_timeout=2)
        for _ in range(3):
            client.call("POST", "/")
        assert len(got) == 3


def test_no_connection_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        for waiting in (first, second):  # they fill the queue; further ones get no answer
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        client = Wire(f"http://127.0.0.1:{full.getsockname()[1]}", 0.2, 5.0, 1, proxies=False)
        with pytest.raises(NoConnection, match="timed out") as error:
            client.call("GET", "/", repeat=True)
        assert not isinstance(error.value, Cut)


def test_https_goes_through_a_tunnel_of_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with saying(b"HTTP/1.1 407 Who are you\r\n\r\n") as (url, got):
        monkeypatch.setenv("https_proxy", url.replace("http://", "http://me:p%40ss@"))
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(NoConnection, match="407"):
            Wire("https://dynamodb.example", 5.0, 5.0, 1).call("POST", "/")
    assert got[0].startswith(b"CONNECT dynamodb.example:443 HTTP/1.")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==\r\n" in got[0]
