"""A control process that dies at any moment, and the next one that takes over."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pocket import logtimes, processes
from pocket.kubelet import records
from pocket.kubelet.shutdown import stop_pods
from pocket.objects import Obj, is_ready, name_of, uid_of
from pocket.settings import ROOT
from tests.pocket.cluster import NAMESPACE, Cluster

# Runs kubelet and controllers over the store in the folder, until it is killed.
CONTROL = """
    import asyncio, sys
    from pathlib import Path
    from tests.pocket.cluster import Cluster

    async def main():
        cluster = Cluster(Path(sys.argv[1]), int(sys.argv[2]))
        async with cluster.running(stop=False):
            print("running", flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


class Control:
    """The other process."""

    def __init__(self, cluster: Cluster) -> None:
        self.home = cluster.home
        self.base = cluster.settings.port_base
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CONTROL), str(self.home), str(self.base)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "running\n"

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def again(cluster: Cluster) -> Cluster:
    """A fresh look at the same folder."""
    return Cluster(cluster.home, cluster.settings.port_base)


def poll(holds: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def ready(cluster: Cluster, count: int) -> bool:
    """Read-only, from the file: the other process owns the store."""
    found = again(cluster)
    try:
        return sum(map(is_ready, found.pods())) == count
    finally:
        found.store.close()


def pids(cluster: Cluster) -> dict[str, int]:
    """Container's mark to the pid of its shim."""
    found: dict[str, int] = {}
    for pid, mark in processes.marked(f"{cluster.home}:"):
        found[mark] = min(pid, found.get(mark, pid))
    return found


def has_process(folder: Path) -> bool:
    record = records.load(folder)
    return record is not None and record.containers["app"].process is not None


@pytest.fixture
def crashed(cluster: Cluster) -> Cluster:
    """Two pods of a Deployment and one by itself are running; their control process has been killed."""

    async def prepare() -> None:
        async with cluster.running():
            await asyncio.sleep(0)

    asyncio.run(prepare())
    fresh = again(cluster)
    fresh.deployment(replicas=2, env={"WORD": "d"})
    fresh.pod(env={"WORD": "p"})
    fresh.store.close()
    control = Control(cluster)
    control.start()
    try:
        poll(lambda: ready(cluster, 3))
    finally:
        control.kill()
    return again(cluster)


def test_what_ran_runs_on_and_is_found_again(crashed: Cluster) -> None:
    before = pids(crashed)
    statuses = {name_of(pod): pod["status"] for pod in crashed.pods()}
    assert len(before) == 3

    async def run() -> None:
        unready: list[str] = []
        crashed.store.listen(
            lambda event: unready.append(name_of(event.object))
            if event.object["kind"] == "Pod" and not is_ready(event.object)
            else None
        )
        async with crashed.running(stop=False):
            await crashed.until(lambda: len(crashed.kubelet.pod_endpoints()) == 3)
            assert all(endpoint.ready for endpoint in crashed.kubelet.pod_endpoints())
            assert await crashed.ask() == (200, "p")
            await crashed.until(lambda: crashed.mesh.syncs >= 0)
            crashed.delete("p")
            await crashed.until_gone()
            assert unready == ["p"] * len(unready)  # nobody else was unready for a moment
            assert {name_of(pod): pod["status"] for pod in crashed.pods()} == {
                name: status for name, status in statuses.items() if name != "p"
            }

    try:
        asyncio.run(run())
        after = pids(crashed)
        assert after == {mark: pid for mark, pid in before.items() if "/p/" not in mark}
    finally:
        crashed.kill()


def test_what_died_meanwhile_is_started_again_and_counted(crashed: Cluster) -> None:
    mark = next(mark for mark in pids(crashed) if "/p/" in mark)
    children = [pid for pid, found in processes.marked(mark) if pid != pids(crashed)[mark]]
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    poll(lambda: not processes.marked(mark))

    async def run() -> None:
        async with crashed.running():
            await crashed.until_restarted(1)
            await crashed.until_ready()
            assert crashed.status()["lastState"]["terminated"]["exitCode"] == 137
            assert await crashed.ask() == (200, "p")

    asyncio.run(run())


def test_a_start_that_was_cut_off_is_begun_again(crashed: Cluster) -> None:
    """We may die after noting a start and before, or just after, there was a process."""
    folder = crashed.folder()
    record = records.load(folder)
    assert record is not None
    container = record.containers["app"]
    left_over = pids(crashed)[f"{crashed.home}:pod/{NAMESPACE}/p/app#{record.uid[:8]}.0"]
    container.process = None
    record.save(folder)

    async def run() -> None:
        async with crashed.running():
            await crashed.until(lambda: left_over not in pids(crashed).values(), "the left-over to be killed")
            await crashed.until(lambda: has_process(folder), "a new start")
            await crashed.until_ready()
            assert crashed.status()["restartCount"] == 0
            assert await crashed.ask() == (200, "p")

    asyncio.run(run())


def test_what_belongs_to_no_pod_is_removed(crashed: Cluster) -> None:
    crashed.store.delete("Pod", NAMESPACE, "p")
    stray = crashed.home / "pods" / "stray"
    stray.mkdir()

    async def run() -> None:
        async with crashed.running():
            await crashed.until(lambda: len(crashed.kubelet.pod_endpoints()) == 2)
            assert {mark for mark in pids(crashed) if "/p/" in mark} == set()
            assert len(list((crashed.home / "pods").iterdir())) == 2
            assert not stray.exists()

    asyncio.run(run())


def test_a_deletion_that_was_cut_off_goes_on(crashed: Cluster) -> None:
    crashed.delete("p")

    async def run() -> None:
        async with crashed.running():
            await crashed.until_gone()
            assert {mark for mark in pids(crashed) if "/p/" in mark} == set()

    asyncio.run(run())


def test_killed_again_and_again_while_a_rollout_is_under_way(crashed: Cluster) -> None:
    def change(deployment: Obj) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "new"

    crashed.store.modify("Deployment", NAMESPACE, "app", change)
    crashed.store.close()
    control = Control(crashed)
    for pause in (0.05, 0.15, 0.3, 0.1, 0.2):
        control.start()
        time.sleep(pause)  # the moment of death is what differs; there is nothing to wait for
        control.kill()
    last = again(crashed)

    async def run() -> None:
        async with last.running():
            await last.until(last.kubelet.pod_endpoints, "the pods to be found")
            await last.until_rolled_out()
            await last.until_ready()
            for pod in last.pods():
                word = "p" if name_of(pod) == "p" else "new"
                assert await last.ask(name_of(pod)) == (200, word)
            running = {mark.partition("#")[2].partition(".")[0] for mark in pids(last)}
            assert running == {uid_of(pod)[:8] for pod in last.pods()}

    asyncio.run(run())


def test_stopping_all_pods_without_a_control_process(crashed: Cluster) -> None:
    crashed.store.close()
    assert asyncio.run(stop_pods(crashed.settings)) == 3
    assert processes.marked(f"{crashed.home}:") == []
    assert list((crashed.home / "pods").iterdir()) == []
    assert asyncio.run(stop_pods(crashed.settings)) == 0


def test_log_lines_from_when_nobody_looked_have_times(crashed: Cluster) -> None:
    log = crashed.folder("p") / "app" / "0.log"
    known = logtimes.read(log)
    with log.open("a") as file:
        file.write("meanwhile\n")
    os.utime(log, (known[-1].until + 50, known[-1].until + 50))

    async def run() -> None:
        async with crashed.running(stop=False):
            await crashed.until(lambda: str(log.stat().st_size) in logtimes.times_of(log).read_text())

    asyncio.run(run())
    before, last = logtimes.read(log)[-2:]
    assert before.until <= known[-1].until
    assert last.until == pytest.approx(known[-1].until + 50, abs=0.01)
    crashed.kill()
