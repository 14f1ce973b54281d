"""client-go: shared informers, a work queue and leader election, over protobuf."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ecosystem.gotools import built
from tests.pocket.api.live import Cluster

WITHIN = 60.0  # seconds


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(Path(__file__).parent / "clientgo", tmp_path_factory.mktemp("clientgo") / "copier")


@contextmanager
def copier(cluster: Cluster, program: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    with (cluster.folder / f"{name}.log").open("wb") as log:
        running = subprocess.Popen(
            [str(program), name], env={"KUBECONFIG": str(cluster.kubeconfig)}, stdout=log, stderr=log
        )
        try:
            yield running
        finally:
            running.terminate()
            running.wait(30)


def until(cluster: Cluster, holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WITHIN
    while not holds():
        logs = "".join(path.read_text() for path in sorted(cluster.folder.glob("*.log")))
        assert time.monotonic() < end, f"waited in vain for {what}\n{logs}"
        time.sleep(0.05)


def test_a_controller_and_its_deputy(cluster: Cluster, program: Path) -> None:
    def data(name: str) -> dict[str, str] | None:
        found = cluster.call(cluster.store.find, "ConfigMap", "default", name)
        return None if found is None else dict(found["data"])

    def said(name: str, words: str) -> bool:
        return words in (cluster.folder / f"{name}.log").read_text()

    def holder() -> str | None:
        found = cluster.call(cluster.store.find, "Lease", "default", "copier")
        return None if found is None else str(found["spec"].get("holderIdentity"))

    cluster.kubectl("create", "configmap", "first", "--from-literal=a=1")
    cluster.kubectl("label", "configmap", "first", "copy=yes")
    with copier(cluster, program, "one") as one:
        until(cluster, lambda: data("first-copy") == {"a": "1", "by": "one"}, "a copy of what was there before")
        with copier(cluster, program, "two"):
            until(cluster, lambda: said("two", "leader one"), "the second to know of the first")
            cluster.kubectl("patch", "configmap", "first", "--patch", '{"data": {"a": "2"}}')
            until(cluster, lambda: data("first-copy") == {"a": "2", "by": "one"}, "the change in the copy")
            owner = cluster.get("ConfigMap", "default", "first-copy")["metadata"]["ownerReferences"][0]
            assert (owner["kind"], owner["name"], owner["controller"]) == ("ConfigMap", "first", True)
            assert holder() == "one"
            one.terminate()
            until(cluster, lambda: holder() == "two", "the second to lead")
            until(cluster, lambda: data("first-copy") == {"a": "2", "by": "two"}, "the second to do the work")
            assert cluster.get("Lease", "default", "copier")["spec"]["leaseTransitions"] >= 1
