"""What the stand-ins for Prometheus and for the Kubernetes API share: an HTTP server in a state of the exercise.

POST /fixture {"name": "canary"} puts it into a state of world.py, POST /down {"down": true} out of reach.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from tests.graph import world


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # a page asks much at once; with the usual 5 a busy machine resets connections


class StandIn:
    """Answers what `answer` says, until `close`. `url` needs no credentials."""

    def __init__(self, port: int = 0) -> None:
        self.state = "v1"
        self.down = False
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, parameters: dict[str, list[str]]) -> tuple[int, Any]:
        """Status and body, as JSON or already as bytes."""
        raise NotImplementedError

    def out_of_reach(self) -> tuple[int, Any] | None:
        """The answer while it is down; None cuts the connection."""
        return None

    def post(self, path: str, text: str) -> tuple[int, Any] | None:
        """The answer to a POST, None to cut the connection."""
        if path == "/fixture":
            name = json.loads(text)["name"]
            if name not in world.STATES:
                return 404, {"error": f"no state {name}; known: {', '.join(sorted(world.STATES))}"}
            self.state = name
            return 200, {}
        if path == "/down":
            self.down = bool(json.loads(text)["down"])
            return 200, {}
        return self.ask(path, parse_qs(text))

    def ask(self, path: str, parameters: dict[str, list[str]]) -> tuple[int, Any] | None:
        return self.out_of_reach() if self.down else self.answer(path, parameters)


def _handler(owner: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet; in two, Nagle's rule holds the second back for 40 ms

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            self._send(owner.ask(url.path, parse_qs(url.query)))

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._send(owner.post(urlsplit(self.path).path, text))

        def _send(self, answer: tuple[int, Any] | None) -> None:
            if answer is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, body = answer
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Running(Protocol):
    state: str
    url: str

    def close(self) -> None: ...


def main(make: Callable[[int], Running]) -> None:
    """Runs one by hand until a signal ends it; prints `ready URL`."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--state", default="v1", choices=sorted(world.STATES))
    options = arguments.parse_args()
    made = make(options.port)
    made.state = options.state
    print(f"ready {made.url}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    made.close()
