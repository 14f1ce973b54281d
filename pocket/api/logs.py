"""`kubectl logs`: the log file of a container, whole or its end, once or as it grows.

Pocket's containers write straight to their log file, so that logging goes on without the control process; nobody is
there to note the time of each line. `--since` and `--timestamps` therefore need lines that bring their time along:
at their beginning (RFC 3339), or as one-line JSON with a field `time`, `ts` or `timestamp`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from pocket.api import containers, errors, podstreams
from pocket.api import web as w
from pocket.api.contracts import PodRuntime
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.objects import Obj

_CHUNK = 64 * 1024  # bytes
_LOOK = 0.25  # seconds between looks at a file that is followed: files tell nobody portably that they grew


@dataclass(frozen=True)
class Options:
    """What the client wants of the log."""

    follow: bool
    tail: int | None  # lines
    since: datetime | None
    limit: int | None  # bytes
    timestamps: bool


class Logs:
    """The subresource `log` of pods."""

    def __init__(self, registry: Registry, runtime: PodRuntime, streams: set[asyncio.Task[object]]) -> None:
        self._registry = registry
        self._runtime = runtime
        self._streams = streams

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        if request.method != "GET":
            raise errors.method_not_allowed()
        pod = self._registry.get(target)
        container = containers.choose(pod, request.query.get("container", ""))
        previous = w.flag(request, "previous")
        containers.refuse_log(pod, container, previous)
        options = _options(request)
        path = self._runtime.log_file(pod, container, previous)
        lines = self._lines(path, pod, container, options, target)
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        if (options.since or options.timestamps) and not _tells_time(path):
            response.headers["Warning"] = f'299 - "{_NO_TIMES}"'
        await response.prepare(request)
        # A client that goes has seen enough.
        with contextlib.suppress(ConnectionError), podstreams.registered(self._streams):
            async for chunk in lines:
                if chunk:
                    await response.write(chunk)
                if request.transport is None or request.transport.is_closing():
                    break
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _lines(
        self, path: Path, pod: Obj, container: str, options: Options, target: Target
    ) -> AsyncIterator[bytes]:
        """Pieces of the log; b"" now and then while nothing happens."""
        left, stamp = options.limit, _Stamp(options)
        async for piece in self._raw(path, pod, container, options, target):
            chosen = piece
            if piece and (options.since or options.timestamps):
                chosen = b"".join(stamp.line(line) for line in piece.splitlines(keepends=True))
            if left is not None:
                chosen = chosen[:left]
                left -= len(chosen)
            yield chosen
            if left == 0:
                return

    async def _raw(
        self, path: Path, pod: Obj, container: str, options: Options, target: Target
    ) -> AsyncIterator[bytes]:
        """The file from the right place on: whole lines where lines matter."""
        by_line = options.since is not None or options.timestamps
        position, rest = _start(path, options.tail), b""
        while True:
            # Before reading: what was written before the end is then not missed.
            running = options.follow and self._is_running(target, pod, container)
            while piece := _read(path, position):
                position += len(piece)
                if by_line:
                    whole, newline, rest = (rest + piece).rpartition(b"\n")
                    piece = whole + newline
                if piece:
                    yield piece
            if not running:
                break
            yield b""
            await asyncio.sleep(_LOOK)
            if _size(path) < position:
                position = 0  # the file was rotated: it begins anew
        if rest:
            yield rest

    def _is_running(self, target: Target, pod: Obj, container: str) -> bool:
        current = self._registry.store.find("Pod", target.namespace, target.name or "")
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return False
        before, after = containers.state_of(pod, container), containers.state_of(current, container)
        if after.get("restartCount", 0) != before.get("restartCount", 0):
            return False  # as with a real kubelet, a followed log ends with its container
        return containers.is_running(current, container)


def _options(request: web.Request) -> Options:
    seconds, moment = w.number(request, "sinceSeconds"), request.query.get("sinceTime")
    if seconds is not None and moment:
        raise errors.bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
    since = None
    if seconds is not None:
        since = datetime.now(UTC) - timedelta(seconds=min(seconds, 10**9))
    elif moment:
        try:
            since = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        except ValueError:
            raise errors.bad_request(f'sinceTime: "{moment}" is not a time in RFC 3339') from None
    return Options(
        follow=w.flag(request, "follow"),
        tail=w.number(request, "tailLines"),
        since=since,
        limit=w.number(request, "limitBytes"),
        timestamps=w.flag(request, "timestamps"),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read(path: Path, position: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read(_CHUNK)
    except FileNotFoundError:
        return b""


def _start(path: Path, tail: int | None) -> int:
    """Where the last `tail` lines begin."""
    if tail is None:
        return 0
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0
    with file:
        end = position = file.seek(0, os.SEEK_END)
        if tail == 0 or end == 0:
            return end
        file.seek(end - 1)
        wanted = tail + 1 if file.read(1) == b"\n" else tail  # the last newline ends a line, it begins none
        while position > 0:
            size = min(_CHUNK, position)
            position -= size
            file.seek(position)
            chunk = file.read(size)
            found = chunk.count(b"\n")
            if found < wanted:
                wanted -= found
                continue
            at = len(chunk)
            for _ in range(wanted):
                at = chunk.rindex(b"\n", 0, at)
            return position + at + 1
        return 0


_NO_TIMES = (
    "pocket keeps no time for the lines of a log, and these lines do not tell it themselves: "
    "--since and --timestamps have no effect on them, use --tail"
)
_LEADING = re.compile(rb"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)[\s\]]")
_JSON_TIMES = ("time", "ts", "timestamp", "@timestamp")


def time_of(line: bytes) -> datetime | None:
    """The moment that a log line tells of itself; None if it tells none. Without a zone it is taken for UTC."""
    text: str | float | None = None
    if match := _LEADING.match(line):
        text = match.group(1).decode().replace(",", ".").replace(" +", "+").replace(" -", "-")
    elif line.startswith(b"{"):
        try:
            record = json.loads(line)
        except ValueError:
            return None
        text = next((record[key] for key in _JSON_TIMES if key in record), None)
    try:
        if isinstance(text, (int, float)):
            return datetime.fromtimestamp(text, UTC)
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


class _Stamp:
    """Leaves out what is too old and puts the time in front; a line without a time belongs to the one before it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._moment: datetime | None = None

    def line(self, line: bytes) -> bytes:
        self._moment = time_of(line) or self._moment
        if self._moment is None:
            return line
        if self._options.since and self._moment < self._options.since:
            return b""
        if self._options.timestamps:
            return self._moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() + line
        return line


def _tells_time(path: Path) -> bool:
    """Do the last lines of the log bring their time along?"""
    lines = _read(path, max(0, _size(path) - _CHUNK)).splitlines()
    return not lines or any(time_of(line) for line in lines)
