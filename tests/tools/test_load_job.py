"""What tools/load-job.sh refuses before it asks a cluster. That it works is tried on a real one, in tests/e2e."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StandIns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "ReadMusicSim", "4", "5m"), "usage: make -f k8s.mak load USERS=200 SIM=ReadMusicSim PODS=4"),
        (("200", "", "4", "5m"), "usage: "),
        (("200", "ReadMusicSim", "0", "5m"), 'PODS is "0"'),
        (("200", "ReadMusicSim", "many", "5m"), 'PODS is "many"'),
        (("3", "ReadMusicSim", "4", "5m"), "USERS=3 is less than PODS=4"),
    ],
)
def test_what_is_refused(standins: StandIns, checkout: Path, arguments: tuple[str, ...], said: str) -> None:
    done = standins.run("tools/load-job.sh", *arguments, cwd=checkout)
    assert done.returncode == 1
    assert said in done.stderr
    assert standins.calls == []


NO_ROOM = "0/2 nodes are available: 2 Insufficient cpu."


@pytest.fixture
def ready(standins: StandIns, checkout: Path) -> StandIns:
    """A cluster that answers, whose image is built; what a job does there is tried in tests/e2e."""
    (checkout / "tools/load.py").write_text("")
    for script, said in (("image.sh", "PIN_GATLING=@sha256:0"), ("token.sh", "token")):
        (checkout / "tools" / script).write_text(f"#!/usr/bin/env bash\necho {said}\n")
    return standins


def test_pods_that_no_node_has_room_for_are_explained(ready: StandIns, checkout: Path) -> None:
    ready.answer("Unschedulable", f"{NO_ROOM}\n{NO_ROOM}\n")
    done = ready.run("tools/load-job.sh", "4", "ReadMusicSim", "2", "1m", cwd=checkout, env={"WAIT": "2"})
    assert done.returncode == 1
    assert done.stdout.count(f"No room for every pod yet, waiting at most 2 s: {NO_ROOM}\n") == 1
    assert f"have started after 2 s. {NO_ROOM}\nFewer PODS need less" in done.stderr


def test_a_late_start_is_a_start(ready: StandIns, checkout: Path) -> None:
    ready.answer("{.status.phase}", "Running\nSucceeded\n")
    done = ready.run("tools/load-job.sh", "4", "ReadMusicSim", "2", "1m", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "ReadMusicSim, 4 users in 2 pods, runs for 1m as job load-readmusicsim" in done.stdout
    assert "No room" not in done.stdout
