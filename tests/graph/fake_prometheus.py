"""A real Prometheus that seems to stand in any state of the exercise, now.

promtool writes the metrics of every state (world.py) into blocks, each state at a time of its own. Between the clients
and Prometheus stands a small proxy that moves times: a question about now becomes one about the state's end, and the
answer moves back. So PromQL is Prometheus' own, rates are known exactly, and nobody waits for scrapes.

Run it: python -m tests.graph.fake_prometheus [--port N] [--state canary]; POST /fixture and /down as in standin.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tests.graph import prometheus_binary, world
from tests.graph.standin import StandIn, free_port, main

FIRST = 1_700_006_400  # a whole multiple of two hours, the length of a block
ABANDONED_SECONDS = 600.0
SLOT = 4 * 3600  # each state lives in the second hour of a slot of its own


def end_of(state: str) -> int:
    return FIRST + SLOT * sorted(world.STATES).index(state) + 7000


def blocks() -> Path:
    """The folder with all blocks; made once for each version of world.py and kept in .cache."""
    here = Path(__file__).parent
    content = (here / "world.py").read_bytes() + (here / "fake_prometheus.py").read_bytes()
    folder = prometheus_binary.ROOT / ".cache" / "graph-tests" / hashlib.sha256(content).hexdigest()[:16]
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    for old in folder.parent.iterdir():
        # Somebody else may be making them; a folder that nobody has written to for so long was left by a kill.
        making = old.name.startswith("making-") and time.time() - old.stat().st_mtime < ABANDONED_SECONDS
        if old != folder and not making:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=folder.parent) as name:
        _make_blocks(Path(name))
        try:
            (Path(name) / "data").rename(folder)
        except OSError:  # somebody else was faster
            if not folder.exists():
                raise
    return folder


def _make_blocks(making: Path) -> None:
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


def pairs(data: Any) -> list[list[Any]]:
    """Every [time, value] of an answer."""
    if not isinstance(data, dict) or "result" not in data:
        return []
    if data["resultType"] in ("scalar", "string"):
        return [data["result"]]
    return [pair for item in data["result"] for pair in ([item["value"]] if "value" in item else item["values"])]


class FakePrometheus(StandIn):
    """Prometheus and the proxy before it. `url` is the proxy's. `folder`: an empty one, that may go afterwards."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
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
        super().__init__(port)

    def close(self) -> None:
        super().close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._log.close()

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

    def answer(self, path: str, parameters: dict[str, list[str]]) -> tuple[int, Any]:
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="graph-prometheus-") as name:
        main(lambda port: FakePrometheus(Path(name), port))
