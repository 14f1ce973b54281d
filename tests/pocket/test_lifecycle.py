"""A whole pocket, started and stopped as a person does, with everything that may come in between."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

from pocket import lifecycle
from pocket.programs import kubectl
from pocket.settings import ROOT, Settings
from pocket.store import Store, StoreError
from tests.e2e.cluster import free_port_base


@dataclass
class Pocket:
    """One pocket, reached through its command line."""

    folder: Path
    port_base: int
    gateway_port: int

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "POCKET_HOME": str(self.folder / "home"),
            "POCKET_PORT_BASE": str(self.port_base),
            "POCKET_GATEWAY_PORT": str(self.gateway_port),
            "KUBECONFIG": str(self.folder / "kubeconfig"),
            "stop": "yes",  # a person's own variables are nothing to us
        }

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pocket", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def kubectl(self, *arguments: str) -> str:
        command = [str(kubectl()), *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pid(self, part: str) -> int:
        return int(json.loads((self.folder / "home" / "run" / f"{part}.json").read_text())["pid"])

    def marked(self) -> list[int]:
        """Processes that belong to it, whoever started them."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("POCKET_PROCESS", "").startswith(f"{self.folder / 'home'}:"):
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


@contextmanager
def pocket_in(folder: Path) -> Iterator[Pocket]:
    base, gateway = free_port_base()
    made = Pocket(folder, base, gateway)
    folder.mkdir(exist_ok=True)
    try:
        yield made
    finally:
        made.run("stop")


@pytest.fixture(scope="module")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pocket]:
    with pocket_in(tmp_path_factory.mktemp("pocket")) as made:
        made.run("start")
        yield made


def control_processes(pocket: Pocket) -> list[psutil.Process]:
    """The control process and the shells that watch it, those first."""
    shim = psutil.Process(pocket.pid("control"))
    (loop,) = shim.children()
    return [shim, loop, *loop.children()]


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_serves_and_says_so(pocket: Pocket) -> None:
    assert "istio-ingressgateway" in pocket.kubectl("get", "deployments", "-A")
    assert pocket.kubectl("config", "current-context").strip() == "pocket"
    status = pocket.run("status")
    assert [line.split()[:2] for line in status.stdout.splitlines()[1:4]] == [
        ["control", "running"],
        ["emulator", "running"],
        ["prometheus", "running"],
    ]
    assert f"https://127.0.0.1:{pocket.port_base}" in pocket.run("ls").stdout
    assert f"DYNAMODB_URL=http://127.0.0.1:{pocket.port_base + 1}" in pocket.run("env").stdout


def test_everything_listens_on_loopback_only(pocket: Pocket) -> None:
    addresses = {
        connection.laddr.ip
        for pid in pocket.marked()
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_its_files_are_for_its_owner_only(pocket: Pocket) -> None:
    assert (pocket.folder / "home").stat().st_mode & 0o777 == 0o700
    assert (pocket.folder / "kubeconfig").stat().st_mode & 0o777 == 0o600


def test_starting_again_changes_nothing(pocket: Pocket) -> None:
    before = sorted(pocket.marked())
    pocket.run("start")
    assert sorted(pocket.marked()) == before


def test_what_cannot_start_is_told_and_holds_nothing_up(pocket: Pocket) -> None:
    pocket.kubectl("create", "deployment", "broken", "--image=example.org/nobody-built-it:v1")
    try:
        pocket.kubectl("wait", "--for=jsonpath={.status.unavailableReplicas}=1", "deployment/broken", "--timeout=30s")
        said = pocket.run("start").stdout
        assert "renewing" not in said
        outdate(pocket, "pods/*/record.json")
        assert "renewing: Deployment default/broken: its Envoys" in pocket.run("start").stdout
        assert "not available: default/broken: see `kubectl get pods -A`" in said
        assert "ingress gateway: http://" in said
    finally:
        pocket.kubectl("delete", "deployment", "broken")


def test_a_second_start_waits_for_the_first_and_says_so(pocket: Pocket) -> None:
    with (pocket.folder / "home" / "run" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "pocket", "start"]
        second = subprocess.Popen(command, cwd=ROOT, env=pocket.env, stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        assert "waiting for: another start or stop of this pocket" in second.stdout.readline()
    out, _ = second.communicate(timeout=60)
    assert second.returncode == 0, out
    assert "ingress gateway" in out


def test_a_control_process_that_was_killed_is_started_again(pocket: Pocket) -> None:
    shells = set(control_processes(pocket))
    (control,) = (process for process in shells if process.name().startswith("python"))
    others = set(pocket.marked()) - {control.pid}
    control.kill()
    deadline = time.monotonic() + 30
    while answers(pocket.port_base) and control.is_running():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while not answers(pocket.port_base):
        assert time.monotonic() < deadline, "it did not come back"
        time.sleep(0.1)
    assert "istio-ingressgateway" in pocket.kubectl("get", "pods", "-A")
    assert others <= set(pocket.marked())
    assert "was killed (137); it is started again" in pocket.run("logs", "control").stdout


def test_a_control_process_that_was_killed_with_its_shells_is_brought_back_by_start(pocket: Pocket) -> None:
    ended = control_processes(pocket)
    others = set(pocket.marked()) - {process.pid for process in ended}
    for process in ended:
        process.kill()
    psutil.wait_procs(ended, timeout=10)
    pods = [process.pid for process in map(psutil.Process, sorted(others)) if process.is_running()]
    assert sorted(pods) == sorted(others), "the pods, Prometheus and the emulator run on"
    pocket.run("start")
    assert set(pods) <= set(pocket.marked())


def outdate(pocket: Pocket, pattern: str) -> None:
    """As if an earlier pocket had started what these records stand for."""
    for path in (pocket.folder / "home").glob(pattern):
        record = json.loads(path.read_text())
        record.update(fingerprint="earlier")
        for container in record.get("containers", {}).values():
            container.update(revision="earlier")
        path.write_text(json.dumps(record))


def test_what_an_earlier_pocket_started_is_renewed(pocket: Pocket) -> None:
    def gateways() -> set[str]:
        names = pocket.kubectl("-n", "istio-system", "get", "pods", "-l", "istio=ingressgateway", "-o", "name")
        return set(names.split())

    before, emulator, prometheus = gateways(), pocket.pid("emulator"), pocket.pid("prometheus")
    outdate(pocket, "run/prometheus.json")
    outdate(pocket, "pods/*/record.json")
    said = pocket.run("start").stdout
    assert "renewing: the control process" in said
    assert "renewing: Prometheus: started by an earlier pocket" in said
    assert "renewing: Deployment istio-system/istio-ingressgateway: its Envoys were started by an earlier" in said
    assert gateways() - before, "there is a new one"
    assert pocket.pid("prometheus") != prometheus
    assert pocket.pid("emulator") == emulator, "nothing was to be renewed there"
    assert "renewing" not in pocket.run("start").stdout


def test_prometheus_is_started_again_when_it_dies(pocket: Pocket) -> None:
    first = pocket.pid("prometheus")
    for child in psutil.Process(first).children():
        child.kill()
    deadline = time.monotonic() + 20
    while pocket.pid("prometheus") == first or not answers(pocket.port_base + 2):
        assert time.monotonic() < deadline, "Prometheus did not come back"
        time.sleep(0.1)


def test_a_second_one_runs_beside_it_and_stopping_leaves_nothing(pocket: Pocket, tmp_path: Path) -> None:
    mine = sorted(pocket.marked())
    with pocket_in(tmp_path / "second") as second:
        second.run("start")
        assert second.port_base != pocket.port_base
        assert second.kubectl("get", "namespaces", "-o", "name") == pocket.kubectl("get", "namespaces", "-o", "name")
        second.run("stop")
        assert second.marked() == []
        assert not any(answers(second.port_base + offset) for offset in range(30))
        assert not answers(second.gateway_port)
        config = yaml.safe_load((second.folder / "kubeconfig").read_text())
        assert (config["contexts"], config["clusters"], config["users"]) == ([], [], [])
        assert second.run("status", check=False).returncode == 3
        assert "stopped" in second.run("ls").stdout
        second.run("stop")
    assert sorted(pocket.marked()) == mine


@pytest.mark.parametrize(("offset", "what"), [(0, "the API server"), (1, "the DynamoDB emulator"), (2, "Prometheus")])
def test_a_port_in_use_is_named_with_its_holder(tmp_path: Path, offset: int, what: str) -> None:
    with pocket_in(tmp_path / "p") as made, socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", made.port_base + offset))
        holder.listen()
        done = made.run("start", check=False)
        assert done.returncode == 1
        assert f"port {made.port_base + offset} for {what} is in use by python" in done.stderr
        assert f"(pid {os.getpid()})" in done.stderr
        assert "POCKET_PORT_BASE" in done.stderr
        assert made.marked() == []


def test_a_part_that_does_not_start_is_told_with_its_log(tmp_path: Path) -> None:
    with pocket_in(tmp_path / "p") as made:
        broken = made.folder / "home" / "store.sqlite"
        broken.parent.mkdir()
        broken.write_text("this is no database, and long enough to be looked at as one" * 10)
        done = made.run("start", check=False)
        assert done.returncode == 1
        assert "the control process ended" in done.stderr
        assert "file is not a database" in done.stderr, "the last lines of its log"
        assert "control.log" in done.stderr
        stopped = made.run("stop", check=False)
        assert stopped.returncode == 1
        assert "Remove it to begin with no objects" in stopped.stderr
        assert made.marked() == []
        broken.unlink()


def test_what_is_damaged_is_told_with_its_cure_or_made_anew(tmp_path: Path) -> None:
    with pocket_in(tmp_path / "p") as made:
        home = made.folder / "home"
        made.run("start")
        made.kubectl("create", "configmap", "kept", "--from-literal=a=b")
        running = made.run("restore", check=False)
        assert (running.returncode, "First `make -f pocket.mak stop`" in running.stderr) == (1, True)
        # A token that is none and a certificate that is none, while the control process runs with what they were.
        (home / "token").write_text("")
        (home / "tls" / "server.crt").write_text("junk")
        assert "was damaged, and is made anew" in made.run("start").stdout
        assert "kept" in made.kubectl("get", "configmaps", "-o", "name")
        made.run("stop")

        with sqlite3.connect(home / "store.sqlite") as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        whole = (home / "store.sqlite").read_bytes()
        (home / "store.sqlite").write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
        failed = made.run("start", check=False)
        assert failed.returncode == 1
        assert "`make -f pocket.mak stop restore start` takes back the copy of the last start" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert made.run("stop", check=False).returncode == 1
        assert " objects of 20" in made.run("restore").stdout
        made.run("start")
        assert "kept" in made.kubectl("get", "configmaps", "-o", "name")


def test_a_disk_that_is_full_when_it_stops_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tmp_path, *free_port_base())
    store = Store(settings.store_file)
    store.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}})
    store.close()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "delete", full)
    with pytest.raises(StoreError, match=r"disk is full\. All is stopped\. Make room"):
        lifecycle.forget_pods(settings)
    monkeypatch.undo()
    lifecycle.forget_pods(settings)
    assert Store(settings.store_file).list("Pod") == []


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, where a folder should be")
    made = Pocket(tmp_path, *free_port_base())
    done = made.run("start", check=False)
    assert done.returncode == 1
    assert "Set POCKET_HOME to a folder of yours" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_arguments(tmp_path: Path) -> None:
    made = Pocket(tmp_path, 20000, 8080)
    assert made.run("begin", check=False).returncode == 2
    bad = Pocket(tmp_path, 80, 8080).run("status", check=False)
    assert (bad.returncode, "POCKET_PORT_BASE=80" in bad.stderr) == (1, True)
    built = made.run("build", "-t", "x:v1", "--build-arg", "novalue", ".", check=False)
    assert "write it KEY=VALUE" in built.stderr
    log = made.run("logs", "control", check=False)
    assert "has not been started yet" in log.stderr
