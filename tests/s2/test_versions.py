"""Version 2 is version 1 and its change."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import requests

import s2.v2.app as v2
from servicekit.config import AuthConfig, ConfigError, FrontConfig
from servicekit.datastore import Datastore
from servicekit.openapi import document_of
from tests.realservices import ROOT, SECRET, Chain, Image, Service, front_env, operator_token

CONFIG = FrontConfig(auth=AuthConfig(SECRET))
SONG = {"Items": [{"music_id": "1", "Artist": "A", "SongTitle": "T"}], "Count": 1}
TOKEN = operator_token()


class Reads:
    """Counts the reads of the datastore, which all succeed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(Datastore, "read", self.read)

    def read(self, objtype: str, key: str) -> dict[str, object]:
        assert (objtype, key) == ("music", "1")
        self.count += 1
        return SONG


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


def statuses(percent: float, monkeypatch: pytest.MonkeyPatch, calls: int) -> list[int]:
    monkeypatch.setattr(v2, "PERCENT_ERROR", percent)
    client = v2.create_app(CONFIG).test_client()
    return [client.get("/api/v1/music/1", headers=TOKEN).status_code for _ in range(calls)]


def test_half_of_the_reads_are_rejected_before_the_datastore_is_asked(
    reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert v2.PERCENT_ERROR == 50
    found = statuses(50, monkeypatch, 400)
    assert set(found) == {200, 500}
    assert 130 <= found.count(500) <= 270  # seven standard deviations of the binomial
    assert reads.count == found.count(200)


@pytest.mark.parametrize(("percent", "status"), [(0, 200), (100, 500)])
def test_none_and_all(reads: Reads, monkeypatch: pytest.MonkeyPatch, percent: int, status: int) -> None:
    assert set(statuses(percent, monkeypatch, 100)) == {status}
    assert reads.count == 100 - percent


@pytest.mark.parametrize("percent", [-1, 101, float("nan"), "half"])
def test_an_impossible_percentage_is_refused(percent: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2, "PERCENT_ERROR", percent)
    with pytest.raises(ConfigError, match="PERCENT_ERROR"):
        v2.create_app(CONFIG)


def test_a_token_is_asked_for_before_anything_fails(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2, "PERCENT_ERROR", 100)
    assert v2.create_app(CONFIG).test_client().get("/api/v1/music/1").status_code == 401
    assert reads.count == 0


def test_the_failure_is_documented_in_version_2_only() -> None:
    from s2.v1.app import create_app as create_v1

    def documented(app: object) -> bool:
        return "500" in document_of(app)["paths"]["/api/v1/music/{music_id}"]["get"]["responses"]  # type: ignore[arg-type]

    assert documented(v2.create_app(CONFIG))
    assert not documented(create_v1(CONFIG))


def test_the_change_fits_on_one_screen() -> None:
    text = (ROOT / "s2/v2/app.py").read_text()
    assert len(text.splitlines()) <= 50
    assert "\nPERCENT_ERROR = 50\n" in text
    assert "\nPERCENT_ERROR = 0\n" not in text


def test_the_images_differ_by_the_change_only(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        Image.read(ROOT / f"s2/{version}/Dockerfile").unpack(tmp_path / version)
    assert (tmp_path / "v1/app.py").read_text() == (tmp_path / "v2/s2/v1/app.py").read_text()
    assert (tmp_path / "v2/app.py").read_text() == (ROOT / "s2/v2/app.py").read_text()
    v1, v2 = ((ROOT / f"s2/{version}/Dockerfile").read_text().splitlines() for version in ("v1", "v2"))
    changed = [line for line in difflib.ndiff(v1, v2) if line[0] in "+-"]
    assert all("COPY s2/" in line or "docker build" in line or "version" in line.lower() for line in changed), changed


def test_the_edit_of_the_exercise_fixes_it(chain: Chain, tmp_path: Path) -> None:
    key = requests.post(
        f"{chain.s2.url}/", json={"Artist": "A", "SongTitle": "T"}, headers=TOKEN, timeout=10
    ).json()["music_id"]
    edit = "PERCENT_ERROR = 50\n -> PERCENT_ERROR = 0\n"
    fixed = Service("s2/v2", "/api/v1/music", tmp_path / "fixed", front_env(chain.db), edit)
    try:
        fixed.start()
        found = [requests.get(f"{fixed.url}/{key}", headers=TOKEN, timeout=10).status_code for _ in range(60)]
        assert set(found) == {200}
        assert 'version="v2"' in requests.get(f"{fixed.base}/metrics", timeout=10).text
    finally:
        fixed.stop()
