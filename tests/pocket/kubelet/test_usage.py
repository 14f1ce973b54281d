from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pocket import processes
from pocket.kubelet import usage
from pocket.kubelet.usage import Look, Meter
from tests.pocket.cluster import IMAGE, Cluster, live

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_BUSY = """
import os, sys, time
if sys.argv[1] == "child" and os.fork() == 0:
    os.execvpe(sys.executable, [sys.executable, *sys.orig_argv[1:-1], "itself"], {})  # without our mark
while not os.path.exists("go"): time.sleep(0.01)
begin = time.process_time()
while time.process_time() - begin < 0.3: pass
memory = bytearray(64 << 20)
print("done", flush=True)
time.sleep(600)
"""


def at(second: float, machine: float = 0.0, **containers: float) -> Look:
    return Look(NOW, second, machine, containers)


def test_what_is_used_between_two_looks() -> None:
    assert usage.cores(at(5, a=10, b=3), at(15, a=15, b=3, c=9)) == {"a": 0.5, "b": 0.0}


def test_what_was_taken_along_is_no_negative_use() -> None:
    assert usage.cores(at(0, a=10), at(10, a=9)) == {"a": 0.0}


def test_no_figures_before_the_second_look() -> None:
    meter = Meter("nobody's:")
    assert meter.machine() is None
    assert meter.pods({"u": {"c": "m"}}) == {}
    meter.add(at(0, m=1))
    assert meter.machine() is None
    assert meter.pods({"u": {"c": "m"}}) == {}


def test_the_machine() -> None:
    meter = Meter("nobody's:")
    meter.add(at(0, machine=100))
    meter.add(at(10, machine=115))
    figures = meter.machine()
    assert figures is not None
    assert (figures.taken, figures.window) == (NOW, 10)
    assert figures.containers["node"].cpu == 1.5
    assert 10 << 20 < figures.containers["node"].memory < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    yield f"{tmp_path}:pod/"
    processes.kill_marked(f"{tmp_path}:")


@pytest.mark.parametrize("who", ["itself", "child"])
def test_real_processes(tmp_path: Path, prefix: str, who: str) -> None:
    """Also what does not show its mark counts, by its session."""
    busy, idle = f"{prefix}busy", f"{prefix}idle"
    log = tmp_path / "log"
    meter = Meter(prefix)
    for mark, argv in ((busy, [sys.executable, "-c", _BUSY, who]), (idle, ["sleep", "600"])):
        processes.spawn(argv, cwd=tmp_path, env=dict(os.environ), log=log, name=mark, exit_file=tmp_path / "exit")
    before = usage.look(prefix)
    (tmp_path / "go").touch()
    count = 2 if who == "child" else 1
    end = time.monotonic() + 30
    while log.read_text().count("done") < count:
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)
    after = usage.look(prefix)
    meter.add(Look(NOW, 0, 0, before.containers))
    meter.add(Look(NOW, 1, 0, after.containers))
    figures = meter.pods({"u": {"app": busy, "sidecar": idle}, "v": {"app": f"{prefix}gone"}, "w": {}})
    assert set(figures) == {"u"}
    found = figures["u"].containers
    assert 0.25 * count < found["app"].cpu
    assert found["sidecar"].cpu < 0.05
    assert (count * 64) << 20 < found["app"].memory < (count * 64 + 60) << 20
    assert 0 < found["sidecar"].memory < 10 << 20


def test_a_pod_has_figures_of_all_its_running_containers(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "EVERY", 0.1)

    async def scenario(cluster: Cluster) -> None:
        other = {"name": "other", "image": IMAGE, "command": ["sleep", "600"]}
        pod = cluster.pod(containers=[other])
        await cluster.until_ready()
        end = time.monotonic() + 20
        while not (figures := await cluster.kubelet.usage([pod])):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        (found,) = figures.values()
        assert set(found.containers) == {"app", "other"}
        assert found.containers["app"].memory > found.containers["other"].memory
        assert cluster.kubelet.machine_usage() is not None

    live(scenario)(cluster)
