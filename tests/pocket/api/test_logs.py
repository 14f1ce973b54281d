from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pocket.api import logs


@pytest.mark.parametrize(
    ("text", "tail", "rest"),
    [
        ("a\nb\nc\n", 0, ""),
        ("a\nb\nc\n", 1, "c\n"),
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc\n", 3, "a\nb\nc\n"),
        ("a\nb\nc\n", 99, "a\nb\nc\n"),
        ("a\nb\nc", 1, "c"),
        ("a\nb\nc", 2, "b\nc"),
        ("", 5, ""),
        ("\n\n\n", 2, "\n\n"),
    ],
)
def test_the_end_of_a_log(tmp_path: Path, text: str, tail: int, rest: str) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert log.read_bytes()[logs._start(log, tail) :].decode() == rest


def test_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = [f"{number:07d}" + "x" * (number % 97) for number in range(20000)]
    log.write_text("\n".join(lines) + "\n")
    for tail in (1, 10, 5000, 19999):
        assert log.read_bytes()[logs._start(log, tail) :].decode().splitlines() == lines[-tail:]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert logs._start(tmp_path / "none", 3) == 0
    assert logs._read(tmp_path / "none", 0) == b""


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        (b"2026-01-01T10:00:00Z hello", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (b"2026-01-01T12:00:00+02:00 hello", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (b"2026-01-01 10:00:00,500 INFO x", datetime(2026, 1, 1, 10, 0, 0, 500000, tzinfo=UTC)),
        (b"[2026-01-01 10:00:00 +0000] [7] [INFO] Starting", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (b'{"time": "2026-01-01T10:00:00Z", "msg": "x"}', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (b'{"ts": 1767261600.0}', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        (b'{"time": "soon"}', None),
        (b"{not json", None),
        (b"Traceback (most recent call last):", None),
        (b"", None),
    ],
)
def test_the_time_of_a_line(line: bytes, moment: datetime | None) -> None:
    assert logs.time_of(line) == moment


def test_old_lines_are_left_out_with_what_belongs_to_them() -> None:
    options = logs.Options(False, None, datetime(2026, 1, 1, 10, tzinfo=UTC), None, timestamps=True)
    stamp = logs._Stamp(options)
    lines = [
        b"2026-01-01T09:00:00Z old\n",
        b"  its second line\n",
        b"2026-01-01T11:00:00Z new\n",
        b"  more\n",
    ]
    assert [stamp.line(line) for line in lines] == [
        b"",
        b"",
        b"2026-01-01T11:00:00.000000Z 2026-01-01T11:00:00Z new\n",
        b"2026-01-01T11:00:00.000000Z   more\n",
    ]
