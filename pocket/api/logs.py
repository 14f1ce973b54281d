"""`kubectl logs`: the log file of a container, whole or its end, once or as it grows.

When a line was written (`--timestamps`, `--since`, `--since-time`), `pocket.logtimes` tells.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from pocket.logtimes import Clock
from pocket.objects import Obj

_CHUNK = 64 * 1024  # bytes
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")  # not bytes.splitlines: a carriage return ends no line of a log
_LOOK = 0.25  # seconds between looks at a file that is followed: files tell nobody portably that they grew


@dataclass(frozen=True)
class Options:
    """What the client wants of the log."""

    follow: bool
    tail: int | None  # lines
    since: datetime | None
    limit: int | None  # bytes
    timestamps: bool

    @property
    def by_line(self) -> bool:
        """Does the time of each line matter?"""
        return self.timestamps or self.since is not None


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

    def from_now_on(self, path: Path, pod: Obj, container: str, target: Target) -> AsyncIterator[bytes]:
        """What a container writes, until it ends; b"" now and then while nothing happens."""
        options = Options(follow=True, tail=0, since=None, limit=None, timestamps=False)
        return self._lines(path, pod, container, options, target)

    async def _lines(
        self, path: Path, pod: Obj, container: str, options: Options, target: Target
    ) -> AsyncIterator[bytes]:
        """Pieces of the log; b"" now and then while nothing happens."""
        left, clock, before = options.limit, Clock(path), 0
        async for position, piece in self._raw(path, pod, container, options, target):
            chosen = piece
            if options.by_line:
                if position < before:
                    clock = Clock(path)  # the file was rotated
                before = position
                chosen = stamped(clock, position, piece, options)
                await asyncio.sleep(0)  # it takes milliseconds: others want to be served meanwhile
            if left is not None:
                chosen = chosen[:left]
                left -= len(chosen)
            yield chosen
            if left == 0:
                return

    async def _raw(
        self, path: Path, pod: Obj, container: str, options: Options, target: Target
    ) -> AsyncIterator[tuple[int, bytes]]:
        """The file from the right place on, in pieces and where they begin: whole lines where lines matter."""
        position, rest = _start(path, options.tail), b""
        while True:
            # Before reading: what was written before the end is then not missed.
            running = options.follow and self._is_running(target, pod, container)
            while piece := _read(path, position):
                position += len(piece)
                if options.by_line:
                    whole, newline, rest = (rest + piece).rpartition(b"\n")
                    piece = whole + newline
                if piece:
                    yield position - len(rest) - len(piece), piece
            if not running:
                break
            yield position, b""
            await asyncio.sleep(_LOOK)
            if _size(path) < position:
                position, rest = 0, b""  # the file was rotated: it begins anew
        if rest:
            yield position - len(rest), rest

    def _is_running(self, target: Target, pod: Obj, container: str) -> bool:
        current = self._registry.store.find("Pod", target.namespace, target.name or "")
        if current is None or current["metadata"]["uid"] != pod["metadata"]["uid"]:
            return False
        before, after = containers.state_of(pod, container), containers.state_of(current, container)
        if after.get("restartCount", 0) != before.get("restartCount", 0):
            return False  # as with a real kubelet, a followed log ends with its container
        return containers.is_running(current, container)


def stamped(clock: Clock, position: int, piece: bytes, options: Options) -> bytes:
    """Whole lines, which begin at `position` of the log: without those that are too old, with their times in front."""
    chosen = []
    for line in _LINE.findall(piece):
        position += len(line)
        moment = clock.moment(line, position)
        if options.since is None or moment >= options.since:
            stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ ").encode() if options.timestamps else b""
            chosen.append(stamp + line)
    return b"".join(chosen)


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
        if since.tzinfo is None:
            raise errors.bad_request(f'sinceTime: "{moment}" has no time zone')
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
