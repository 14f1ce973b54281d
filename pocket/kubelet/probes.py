"""Probes and lifecycle hooks: asking a container whether it has started, is ready, is alive.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from pocket import sockets
from pocket.mesh.telemetry import PROBE_ID
from pocket.objects import Obj
from pocket.sockets import Address

HOST = "127.0.0.1"
_SHOWN = 1024  # characters of an answer that an Event shows
_TURN = 0.1  # seconds; how exact a timeout is
_EAGER = 10.0  # seconds after the start in which we look more often than the period says
_EAGER_PERIOD = 0.2  # seconds


@dataclass(frozen=True)
class Result:
    """One answer."""

    ok: bool
    message: str = ""


class Target(Protocol):
    """The container, as a probe sees it."""

    def place(self, name_or_number: str | int) -> Address:
        """Where the container's port really is. Raises ValueError."""

    async def execute(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command in the container; its exit code and output."""


class Streak:
    """Counts answers until there are enough in a row to believe them. Pure."""

    def __init__(self, probe: Obj) -> None:
        self._successes = int(probe.get("successThreshold") or 1)
        self._failures = int(probe.get("failureThreshold") or 3)
        self._last: bool | None = None
        self._count = 0

    def add(self, ok: bool) -> bool | None:
        """The verdict: True, False, or None while it is open."""
        self._count = self._count + 1 if ok is self._last else 1
        self._last = ok
        return ok if self._count >= (self._successes if ok else self._failures) else None


class Patience:
    """How long to wait for an answer, in time that we could have heard it in. Pure.

    Time is counted in turns of our own event loop, each for no more than it was meant to last: a turn that came late
    (a busy API server in the same process, a stopped process, a machine that slept) says nothing about who was asked.
    """

    def __init__(self, limit: float) -> None:
        """`limit` in seconds. A tenth of it at most goes by in one turn: an answer needs several to be read."""
        self._left = limit
        self._turn = min(_TURN, limit / 10)

    def next(self) -> float | None:
        """Seconds to wait in the next turn; None when the time is over."""
        if self._left < 1e-6:
            return None
        turn = min(self._turn, self._left)
        self._left -= turn
        return turn


async def ask(probe: Obj, target: Target) -> Result:
    """Do what a probe (or a hook) says, once; judged by what could be measured (see `Patience`)."""
    limit = float(probe.get("timeoutSeconds") or 1)
    patience = Patience(limit)
    asking = asyncio.create_task(_ask(probe, target))
    try:
        while not asking.done():
            turn = patience.next()
            if turn is None:
                return Result(False, f"no answer within {limit:g} s")
            await asyncio.wait({asking}, timeout=turn)
        return asking.result()
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait({asking})


async def _ask(probe: Obj, target: Target) -> Result:
    try:
        if "httpGet" in probe:
            return await _http(probe["httpGet"], target)
        if "tcpSocket" in probe:
            _, writer = await sockets.dial(target.place(probe["tcpSocket"]["port"]))
            writer.close()
            return Result(True)
        if "exec" in probe:
            code, output = await target.execute(probe["exec"].get("command") or [])
            return Result(code == 0, output[:_SHOWN])
        if "sleep" in probe:
            await asyncio.sleep(float(probe["sleep"].get("seconds") or 0))
            return Result(True)
    except (OSError, aiohttp.ClientError, ValueError) as error:
        number = getattr(error, "errno", None)  # asyncio's own words about it name addresses, not reasons
        return Result(False, os.strerror(number) if number else str(error) or type(error).__name__)
    return Result(False, f"{', '.join(sorted(probe))}: no kind of probe that pocket knows")


async def watch(
    probe: Obj,
    once: Callable[[], Awaitable[Result]],
    verdict: Callable[[bool], object],
    failed: Callable[[Result], object],
    *,
    since: float,
    eager: bool,
) -> None:
    """Ask in the probe's rhythm, without end; call `verdict` when enough answers agree, `failed` on each bad one.

    `since` is when the container started (time.monotonic). `eager`: until the first good answer look five times a
    second for the first 10 s, so that a start is noticed at once; failures count only in the probe's own rhythm.
    """
    period = float(probe.get("periodSeconds") or 10)
    await asyncio.sleep(max(0.0, since + float(probe.get("initialDelaySeconds") or 0) - time.monotonic()))
    streak = Streak(probe)
    due = time.monotonic() + (period if eager else 0.0)
    while True:
        result = await once()
        counts = time.monotonic() >= due
        if result.ok:
            eager = False
        if result.ok or counts:
            while due <= time.monotonic():
                due += period
            if not result.ok:
                failed(result)
            decided = streak.add(result.ok)
            if decided is not None:
                verdict(decided)
        impatient = eager and "exec" not in probe and time.monotonic() - since < _EAGER
        await asyncio.sleep(min(_EAGER_PERIOD, period) if impatient else max(0.0, due - time.monotonic()))


async def _http(get: Obj, target: Target) -> Result:
    secure = str(get.get("scheme") or "HTTP").upper() == "HTTPS"
    path = str(get.get("path") or "/")
    place = target.place(get["port"])
    host = HOST if isinstance(place, Path) else f"{get.get('host') or HOST}:{place[1]}"
    url = f"{'https' if secure else 'http'}://{host}/{path.lstrip('/')}"
    headers = {
        "User-Agent": "kube-probe/pocket",
        "Accept": "*/*",
        "Connection": "close",
        # What the service asks others because of this is no traffic either.
        "X-Request-Id": f"{PROBE_ID}{uuid.uuid4()}",
    }
    headers.update({str(entry["name"]): str(entry.get("value") or "") for entry in get.get("httpHeaders") or ()})
    # The timeout is the caller's: aiohttp's own (30 s for a connection, by the clock) counts our delays as theirs.
    endless = aiohttp.ClientTimeout(total=None, sock_connect=None)
    async with (
        # Kubernetes does not verify certificates here.
        sockets.client(place, endless) as session,
        session.get(url, headers=headers, allow_redirects=False, ssl=False) as response,
    ):
        body = await response.content.read(_SHOWN)
        ok = 200 <= response.status < 400
        return Result(ok, "" if ok else f"HTTP probe failed with statuscode: {response.status} {body[:100]!r}")
