"""A graph server over recorded traffic, for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.graph.fake_kubernetes import FakeKubernetes
from tests.graph.fake_prometheus import FakePrometheus
from tests.graph.recorded import GraphServer, serve


@pytest.fixture(scope="session")
def recorded_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePrometheus]:
    with closing(FakePrometheus(tmp_path_factory.mktemp("recorded"))) as fake:
        yield fake


@pytest.fixture(scope="session")
def fake_kubernetes() -> Iterator[FakeKubernetes]:
    with closing(FakeKubernetes()) as fake:
        yield fake


@pytest.fixture(scope="session")
def _graph_process(recorded_prometheus: FakePrometheus, fake_kubernetes: FakeKubernetes) -> Iterator[GraphServer]:
    with serve(recorded_prometheus, fake_kubernetes) as server:
        yield server


@pytest.fixture
def graph_server(_graph_process: GraphServer) -> Iterator[GraphServer]:
    """A server in the state `v1`; what a test changes is put back."""
    server = _graph_process
    server.set("v1")
    yield server
    server.set("v1")
    server.down(False)
    server.kubernetes.down = False
