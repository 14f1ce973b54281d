"""Short runs for real: Gatling, the services, the emulator."""

from __future__ import annotations

import re
from pathlib import Path

from tests.gatling.conftest import Scripts

SECONDS = 3


def requests_of(output: str) -> dict[str, tuple[int, int]]:
    """Request name to (all, failed), from the last block of Gatling's output."""
    rows = re.findall(r"^> (.+?) +\| +([0-9]+) \| +[0-9]+ \| +([0-9]+)$", output, re.MULTILINE)
    return {name: (int(total), int(failed)) for name, total, failed in rows}


def report(output: str) -> Path:
    """The HTML report that the script names at its end."""
    path = Path(re.findall(r"^Report: file://(.+)$", output, re.MULTILINE)[-1])
    assert "<html" in path.read_text()
    return path


def test_reads_music_once_a_second(scripts: Scripts) -> None:
    done = scripts.load(5, "ReadMusicSim", "--duration", f"{SECONDS}s", "--max-errors", "0%")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = requests_of(done.stdout)
    assert counts.keys() == {"Global", "Read music"}
    total, failed = counts["Global"]
    assert failed == 0
    assert 5 <= total <= 5 * SECONDS, "each user asks at the beginning, and never again within a second"
    assert "^C ends this output, not the job" in done.stdout
    assert report(done.stdout).is_relative_to(scripts.results)


def test_reads_users_and_music_with_long_pauses_and_still_ends_in_time(scripts: Scripts) -> None:
    done = scripts.load(3, "ReadBothVaryingSim", "--duration", f"{SECONDS}s", "--max-errors", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert requests_of(done.stdout)["Read user"] == (3, 0)


def test_too_many_errors_fail_the_run(scripts_v2: Scripts) -> None:
    done = scripts_v2.load(12, "ReadMusicSim", "--duration", f"{SECONDS}s", "--max-errors", "1%")
    assert done.returncode == 1
    assert "failed: more than 1 % of the requests failed" in done.stderr
    total, failed = requests_of(done.stdout)["Read music"]
    assert 0 < failed < total
    report(done.stdout)


def test_what_is_written_is_read_back_and_nothing_is_left(scripts: Scripts) -> None:
    before = songs(scripts)
    done = scripts.load(5, "WriteMusicSim", "--duration", f"{SECONDS}s", "--max-errors", "0%")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = requests_of(done.stdout)
    created = counts["Create music"]
    assert created[0] >= 5
    assert counts == {
        "Global": (created[0] * 3, 0), "Create music": created, "Read music back": created, "Delete music": created,
    }  # fmt: skip
    assert songs(scripts) == before


def test_a_song_that_could_not_be_read_back_is_deleted_too(scripts_v2: Scripts) -> None:
    before = songs(scripts_v2)
    done = scripts_v2.load(5, "WriteMusicSim", "--duration", f"{SECONDS}s")
    assert done.returncode == 0, "errors without a bound are only told"
    counts = requests_of(done.stdout)
    assert counts["Read music back"][1] > 0
    assert counts["Create music"] == counts["Delete music"]
    assert songs(scripts_v2) == before


def test_every_operation(scripts: Scripts) -> None:
    before = songs(scripts)
    done = scripts.load(2, "CoverageSim", "--duration", f"{SECONDS}s", "--max-errors", "0%")
    assert done.returncode == 0, done.stdout + done.stderr
    assert requests_of(done.stdout).keys() == {
        "Global", "User health", "Create user", "Login", "Read user back", "Update user", "Logoff", "Delete user",
        "Read deleted user", "Music health", "Create music", "Read music back", "List music", "Delete music",
        "Read deleted music",
    }  # fmt: skip
    assert songs(scripts) == before


def songs(scripts: Scripts) -> set[str]:
    """The ids of all songs."""
    answer = scripts.get("/api/v1/music/?limit=1000")
    assert answer.status_code == 200, answer.text
    return {item["music_id"] for item in answer.json()["Items"]}
