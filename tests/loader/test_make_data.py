from __future__ import annotations

import csv
import uuid
from pathlib import Path

import pytest

from loader.make_data import SONG_COLUMNS, USER_COLUMNS, main

RESOURCES = Path(__file__).resolve().parents[2] / "gatling/resources"


def test_the_files_are_what_the_program_makes(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    for name in ("users.csv", "music.csv"):
        assert (tmp_path / name).read_bytes() == (RESOURCES / name).read_bytes()


@pytest.mark.parametrize(("name", "columns"), [("users.csv", USER_COLUMNS), ("music.csv", SONG_COLUMNS)])
def test_at_least_100_rows_with_keys_of_their_own(name: str, columns: tuple[str, ...]) -> None:
    with (RESOURCES / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == columns
    keys = [row[columns[0]] for row in rows]
    assert len(set(keys)) == len(keys) >= 100
    assert all(str(uuid.UUID(key)) == key for key in keys)
    assert all(value.strip() for row in rows for value in row.values())
    last = columns[-1]  # e-mail addresses and titles are all different
    assert len({row[last] for row in rows}) == len(rows)
