from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pocket import logtimes
from pocket.api import logs
from pocket.logtimes import Clock


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


def test_lines_with_their_times(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\nbar 1\rbar 2\nlast")
    logtimes.times_of(log).write_text("0 1700000000\n4 1700000001\n16 1700000060.5\n")
    options = logs.Options(False, None, datetime.fromtimestamp(1700000002, UTC), None, timestamps=True)
    said = logs.stamped(Clock(log), 0, log.read_bytes(), options)
    stamp = b"2023-11-14T22:14:20.500000Z "
    assert said.startswith(stamp + b"bar 1\rbar 2\n2"), "a carriage return ends no line"
    assert said.endswith(b"Z last")
