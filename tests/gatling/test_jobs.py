"""Jobs in the background: two beside each other, ^C, list, kill; what is said when there is nowhere to send load."""

from __future__ import annotations

import csv
import os
import re
import signal
from pathlib import Path

import requests

from tests.gatling.conftest import Scripts, load_data
from tests.realservices import ROOT, Chain, free_port, wait_for


def listed(scripts: Scripts) -> dict[str, list[str]]:
    """Simulation to its line in the list."""
    lines = scripts.run("list-gatling").stdout.splitlines()[1:]
    return {line.split()[1]: line.split() for line in lines}


def test_two_jobs_side_by_side(scripts: Scripts, tmp_path: Path) -> None:
    assert "No load job runs" in scripts.run("list-gatling").stdout
    users, music = tmp_path / "users.log", tmp_path / "music.log"
    follower = scripts.follow(1, "ReadUserSim", users)
    other = scripts.follow(3, "ReadMusicSim", music)
    wait_for(lambda: "> Global" in users.read_text() and "> Global" in music.read_text(), "output of both jobs", 60)

    os.killpg(follower.pid, signal.SIGINT)  # what ^C in a terminal does
    assert follower.wait(20) == 0
    assert "The job goes on. To stop it: tools/kill-gatling.sh" in users.read_text()
    jobs = listed(scripts)
    assert jobs.keys() == {"ReadUserSim", "ReadMusicSim"}
    pid, simulation, count, *_, total, failed = jobs["ReadMusicSim"]
    assert (simulation, count, failed) == ("ReadMusicSim", "3", "0")
    assert int(total) >= 3
    assert f"tools/kill-gatling.sh {pid} " in music.read_text().partition("load: ")[0], "said before anything else"

    killed = scripts.run("kill-gatling", pid)
    assert killed.returncode == 0, killed.stderr
    ended = rf"ReadMusicSim \({pid}\): [0-9]+ requests, 0 failed; report: file://.*/index\.html"
    assert re.search(ended, killed.stdout)
    assert other.wait(20) == 0, "following ends by itself when the job ends"
    assert re.search(r"^Report: file://", music.read_text(), re.MULTILINE)

    assert listed(scripts).keys() == {"ReadUserSim"}
    assert scripts.run("kill-gatling").returncode == 0
    assert "No load job runs" in scripts.run("kill-gatling", "all").stdout
    assert len(list(scripts.results.glob("*/*/index.html"))) == 2


def test_a_process_that_is_no_job_is_left_alone(scripts: Scripts) -> None:
    done = scripts.run("kill-gatling", str(os.getpid()))
    assert done.returncode == 2
    assert "no load job of this checkout" in done.stderr


def test_wrong_arguments_print_the_usage(scripts: Scripts) -> None:
    done = scripts.run("gatling", "5", "NoSim")
    assert done.returncode == 2
    assert "there is no simulation 'NoSim'" in done.stderr
    assert "CoverageSim, ReadBothVaryingSim, ReadMusicSim, ReadUserSim, WriteMusicSim" in done.stderr
    for script in ("list-gatling", "kill-gatling"):
        assert "usage: " in scripts.run(script, "what", "ever").stderr


def test_nobody_answers(scripts: Scripts) -> None:
    done = scripts.run("gatling", "1", "ReadMusicSim", "--gateway", f"127.0.0.1:{free_port()}")
    assert done.returncode == 4
    assert "Nobody answers at the gateway's address" in done.stderr
    assert not scripts.results.exists(), "Gatling must not have been started"


def test_an_empty_database(scripts: Scripts, chain: Chain) -> None:
    with (ROOT / "gatling" / "resources" / "music.csv").open(newline="") as rows:
        first = next(csv.DictReader(rows))["music_id"]
    headers = {"Authorization": f"Bearer {scripts.token}"}
    gone = requests.delete(f"{chain.s2.url}/{first}", headers=headers, timeout=10)
    assert gone.status_code == 200
    try:
        done = scripts.load(1, "ReadMusicSim", "--duration", "1s")
    finally:
        load_data(chain)
    assert done.returncode == 4
    assert re.search(r"database is empty.*make -f k8s\.mak loader", done.stderr)


def test_a_token_that_is_none(scripts: Scripts) -> None:
    scripts.token = "none"
    done = scripts.load(1, "ReadUserSim", "--duration", "1s")
    assert done.returncode == 4
    assert "does not accept the token" in done.stderr
