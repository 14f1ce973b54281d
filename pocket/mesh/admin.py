"""Asks running Envoys on their admin interface, and the program about a configuration."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import aiohttp

from pocket import programs, sockets
from pocket.mesh.bootstrap import READY_PATH, complete
from pocket.mesh.model import ADMIN_SOCKET, STATS_SOCKET, EnvoyConfig, Proxy

_POLL = 0.1  # seconds between two looks at an Envoy that drains
_LIVE, _DRAINING = 0, 1  # server.state, https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/server_info.proto


class Gone(Exception):
    """No Envoy answers there."""


class Dead(Gone):
    """The socket is there, but nobody listens: that Envoy has ended."""


async def drain(proxy: Proxy, within: float, shut: Callable[[], Awaitable[None]] | None = None) -> bool:
    """Let an Envoy finish: it says `connection: close` in every answer, closes its listeners, and waits for clients.

    `shut` is awaited just before it closes its listeners, to see to it that nobody waits at them.
    Returns whether it had nothing left to do within `within` seconds; the caller then stops it in either case.
    An Envoy that is gone has nothing left to do.
    """
    deadline = time.monotonic() + within
    try:
        await admin(proxy, "POST", "/healthcheck/fail")
        if shut is not None:
            await shut()
        await admin(proxy, "POST", "/drain_listeners?skip_exit")
        while await active(proxy, "cx") > 0:
            if time.monotonic() > deadline:
                return await active_requests(proxy) == 0
            await asyncio.sleep(_POLL)
    except Gone:
        return True
    return True


async def active_requests(proxy: Proxy) -> int:
    """Requests under way through an Envoy, in both directions (not those for statistics)."""
    return await active(proxy, "rq")


async def active(proxy: Proxy, what: Literal["rq", "cx"]) -> int:
    """Requests, or connections of clients, that an Envoy has now. Raises Gone."""
    stats = await _stats(proxy, f"downstream_{what}_active")
    return sum(int(value) for value in stats.values())


async def is_live(proxy: Proxy) -> bool:
    """Does its Envoy run, with all that it was started with in force?"""
    try:
        return (await admin(proxy, "GET", "/ready")).startswith("LIVE")
    except Gone:
        return False


async def admin(proxy: Proxy, method: str, path: str) -> str:
    """Ask the admin interface of a running Envoy. Raises Gone."""
    async with session(proxy, ADMIN_SOCKET) as client:
        return await _ask(client, proxy, method, path)


async def works(proxy: Proxy) -> bool:
    """Does it work with all that it has taken, so that nothing is warming, and its worker has it? Raises Gone."""
    stats = await _stats(proxy, "(warming|^server.state)")
    state = stats.pop("server.state", None)
    if state not in (_LIVE, _DRAINING) or any(stats.values()):
        return False
    if state == _LIVE:  # else it takes no new connections, and only finishes what it has
        await worker_has_it(proxy)
    return True


async def worker_has_it(proxy: Proxy) -> None:
    """Wait until the one worker thread has what the main thread has accepted and handed to it.

    It takes what it was handed in the round in which it answers this request, if not before; whoever asks it something
    after that meets the new configuration. Raises Gone.
    """
    if _is_old(proxy):
        return
    async with session(proxy, STATS_SOCKET) as client:
        await _ask(client, proxy, "GET", READY_PATH)


async def validate(proxy: Proxy, config: EnvoyConfig) -> str | None:
    """Envoy's own objection to a configuration, or None where it has none. Takes about half a second."""
    # In the pod's folder: should we be killed, what is left goes with the pod.
    with tempfile.TemporaryDirectory(prefix="validate-", dir=proxy.directory) as directory:
        path = Path(directory) / "envoy.json"
        path.write_text(json.dumps(complete(proxy, config)))
        process = await asyncio.create_subprocess_exec(
            str(programs.envoy()), "--mode", "validate", "-c", str(path), "--log-level", "error",
            cwd=directory, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
    return None if process.returncode == 0 else objection(output.decode(errors="replace"))


def objection(output: str) -> str:
    """The line of Envoy's output that says what is wrong: the last one, without the configuration it repeats."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    prefix = r"^(\[[^]]*\]\s*)*(error initializing configuration '[^']*': )?"
    return re.sub(prefix, "", lines[-1]) if lines else "no word"


# -- inside -----------------------------------------------------------------------------------------------------------


def _is_old(proxy: Proxy) -> bool:
    """Was it started by an earlier pocket, without this socket? Then it will soon be renewed."""
    return not Path(proxy.directory, STATS_SOCKET).exists()


async def _stats(proxy: Proxy, pattern: str) -> dict[str, Any]:
    body = await admin(proxy, "GET", f"/stats?format=json&filter={pattern}")
    return {stat["name"]: stat["value"] for stat in json.loads(body)["stats"] if "name" in stat}


@contextlib.asynccontextmanager
async def session(proxy: Proxy, socket: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of one of an Envoy's sockets, whatever the host in its URLs. Raises Gone."""
    async with contextlib.AsyncExitStack() as stack:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            client = await stack.enter_async_context(sockets.client(Path(proxy.directory, socket), timeout))
        except OSError as error:
            raise Gone(f"Envoy of {proxy.id} has no directory {proxy.directory}: {error.strerror}") from error
        yield client


async def _ask(client: aiohttp.ClientSession, proxy: Proxy, method: str, path: str) -> str:
    try:
        async with client.request(method, f"http://envoy{path}") as response:
            return await response.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        refused = getattr(error, "errno", None) == errno.ECONNREFUSED
        kind = Dead if refused else Gone
        raise kind(f"Envoy of {proxy.id} does not answer on its socket ({reason})") from error
