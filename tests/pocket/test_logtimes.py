from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pocket import logtimes
from pocket.logtimes import Clock, Note, Noter

T = 1_800_000_000.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "c" / "0.log"


def write(log: Path, text: str, at: float) -> None:
    with log.open("a") as file:
        file.write(text)
    os.utime(log, (at, at))


def noted(log: Path, *parts: tuple[float, str], begun: float = T) -> None:
    """A log that was looked at after each of its parts was written."""
    logtimes.begin(log)
    logtimes.times_of(log).write_text(f"0 {begun}\n")
    noter = Noter(log)
    noter.look()  # there may be no log yet
    for at, text in parts:
        write(log, text, at)
        noter.look()


def moments(log: Path) -> list[float]:
    clock, end, found = Clock(log), 0, []
    for line in log.read_bytes().splitlines(keepends=True):
        end += len(line)
        found.append(round(clock.moment(line, end).timestamp() - T, 3))
    return found


def test_lines_that_tell_no_time_have_that_of_their_note(log: Path) -> None:
    noted(log, (T + 1, "a\nb\n"), (T + 60.25, "c\n"))
    assert logtimes.times_of(log).read_text() == f"0 {T}\n4 {T + 1:.3f}\n6 {T + 60.25:.3f}\n"
    assert moments(log) == [1, 1, 60.25]


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_a_lines_own_time_is_believed_within_the_bounds(log: Path) -> None:
    own = f'{iso(T + 0.3)} hello\n{{"time": "{iso(T + 0.7)}"}}\n'
    noted(log, (T + 1, own), (T + 60, f"{iso(T + 30)} later\n  its second line\n"))
    assert moments(log) == [0.3, 0.7, 30, 30]


@pytest.mark.parametrize("own", [T - 3600, T + 3600, 0.0])
def test_and_not_outside_of_them(log: Path, own: float) -> None:
    """Another time zone, a time that is about something else."""
    noted(log, (T + 1, f"{iso(own)} hello\n"), (T + 60, f"{iso(own)} again\n"))
    assert moments(log) == [1, 60]


def test_what_has_not_been_noted_yet_has_the_files_time(log: Path) -> None:
    noted(log, (T + 1, "a\n"))
    write(log, f"while nobody looked\n{iso(T + 500)} own\n", T + 900)
    assert moments(log) == [1, 900, 500]
    clock = Clock(log)
    assert clock.moment(b"a\n", 2).timestamp() == T + 1
    write(log, "more\n", T + 1000)
    assert clock.moment(b"more\n", log.stat().st_size).timestamp() == T + 1000


def test_a_log_without_notes(log: Path) -> None:
    log.parent.mkdir()
    write(log, "a\nb\n", T + 5)
    assert moments(log) == [5, 5]
    assert logtimes.read(log.with_name("1.log")) == []


def test_a_line_belongs_to_the_note_at_which_it_was_complete(log: Path) -> None:
    noted(log, (T + 1, "a\nhalf"), (T + 2, " and half\n"))
    assert moments(log) == [1, 2]


def test_the_next_control_process_goes_on(log: Path) -> None:
    noted(log, (T + 1, "a\n"))
    write(log, "b\n", T + 100)
    Noter(log).look()
    write(log, "c\n", T + 101)
    Noter(log).look()
    Noter(log).look()
    assert logtimes.read(log) == [Note(0, T), Note(2, T + 1), Note(4, T + 100), Note(6, T + 101)]


def test_a_log_that_was_rotated_begins_anew(log: Path) -> None:
    noted(log, (T + 1, "a\nb\nc\n"))
    noter = Noter(log)
    os.truncate(log, 0)
    write(log, "d\n", T + 50)
    assert logtimes.read(log) == [Note(2, T + 50)], "and until somebody looks, nothing old is said of it"
    before = time.time()
    noter.look()
    begun, note = logtimes.read(log)
    assert (begun.end, note) == (0, Note(2, T + 50))
    assert before - 0.001 <= begun.until <= time.time()


def test_half_a_line_of_a_full_disk_is_no_note(log: Path) -> None:
    noted(log, (T + 1, "a\n"))
    with logtimes.times_of(log).open("a") as file:
        file.write("99")
    assert logtimes.read(log) == [Note(0, T), Note(2, T + 1)]


def test_there_are_not_too_many_notes(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logtimes, "MOST", 10)
    noted(log, *((T + number, "x\n") for number in range(1, 51)))
    notes = logtimes.read(log)
    assert len(notes) <= 10
    assert [note.end for note in notes[-4:]] == [94, 96, 98, 100]
    assert all(note.until == T + note.end / 2 for note in notes)
    found = moments(log)
    assert found == sorted(found)
    assert found[-3:] == [48, 49, 50]
    assert all(0 <= moment - number <= 40 for number, moment in enumerate(found, 1))


@pytest.mark.parametrize("count", range(1, 12))
def test_thinning_keeps_the_end_of_what_it_thins(count: int) -> None:
    notes = [Note(number, number) for number in range(1, count + 1)]
    thinned = logtimes.thinned(notes)
    assert thinned[-1] == notes[-1]
    assert thinned == sorted(set(thinned), key=lambda note: note.end)
    assert thinned[-(count + 1) // 2 :] == notes[-(count + 1) // 2 :]
    assert len(thinned) == count - count // 2 // 2


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
        (b'{"time": null}', None),
        (b'{"time": ["x"]}', None),
        (b"{not json", None),
        (b'{"a":' * 100_000, None),
        (b"Traceback (most recent call last):", None),
        (b"", None),
    ],
)
def test_the_time_that_a_line_tells(line: bytes, moment: datetime | None) -> None:
    assert logtimes.own_time(line) == moment
