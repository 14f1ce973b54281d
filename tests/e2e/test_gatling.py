"""Load on a pocket: from this machine with the scripts, and from pods."""

from __future__ import annotations

import re

import pytest

from tests.e2e.cluster import NAMESPACE, Cluster
from tools import load_build

JOB = "load-readmusicsim"


@pytest.fixture(autouse=True)
def _gatling(cluster: Cluster) -> None:
    try:
        load_build.prepare(cluster.root / "gatling")
    except load_build.Missing as error:
        pytest.skip(f"Gatling can't run here: {error}")


def test_from_this_machine(cluster: Cluster) -> None:
    done = cluster.run("tools/gatling.sh", "4", "CoverageSim", "--duration", "3s", "--max-errors", "0%")
    assert "Report: file://" in done.stdout


def test_from_pods_that_share_the_users(cluster: Cluster) -> None:
    said = cluster.make("load", "USERS=5", "SIM=ReadMusicSim", "PODS=2", "DURATION=3s")
    assert f"kubectl -n {NAMESPACE} logs -f -l job-name={JOB}" in said
    try:
        cluster.kubectl("-n", NAMESPACE, "wait", f"job/{JOB}", "--for=condition=Complete", "--timeout=90s")
        logs = cluster.kubectl("-n", NAMESPACE, "logs", "-l", f"job-name={JOB}", "--tail=-1")
        assert "c756-load" in cluster.kubectl("-n", NAMESPACE, "get", "secrets", "-o", "name")
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "job", JOB)
    assert sorted(re.findall(r"^load: ReadMusicSim with ([0-9]+) users .*, pod ([01]) of 2$", logs, re.MULTILINE)) == [
        ("2", "1"),
        ("3", "0"),
    ]
    summaries = re.findall(r"^> request count +\| +([0-9]+) \| +([0-9]+) \| +-$", logs, re.MULTILINE)
    assert len(summaries) == 2, "each pod prints its own, without a failure"
    assert sum(int(total) for total, _ in summaries) >= 5
