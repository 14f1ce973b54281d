from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from loader.app import LoadError, Row, parse, read_rows
from tests.realservices import LOADER_TOKEN, ROOT, Chain, Image, base_env, free_port, operator_token

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, chain: Chain) -> Run:
    """Runs the loader as its image does."""
    image = Image.read(ROOT / "loader/Dockerfile")
    image.unpack(tmp_path / "code")

    def run_it(**env: str) -> subprocess.CompletedProcess[str]:
        settings = {"LOADER_TOKEN": LOADER_TOKEN, "DB_URL": chain.db.base, "LOADER_ATTEMPTS": "2"}
        return subprocess.run(
            image.command, cwd=tmp_path / "code", env=base_env(tmp_path) | image.env | settings | env,
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    return run_it


def songs() -> list[Row]:
    return [row for row in read_rows(ROOT / "gatling/resources") if isinstance(row, Row) and "Artist" in row.body]


def test_everything_is_loaded_and_may_be_again(run: Run, chain: Chain) -> None:
    for _ in range(2):
        done = run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "loaded 240 of 240 rows, 0 failed" in done.stdout
        assert "40 of 240" in done.stdout
    for row in songs()[:3]:
        answer = requests.get(f"{chain.s2.url}/{row.body['uuid']}", headers=operator_token(), timeout=10).json()
        wanted = {"music_id": row.body["uuid"], "Artist": row.body["Artist"], "SongTitle": row.body["SongTitle"]}
        assert answer == {"Items": [wanted], "Count": 1}


def test_every_bad_row_is_told_and_the_others_loaded(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(ROOT / "gatling/resources", data)
    lines = (data / "music.csv").read_text().splitlines()
    lines[3] = "not-a-uuid,A,T"
    lines[5] = lines[5].split(",")[0] + ",A"
    lines[7] += ",more"
    lines[9] = lines[9].split(",")[0] + ", ,T"
    (data / "music.csv").write_text("\n".join(lines) + "\n")
    done = run(DATA_DIR=str(data))
    assert done.returncode == 1
    assert "loaded 236 of 240 rows, 4 failed" in done.stdout
    for told in ("4: music_id 'not-a-uuid' is not", "6: no SongTitle", "8: too many columns", "10: no Artist"):
        assert f"failed music.csv:{told}" in done.stdout


def test_a_wrong_credential_fails_every_row(run: Run) -> None:
    done = run(LOADER_TOKEN="x" * 40)
    assert done.returncode == 1
    assert "240 failed" in done.stdout
    assert done.stdout.count(": 401 ") == 240


def test_no_datastore_is_told_with_its_address(run: Run) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run(DB_URL=url, READY_SECONDS="1")
    assert done.returncode == 1
    assert f"the datastore at {url} is not ready after 1 s" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_settings_and_files_are_told(run: Run, tmp_path: Path) -> None:
    done = run(LOADER_TOKEN="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "LOADER_TOKEN is not set" in done.stderr
    done = run(DATA_DIR=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "users.csv" in done.stderr


@pytest.mark.parametrize("text", ["", "a,b\n", "music_id,Artist\n", "Artist,SongTitle,music_id\n"])
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(LoadError, match="the first line must be music_id,Artist,SongTitle"):
        list(parse("music.csv", text))


def test_quotes_and_commas_are_data() -> None:
    key = "e7045b15-0755-48a7-b313-eb43c2e678f1"
    (row,) = parse("music.csv", f'music_id,Artist,SongTitle\n{key},"A, ""B""",é\n')
    assert row == Row("music.csv:2", {"objtype": "music", "uuid": key, "Artist": 'A, "B"', "SongTitle": "é"})
