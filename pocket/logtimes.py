"""When the lines of a container's log were written.

A container writes straight into its log file, so that nothing stands between them and logging goes on without the
control process. Therefore nobody is there to note the time of each line. Instead the kubelet looks at the file's size
twice a second, and where it has grown, notes beside it (`0.log.times`) up to where it reaches and when it was last
written to:

    0 1795563151.902
    1834 1795563152.118

Everything between two such ends was written between the two times. Within these bounds a line's own time is believed
(JSON with `time`, or a time at its beginning); any other line has the later bound. While the control process is away
the log grows and the notes do not: the bounds are then as far apart as it was away.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pocket.files import write_private

LOOK = 0.5
"""Seconds between two looks at the files' sizes."""

MOST = 4096
"""Notes that one log has at most; then every other one of the older half goes."""

_SLACK = 1.0  # seconds that a line's own time may lie outside the bounds: it is made before the line is written


@dataclass(frozen=True)
class Note:
    """What stands before the byte `end` was written until `until` (seconds since the epoch)."""

    end: int
    until: float


def times_of(log: Path) -> Path:
    """Where the notes of a log stand."""
    return log.with_name(log.name + ".times")


def read(log: Path) -> list[Note]:
    """The notes of a log, and one more for what it grew by since the last of them."""
    notes = _parse(log)
    with contextlib.suppress(FileNotFoundError):
        state = log.stat()
        if notes and state.st_size < notes[-1].end:
            notes = []  # it was rotated a moment ago
        if state.st_size > (notes[-1].end if notes else 0):
            notes.append(Note(state.st_size, state.st_mtime))
    return notes


def _parse(log: Path) -> list[Note]:
    try:
        text = times_of(log).read_text()
    except FileNotFoundError:
        return []
    notes = []
    for line in text.splitlines():
        end, _, until = line.partition(" ")
        with contextlib.suppress(ValueError):  # half a line, from a full disk
            notes.append(Note(int(end), float(until)))
    return notes


def begin(log: Path) -> None:
    """The log begins now: its container is about to start, or it has been rotated. Raises OSError."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(times_of(log), _lines([Note(0, time.time())]))


def _lines(notes: Sequence[Note]) -> bytes:
    return "".join(f"{note.end} {note.until:.3f}\n" for note in notes).encode()


class Noter:
    """Keeps the notes of one log."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._count, self._end = 0, 0
        notes = _parse(log)
        if notes:
            self._count, self._end = len(notes), notes[-1].end

    def look(self) -> None:
        """Note it if the log has grown. Raises OSError (a full disk): the next look notes it then."""
        try:
            state = self.log.stat()
        except FileNotFoundError:
            return
        if state.st_size < self._end:
            begin(self.log)  # it was rotated
            self._count, self._end = 1, 0
        if state.st_size == self._end:
            return
        with times_of(self.log).open("ab") as file:
            file.write(_lines([Note(state.st_size, state.st_mtime)]))
        self._count, self._end = self._count + 1, state.st_size
        if self._count > MOST:
            fewer = thinned(_parse(self.log))
            write_private(times_of(self.log), _lines(fewer))
            self._count = len(fewer)


def thinned(notes: Sequence[Note]) -> list[Note]:
    """Without every other one of the older half: what is long ago is known less exactly."""
    half = len(notes) // 2
    return [*notes[1:half:2], *notes[half - half % 2 :]]


class Clock:
    """Tells the time of each line of one log; ask in the order of the lines."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._notes: list[Note] = []
        self._place = -1  # the note that the line before belongs to
        self._moment = 0.0

    def moment(self, line: bytes, end: int) -> datetime:
        """When the line that ends before the byte `end` was written."""
        if not self._notes or self._notes[-1].end < end:
            self._notes, self._place = read(self._log), -1
        index = bisect.bisect_left(self._notes, end, key=lambda note: note.end)
        if index == len(self._notes):
            return datetime.now(UTC)  # rotated under our eyes: it was there a moment ago
        after = self._notes[index - 1].until if index else 0.0
        until = self._notes[index].until
        own = own_time(line)
        if own is not None and after - _SLACK <= own.timestamp() <= until + _SLACK:
            self._moment = own.timestamp()
        elif index != self._place:  # else it belongs to the line before (a traceback, a text of many lines)
            self._moment = until
        self._place = index
        return datetime.fromtimestamp(self._moment, UTC)


_LEADING = re.compile(rb"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)[\s\]]")
_JSON_TIMES = ("time", "ts", "timestamp", "@timestamp")


def own_time(line: bytes) -> datetime | None:
    """The moment that a log line tells of itself; None if it tells none. Without a zone it is taken for UTC."""
    text: object = None
    if match := _LEADING.match(line):
        text = match.group(1).decode().replace(",", ".").replace(" +", "+").replace(" -", "-")
    elif line.startswith(b"{"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return None
        text = next((record[key] for key in _JSON_TIMES if key in record), None)
    try:
        if isinstance(text, (int, float)):
            return datetime.fromtimestamp(text, UTC)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
