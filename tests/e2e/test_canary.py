"""A release that is judged, on a real pocket under real load: tools/canary.sh, and what may happen to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Load
from tests.e2e.test_switch import kill_control, set_percent_error

ANNOTATION = "c756.io/canary"
CLIENTS, PAUSE = 60, 1.0  # about 60 requests per second, fewer on a busy machine
QUICK = ("--steps", "20,100", "--every", "10s", "--look", "5s", "--max-errors", "5%")
ANY_TIME = ("--max-p99", "off")  # a busy machine makes one pod slower than the other
LIMIT = 300.0  # seconds for one canary, on a busy machine

LONG = pytest.mark.skipif(not os.environ.get("C756_LONG"), reason="the long form, minutes more: C756_LONG=1")

MISBEHAVES = {
    "slow": "    import time; time.sleep(0.1)\n",
    "crash": "    import os; os._exit(1)\n",
    "hang": "    import time; time.sleep(25)\n",
}
"""What each read of a song does first."""


@pytest.fixture(autouse=True)
def _as_it_was(cluster: Cluster) -> Iterator[None]:
    """v1 alone, whatever the test did."""
    path = cluster.root / "s2" / "v2" / "app.py"
    text = path.read_text()
    yield
    path.write_text(text)
    cluster.run("tools/canary.sh", "abort", check=False)
    cluster.run("tools/s2ver.sh", "v1")
    cluster.kubectl("-n", NAMESPACE, "delete", "deployment", "cmpt756s2-v2", "--ignore-not-found")


def load(cluster: Cluster) -> Load:
    return Load(cluster.song_urls, cluster.token, CLIENTS, PAUSE)


def deploy(cluster: Cluster, behaviour: str = "") -> None:
    """Version 2 without its bug, or with another one. It gets no traffic."""
    set_percent_error(cluster, 0)
    path = cluster.root / "s2" / "v2" / "app.py"
    head = "    def get_song(music_id: str) -> Any:\n"
    assert path.read_text().count(head) == 1
    path.write_text(path.read_text().replace(head, head + "    " + MISBEHAVES[behaviour] if behaviour else head))
    cluster.run("env", "S2_VER=v2", "make", "-e", "-f", "k8s.mak", "s2-code")


@contextmanager
def canary(cluster: Cluster, *options: str) -> Iterator[subprocess.Popen[str]]:
    """It runs while the block does, and then has time to end by itself."""
    with subprocess.Popen(
        ["tools/canary.sh", "v2", *QUICK, *options],
        cwd=cluster.root, env=cluster.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=LIMIT)[0]
    return process.returncode, said


def services(cluster: Cluster) -> list[dict[str, Any]]:
    found = json.loads(cluster.kubectl("-n", NAMESPACE, "get", "virtualservices", "-o", "json"))["items"]
    return [one for one in found if '"subset": "v2"' in json.dumps(one["spec"])]


def weights(cluster: Cluster) -> set[int]:
    return {
        route["weight"]
        for service in services(cluster)
        for rule in service["spec"]["http"]
        for route in rule.get("route", ())
        if route["destination"].get("subset") == "v2"
    }


def state(cluster: Cluster) -> dict[str, Any] | None:
    for service in services(cluster):
        if text := service["metadata"].get("annotations", {}).get(ANNOTATION):
            found: dict[str, Any] = json.loads(text)
            return found
    return None


def until_judging(cluster: Cluster, process: subprocess.Popen[str], verdict: bool = False) -> dict[str, Any]:
    """Waits until version 2 has traffic, and with `verdict` until there was a look."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        found = state(cluster)
        if found and found["weight"] and (found["verdict"] or not verdict):
            return found
        time.sleep(0.3)
    raise AssertionError("no step began")


def clean(cluster: Cluster, weight: int) -> None:
    """No annotation, no rule of the canary, and this weight everywhere."""
    assert state(cluster) is None
    assert weights(cluster) == {weight}
    assert "canary" not in json.dumps([one["spec"] for one in services(cluster)])


def test_the_buggy_version_is_rolled_back_and_nothing_is_lost_by_the_switching(cluster: Cluster) -> None:
    with load(cluster) as running, canary(cluster, "--mirror", "20%", *ANY_TIME) as process:
        mirrored = ended(process)
        assert mirrored[0] == 1, mirrored[1]
        assert "mirror 20 % | v2:" in mirrored[1]
        assert set(running.answers.statuses) == {200}, "nobody gets an answer to a mirrored request"
        clean(cluster, 0)
        done = cluster.run("tools/canary.sh", "v2", *QUICK, *ANY_TIME, "--json", "--no-deploy", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["result"] == "rolled back"
    assert lines[-2]["verdict"] == "worse"
    assert lines[-2]["v2"]["errorRate"] > 0.2
    assert lines[-2]["v1"]["failed"] == 0
    assert set(running.answers.statuses) == {200, 500}
    assert not running.answers.lost
    clean(cluster, 0)
    described = cluster.kubectl("-n", NAMESPACE, "describe", "virtualservice/cmpt756s2-weights")
    assert "CanaryStep" in described
    assert "CanaryRolledBack" in described


def test_an_equal_version_is_promoted_while_prometheus_is_away_and_others_are_refused(cluster: Cluster) -> None:
    deploy(cluster)
    with load(cluster) as running, canary(cluster, "--no-deploy", "--blind", "90s", *ANY_TIME) as process:
        until_judging(cluster, process)
        home = cluster.env["POCKET_HOME"]
        found = [
            one for one in psutil.process_iter(["name", "cmdline"])
            if one.info["name"] == "prometheus" and home in " ".join(one.info["cmdline"] or ())
        ]  # fmt: skip
        assert len(found) == 1
        found[0].suspend()
        try:
            second = cluster.run("tools/canary.sh", "v2", *QUICK, "--no-deploy", check=False)
            switch = cluster.run("tools/s2ver.sh", "v1", check=False)
            time.sleep(30)
        finally:
            found[0].resume()
        code, said = ended(process)
    assert code == 0, said
    assert "no data: Prometheus does not answer" in said
    assert second.returncode == 3
    assert "a canary of v2 is" in second.stderr
    assert switch.returncode != 0
    assert "tools/canary.sh abort" in switch.stderr
    assert running.answers.failed == {}, f"{running.answers.failed} of {running.answers.total}"
    clean(cluster, 100)


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("slow", r"in the mean|P99 of v2"),
        ("crash", r"v2 fails|no pod of v2 is ready|came back"),
        pytest.param("hang", r"came back|no pod of v2 is ready|v2 fails", marks=LONG),
    ],
)
def test_a_version_that_misbehaves_is_rolled_back(cluster: Cluster, behaviour: str, words: str) -> None:
    deploy(cluster, behaviour)
    with load(cluster), canary(cluster, "--no-deploy", *(() if behaviour == "slow" else ANY_TIME)) as process:
        code, said = ended(process)
    assert code == 1, said
    assert re.search(rf"worse: .*({words})", said), said
    clean(cluster, 0)


@LONG
def test_an_equal_version_is_promoted_with_the_bounds_that_nobody_set(cluster: Cluster) -> None:
    deploy(cluster)
    with load(cluster) as running:
        steps = ("--steps", "20,50,100", "--every", "10s", "--look", "5s")
        done = cluster.run("tools/canary.sh", "v2", "--no-deploy", "--json", *steps, check=False, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert running.answers.failed == {}, f"{running.answers.failed} of {running.answers.total}"
    looks = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    passed = next(look for look in looks if look["verdict"] == "better or equal")
    assert passed["v2"]["requests"] >= 299, "fewer tell nothing of a P99"
    clean(cluster, 100)


@LONG
def test_without_traffic_there_is_no_verdict(cluster: Cluster) -> None:
    deploy(cluster)
    done = cluster.run("tools/canary.sh", "v2", *QUICK, "--no-deploy", "--blind", "5s", check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert re.search(r"no data: no (traffic|scrape)", done.stdout)
    assert "could not judge" in done.stdout
    clean(cluster, 0)


def test_somebody_edits_the_weights(cluster: Cluster) -> None:
    deploy(cluster)
    with canary(cluster, "--no-deploy", "--header", "x-canary: yes", "--sticky", *ANY_TIME) as process:
        until_judging(cluster, process)
        cluster.kubectl("apply", "-f", "cluster/s2-vs-v2.yaml")
        code, said = ended(process)
    assert code == 3, said
    assert "somebody changed the VirtualService" in said
    clean(cluster, 10)


@LONG
def test_killed_gone_on_with_and_interrupted(cluster: Cluster) -> None:
    deploy(cluster)
    with load(cluster) as running:
        with canary(cluster, "--no-deploy", "--every", "200s", *ANY_TIME) as process:
            before = until_judging(cluster, process, verdict=True)
            process.kill()
        found = state(cluster)
        assert found
        assert found["pid"] == before["pid"]
        assert cluster.run("tools/s2ver.sh", "v1", check=False).returncode != 0
        with canary(cluster, "--no-deploy", "--every", "200s", *ANY_TIME) as process:
            while (found := state(cluster)) and found["pid"] == before["pid"]:
                assert process.poll() is None, process.communicate()[0]
                time.sleep(0.3)
            assert found
            assert found["id"] == before["id"]
            assert weights(cluster) == {20}
            os.kill(process.pid, signal.SIGINT)
            code, said = ended(process)
    assert code == 1, said
    assert "going on with it" in said
    assert "rolled back" in said
    assert running.answers.failed == {}, f"{running.answers.failed} of {running.answers.total}"
    clean(cluster, 0)


@LONG
def test_a_cluster_that_goes_away_is_not_left_unsaid(cluster: Cluster) -> None:
    deploy(cluster)
    with load(cluster), canary(cluster, "--no-deploy", "--blind", "5s", "--every", "100s", *ANY_TIME) as process:
        until_judging(cluster, process)
        kill_control(cluster)
        code, said = ended(process)
    assert code == 3, said
    assert "no data: the cluster does not answer" in said
    assert "NOT rolled back" in said
    cluster.run("make", "-f", "pocket.mak", "start")
    assert weights(cluster) == {20}
    assert "its process" in cluster.output("tools/canary.sh", "status")
    cluster.run("tools/canary.sh", "abort")
    clean(cluster, 0)
    assert Path(cluster.env["KUBECONFIG"]).exists()
