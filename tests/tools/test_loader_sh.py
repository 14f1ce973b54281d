"""tools/loader.sh follows the Job and tells failure from success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StandIns

STATE = r"get job cmpt756loader"


@pytest.fixture
def cluster(standins: StandIns) -> StandIns:
    standins.answer("config current-context", "minikube\n")
    standins.answer("get pods -l job-name=cmpt756loader", "Running")
    standins.answer("logs", "220 rows loaded\n")
    return standins


def test_success(cluster: StandIns, checkout: Path) -> None:
    cluster.answer(STATE, "Complete\n")
    done = cluster.run("tools/loader.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "220 rows loaded" in done.stdout
    changing = [call.split()[3] for call in cluster.calls if "-n c756ns" in call]
    assert changing[0] == "delete"
    assert "kind: Job" in cluster.stdin("apply -f -")[0]


def test_failure(cluster: StandIns, checkout: Path) -> None:
    cluster.answer(STATE, "Failed\n")
    done = cluster.run("tools/loader.sh", cwd=checkout)
    assert done.returncode != 0
    assert "the loader failed; its log is above" in done.stderr
    assert "220 rows loaded" in done.stdout


def test_no_end_within_the_bound(cluster: StandIns, checkout: Path) -> None:
    done = cluster.run("tools/loader.sh", cwd=checkout, env={"WAIT": "1"})
    assert done.returncode != 0
    assert "has not ended after 1 s" in done.stderr


def test_once_means_once(cluster: StandIns, checkout: Path) -> None:
    cluster.answer(STATE, "Complete\n")
    done = cluster.run("tools/loader.sh", "--once", cwd=checkout)
    assert done.returncode == 0
    assert not any("apply" in call or "delete" in call for call in cluster.calls)
