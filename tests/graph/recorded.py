"""A graph server over recorded traffic: a real Prometheus, a stand-in for the Kubernetes API, the real server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.graph.fake_kubernetes import FakeKubernetes
from tests.graph.fake_prometheus import FakePrometheus
from tests.graph.standin import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
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


@contextmanager
def recorded_server() -> Iterator[GraphServer]:
    """Starts both stand-ins and the real server on free ports, stops them at the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="graph-prometheus-")))
        prometheus = stack.enter_context(closing(FakePrometheus(folder)))
        kubernetes = stack.enter_context(closing(FakeKubernetes()))
        yield stack.enter_context(serve(prometheus, kubernetes))


@contextmanager
def serve(prometheus: FakePrometheus, kubernetes: FakeKubernetes) -> Iterator[GraphServer]:
    """The real server over two stand-ins, on a free port.

    Raises RuntimeError when it does not answer within 60 s; what it says goes where our own messages go.
    """
    port = free_port()
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "PROMETHEUS_URL": prometheus.url,
        "KUBERNETES_URL": kubernetes.url,
    }
    process = subprocess.Popen([sys.executable, "-m", "graph", "serve"], cwd=ROOT, env=env, stdout=sys.stderr)
    try:
        url = f"http://127.0.0.1:{port}/kiali"
        limit = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the graph server does not answer at {url}; its messages are above")
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                    break
            except OSError:
                time.sleep(0.05)
        yield GraphServer(url, prometheus, kubernetes)
    finally:
        process.terminate()
        status = process.wait(20)
    if status != 0:
        raise RuntimeError(f"the graph server ended with {status} when asked to")
