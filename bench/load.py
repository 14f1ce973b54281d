"""Clients in a closed loop: each sends one request, waits for the answer, sends the next.

`load.py` reads a job as JSON from standard input and prints what came out as JSON, so that it runs in a process of its
own and what it costs can be told apart. One thread and one epoll: about 0.04 ms of CPU per request.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from dataclasses import dataclass, field

_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CLOSE = re.compile(rb"(?i)\r\nconnection: *close|\AHTTP/1\.0")


@dataclass
class Result:
    """What the clients saw: milliseconds of each request, in the order of the answers, and how many of each status."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)


class _Client:
    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = self.connect()

    def connect(self) -> socket.socket:
        self.socket = socket.create_connection(self.address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        return self.socket

    def send(self, request: bytes) -> None:
        self.started = time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> tuple[str, bool] | None:
        """The answer's status and whether the server closes; None while it is not whole."""
        data = self.socket.recv(262144)
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end >= 0:
            length = _LENGTH.search(self.buffer, 0, end)
            if length is None:
                raise SystemExit(f"an answer without a length: {self.buffer[:200]!r}")
            if len(self.buffer) >= end + 4 + int(length[1]):
                head = _HEAD.match(self.buffer)
                closes = _CLOSE.search(self.buffer, 0, end) is not None
                self.buffer = b""
                return (head[1].decode() if head else "?", closes)
        if not data:
            raise SystemExit(f"the server closed within an answer: {self.buffer[:200]!r}")
        return None


def run(host: str, port: int, request: bytes, clients: int, seconds: float) -> Result:
    """Loads `host:port`, which must be this machine, for `seconds`."""
    if not host.startswith("127."):
        raise SystemExit(f"only this machine is loaded, not {host}")
    result = Result()
    poll = select.epoll()
    by_fd: dict[int, _Client] = {}

    def start(client: _Client) -> None:
        by_fd[client.socket.fileno()] = client
        poll.register(client.socket.fileno(), select.EPOLLIN)

    begin = time.perf_counter()
    for _ in range(clients):
        client = _Client((host, port))
        start(client)
        client.send(request)
    while by_fd:
        for fd, _ in poll.poll(30):
            client = by_fd[fd]
            answer = client.status()
            if answer is None:
                continue
            now = time.perf_counter()
            status, closes = answer
            result.milliseconds.append((now - client.started) * 1000)
            result.statuses[status] = result.statuses.get(status, 0) + 1
            over = now - begin >= seconds
            if closes or over:
                poll.unregister(fd)
                del by_fd[fd]
                client.socket.close()
                if not over:
                    client.started = now
                    client.connect()
                    start(client)
            if not over:
                client.send(request)
    result.seconds = time.perf_counter() - begin
    return result


if __name__ == "__main__":
    job = json.load(sys.stdin)
    outcome = run(job["host"], job["port"], job["request"].encode("latin1"), job["clients"], job["seconds"])
    json.dump(vars(outcome), sys.stdout)
