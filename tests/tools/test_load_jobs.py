"""Jobs: their folders, their processes, and what Gatling's output says. A shell script plays the JVM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tools import load_jobs
from tools.load_jobs import Job, counts, counts_of, create, follow, running, spawn, start_of, stop, table, wait_for

BLOCK = """
---- Requests -----------------------------------------------------------------------|---Total--|----OK----|----KO----
> Global                                                                             |    {:>6} |    {:>6} |    {:>6}
> Read music                                                                         |         1 |         1 |         0
"""
# What it is called with: the JVM's flags, then the class; it ends in order when told to, as c756.Load does.
PROGRAM = """#!/bin/sh
trap 'echo "> Global    |  7 |  5 |  2"; mkdir "$RESULTS/sim-1"; echo > "$RESULTS/sim-1/index.html"; exit 0' TERM
echo "$SIM $USERS $BASE_URL $TOKEN $DURATION $MAX_ERRORS ${PODS-unset}"
if [ "$SIM" = Fails ]; then exit 2; fi
if [ "$SIM" = Ends ]; then exit 0; fi
while :; do sleep 0.1; done
"""


@pytest.fixture
def java(tmp_path: Path) -> str:
    program = tmp_path / "java"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "target"
    (made / "classes").mkdir(parents=True)
    (made / "classes" / "A.class").write_text("")
    return made


def job_of(results: Path, simulation: str = "ReadMusicSim") -> Job:
    return create(results, simulation, 5, "http://gateway", "10m", "1")


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("", None),
        ("load: ReadMusicSim with 5 users", None),
        (BLOCK.format(25, 24, 1), (25, 1)),
        (BLOCK.format(25, 24, 1) + BLOCK.format(125, 124, 2), (125, 2)),
        (BLOCK.format("1,250", "-", "-"), (1250, 0)),
    ],
)
def test_counts(output: str, wanted: tuple[int, int] | None) -> None:
    assert counts(output.encode()) == wanted


def test_each_job_has_a_folder_of_its_own(tmp_path: Path) -> None:
    jobs = [job_of(tmp_path / "results") for _ in range(3)]
    assert len({job.folder for job in jobs}) == 3
    assert [load_jobs.load(job.folder) for job in jobs] == jobs
    assert running(tmp_path / "results") == [], "none has a process yet"


def test_the_start_of_a_process_tells_it_from_others() -> None:
    mine = start_of(os.getpid())
    assert mine
    with subprocess.Popen(["sleep", "60"]) as other:
        assert start_of(other.pid)
        other.kill()
        assert wait_for(lambda: start_of(other.pid) is None, 10), "a zombie does not count"
    assert start_of(other.pid) is None


def test_a_job_from_start_to_stop(tmp_path: Path, java: str, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODS", "3")
    results = tmp_path / "results"
    first, second = (spawn(job_of(results), java, target, "secret") for _ in range(2))
    assert [job.pid for job in running(results)] == [first.pid, second.pid]
    assert os.getsid(first.pid) not in (os.getsid(0), os.getsid(second.pid)), "^C reaches it"
    assert (first.folder / "classes" / "A.class").exists()
    assert "secret" not in (first.folder / "job.json").read_text()

    assert [job.pid for job in stop([first], 20)] == [first.pid]
    assert first.exit_code == 0
    assert counts_of(first) == (7, 2)
    assert first.report == first.folder / "sim-1" / "index.html"
    assert not (first.folder / "classes").exists()
    assert first.console.read_text().startswith("ReadMusicSim 5 http://gateway secret 10m 1 unset\n")
    assert [job.pid for job in running(results)] == [second.pid]
    assert [job.pid for job in stop([second], 20)] == [second.pid]


@pytest.mark.parametrize(("simulation", "code"), [("Ends", 0), ("Fails", 2)])
def test_following_ends_with_the_job(tmp_path: Path, java: str, target: Path, simulation: str, code: int) -> None:
    job = spawn(job_of(tmp_path / "results", simulation), java, target, "")
    seen: list[bytes] = []
    follow(job, seen.append)
    assert b"".join(seen).decode().startswith(f"{simulation} 5")
    assert job.exit_code == code
    assert not job.alive


def test_a_job_that_was_killed_has_no_exit_code_of_its_own(tmp_path: Path, java: str, target: Path) -> None:
    job = spawn(job_of(tmp_path / "results"), java, target, "")
    os.kill(job.pid, signal.SIGKILL)
    assert wait_for(lambda: job.exit_code is not None, 20)
    assert job.exit_code == -signal.SIGKILL
    assert job.report is None


def test_another_process_with_the_same_number_is_not_the_job(tmp_path: Path) -> None:
    job = replace(job_of(tmp_path / "results"), pid=os.getpid(), started="1")
    load_jobs.save(job)
    assert not job.alive
    assert running(tmp_path / "results") == []
    assert list(stop([job], 1)) == [job], "nothing to stop, and nobody was sent a signal"


def test_a_job_that_does_not_end_is_not_reported_as_ended(tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo; while :; do sleep 0.1; done"
    with subprocess.Popen(["sh", "-c", deaf], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()  # its trap is set
        job = replace(job_of(tmp_path / "results"), pid=stubborn.pid, started=start_of(stubborn.pid) or "")
        assert list(stop([job], 0.5)) == []
        stubborn.kill()


def test_table() -> None:
    assert table([{"PID": "1", "SIMULATION": "A"}, {"PID": "222", "SIMULATION": "Bbb"}]) == (
        "PID   SIMULATION\n1     A\n222   Bbb"
    )


def test_the_record_is_readable(tmp_path: Path) -> None:
    job = job_of(tmp_path / "results")
    record = json.loads((job.folder / "job.json").read_text())
    assert record["simulation"] == "ReadMusicSim"
    assert record["users"] == 5
    assert record["base_url"] == "http://gateway"
