"""Where Prometheus is, and what is said where that is not known."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from graph.errors import GraphError
from graph.servers import Servers
from graph.settings import Settings
from tests.graph.fake_kubernetes import FakeKubernetes
from tests.graph.standin import free_port


def ask(kubernetes_url: str) -> str:
    """What is said when Prometheus is asked; no address is set."""
    with closing(Servers(Settings(kubernetes_url=kubernetes_url))) as servers, pytest.raises(GraphError) as caught:
        servers.prometheus().query("up", time.time())
    assert caught.value.advice.reason == "prometheusUnreachable"
    assert caught.value.status == 503
    return str(caught.value)


def test_a_cluster_out_of_reach() -> None:
    said = ask(f"http://127.0.0.1:{free_port()}")
    assert said.startswith("Where Prometheus is, is not known. The Kubernetes API at http://127.0.0.1:")
    assert "Does `kubectl get ns` work?" in said


def test_a_cluster_without_one(fake_kubernetes: FakeKubernetes) -> None:
    said = ask(fake_kubernetes.url)
    assert "The cluster has none at the Service prometheus in istio-system." in said
    assert "PROMETHEUS_URL" in said
