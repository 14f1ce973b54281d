"""A graph server over recorded traffic, for what runs outside pytest: the bench and the screenshots."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.graph.fake_kubernetes import FakeKubernetes
from tests.graph.fake_prometheus import FakePrometheus, free_port

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Recorded:
    """`url` ends with the base path."""

    url: str
    prometheus: FakePrometheus
    kubernetes: FakeKubernetes

    def set(self, state: str) -> None:
        """Puts the cluster into a state of the exercise (tests/graph/world.py)."""
        self.prometheus.state = self.kubernetes.state = state


@contextmanager
def recorded_server() -> Iterator[Recorded]:
    """Starts both stand-ins and the real server on free ports; stops them at the end.

    Raises RuntimeError with the end of the log when the server does not answer within 60 s.
    """
    with closing(FakePrometheus()) as prometheus, closing(FakeKubernetes()) as kubernetes:
        port = free_port()
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PROMETHEUS_URL": prometheus.url,
            "KUBERNETES_URL": kubernetes.url,
        }
        process = subprocess.Popen([sys.executable, "-m", "graph", "serve"], cwd=ROOT, env=env)
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
            yield Recorded(url, prometheus, kubernetes)
        finally:
            process.terminate()
            process.wait(20)
