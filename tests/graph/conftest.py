"""A graph server over recorded traffic: a real Prometheus, a stand-in for the Kubernetes API, the real server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_kubernetes import FakeKubernetes
from fake_prometheus import FakePrometheus, free_port

ROOT = Path(__file__).parents[2]


@dataclass
class GraphServer:
    """A running server. `url` ends with the base path: http://127.0.0.1:PORT/kiali."""

    url: str
    prometheus: FakePrometheus
    kubernetes: FakeKubernetes

    def set(self, state: str) -> None:
        """Puts the cluster into a state of the exercise (tests/graph/world.py)."""
        self.prometheus.state = self.kubernetes.state = state

    def down(self, down: bool) -> None:
        """Prometheus out of reach, or back."""
        self.prometheus.down = down


@pytest.fixture(scope="session")
def recorded_prometheus() -> Iterator[FakePrometheus]:
    fake = FakePrometheus()
    yield fake
    fake.close()


@pytest.fixture(scope="session")
def fake_kubernetes() -> Iterator[FakeKubernetes]:
    fake = FakeKubernetes()
    yield fake
    fake.close()


@pytest.fixture(scope="session")
def _graph_process(
    recorded_prometheus: FakePrometheus, fake_kubernetes: FakeKubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("graph") / "log"
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PROMETHEUS_URL": recorded_prometheus.url,
        "KUBERNETES_URL": fake_kubernetes.url,
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "graph", "serve"], cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}/kiali"
    limit = time.monotonic() + 60
    while True:
        if process.poll() is not None or time.monotonic() > limit:
            process.kill()
            raise RuntimeError(f"the graph server did not start: {log.read_text()}")
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                break
        except OSError:
            time.sleep(0.05)
    yield url
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture
def graph_server(
    _graph_process: str, recorded_prometheus: FakePrometheus, fake_kubernetes: FakeKubernetes
) -> Iterator[GraphServer]:
    """A server in the state `v1`; what a test changes is put back."""
    server = GraphServer(_graph_process, recorded_prometheus, fake_kubernetes)
    server.set("v1")
    yield server
    server.set("v1")
    server.down(False)
    fake_kubernetes.down = False
