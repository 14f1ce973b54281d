"""A real Prometheus that seems to stand in any state of the exercise, now.

promtool writes the metrics of every state (world.py) into blocks, each state at a time of its own. Between the clients
and Prometheus stands a small proxy that moves times: a question about now becomes one about the state's end, and the
answer moves back. So PromQL is Prometheus' own, rates are known exactly, and nobody waits for scrapes.

Run it: python tests/graph/fake_prometheus.py [--port N]; POST /fixture {"name": "canary"}, POST /down {"down": true}.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import prometheus_binary
import world

FIRST = 1_700_006_400  # a whole multiple of two hours, the length of a block
SLOT = 4 * 3600  # each state lives in the second hour of a slot of its own


def end_of(state: str) -> int:
    return FIRST + SLOT * sorted(world.STATES).index(state) + 7000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def blocks() -> Path:
    """The folder with all blocks; made once for each version of world.py and kept in .cache."""
    here = Path(__file__).parent
    content = (here / "world.py").read_bytes() + (here / "fake_prometheus.py").read_bytes()
    folder = prometheus_binary.ROOT / ".cache" / "graph-tests" / hashlib.sha256(content).hexdigest()[:16]
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.iterdir():
        if old != folder and not old.name.startswith("making-"):
            shutil.rmtree(old)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    promtool = prometheus_binary.find("promtool")

    for state in sorted(set(world.STATES) - {"notscraped"}):
        text = making / f"{state}.om"
        with text.open("w") as file:
            file.writelines(world.open_metrics(state, end_of(state)))
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", text, making / "data"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        text.unlink()

    try:
        (making / "data").rename(folder)
    except OSError:  # somebody else was faster
        if not folder.exists():
            raise
    shutil.rmtree(making)
    return folder


def pairs(data: Any) -> list[list[Any]]:
    """Every [time, value] of an answer."""
    if not isinstance(data, dict) or "result" not in data:
        return []
    if data["resultType"] in ("scalar", "string"):
        return [data["result"]]
    return [pair for item in data["result"] for pair in ([item["value"]] if "value" in item else item["values"])]


class FakePrometheus:
    """Prometheus and the proxy before it. `url` is the proxy's."""

    def __init__(self, port: int = 0) -> None:
        self.state = "v1"
        self.down = False
        self._folder = Path(tempfile.mkdtemp(prefix="graph-prometheus-"))
        data = self._folder / "data"
        shutil.copytree(blocks(), data, copy_function=os.link)
        (self._folder / "prometheus.yml").write_text("global:\n  scrape_interval: 15s\n")
        self._port = free_port()
        self._log = (self._folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                prometheus_binary.find("prometheus"),
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{self._port}",
                "--log.level=warn",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._log.close()
        shutil.rmtree(self._folder)

    def _wait(self) -> None:
        limit = time.monotonic() + 60
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text())
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"Prometheus was not ready in 60 s: {(self._folder / 'log').read_text()}")

    def forward(self, path: str, parameters: dict[str, list[str]]) -> tuple[int, bytes]:
        """Asks Prometheus about the state's time instead of now, and moves the answer back."""
        now = time.time()
        shift = now - end_of(self.state)
        moved = {
            name: [f"{float(value) - shift:.3f}" for value in values] if name in ("time", "start", "end") else values
            for name, values in parameters.items()
        }
        if path.endswith("/query"):
            moved.setdefault("time", [f"{now - shift:.3f}"])
        body = urllib.parse.urlencode(moved, doseq=True).encode()
        url = f"http://127.0.0.1:{self._port}{path}"
        posts = path.endswith(("/query", "/query_range"))
        request = urllib.request.Request(url if posts else f"{url}?{body.decode()}", data=body if posts else None)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        answered = json.loads(content)
        for pair in pairs(answered.get("data")):
            pair[0] = round(pair[0] + shift, 3)
        return status, json.dumps(answered).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                self._answer(url.path, urllib.parse.parse_qs(url.query))

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                if self.path == "/fixture":
                    name = json.loads(text)["name"]
                    known = name in world.STATES
                    fake.state = name if known else fake.state
                    return self._send(200 if known else 404, b"{}")
                if self.path == "/down":
                    fake.down = bool(json.loads(text)["down"])
                    return self._send(200, b"{}")
                return self._answer(self.path, urllib.parse.parse_qs(text))

            def _answer(self, path: str, parameters: dict[str, list[str]]) -> None:
                if fake.down:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self._send(*fake.forward(path, parameters))

            def _send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--state", default="v1", choices=sorted(world.STATES))
    options = arguments.parse_args()
    fake = FakePrometheus(options.port)
    fake.state = options.state
    print(f"ready {fake.url}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    fake.close()


if __name__ == "__main__":
    main()
