"""Brings configuration to running Envoys, and waits until they have it: files in, admin interface out.

A proxy's directory holds `cds.json`, `lds.json` and one `rds-NAME.json` for each route configuration. Each carries a
version that is the hash of its content, so that a new control process finds out by itself what is in force.

Make before break: new clusters and endpoints first; then, once Envoy has them, routes and listeners; at the end the
clusters that nothing uses any more, and the last endpoints of others, go away.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from pocket import programs
from pocket.files import write_private
from pocket.mesh.bootstrap import CLUSTERS_FILE, LISTENERS_FILE, READY_PATH, bootstrap, complete
from pocket.mesh.listeners import route_file
from pocket.mesh.model import ADMIN_SOCKET, BOOTSTRAP_FILE, LOCALHOST, EnvoyConfig, Proxy, Resource
from pocket.mesh.names import typed

TIMEOUT = 10.0  # seconds; Envoy takes a change in some milliseconds, and a start in about one second
PATIENCE = 0.5  # seconds until we ask why it has not taken it
STARTING = 3.0  # seconds in which an Envoy that nobody hears may be about to listen, on a machine that is very busy
POLL = (0.005, 0.1)  # seconds between two looks: at first, at most

_LIVE, _DRAINING = 0, 1  # server.state, https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/server_info.proto

_KINDS = {
    CLUSTERS_FILE: "envoy.config.cluster.v3.Cluster",
    LISTENERS_FILE: "envoy.config.listener.v3.Listener",
}
_ROUTE = "envoy.config.route.v3.RouteConfiguration"


class NotAcknowledged(Exception):
    """An Envoy did not take its configuration: it is gone, or it refused. Says which one and why."""


class Gone(NotAcknowledged):
    """No Envoy answers there."""


class Dead(Gone):
    """The socket is there, but nobody listens: that Envoy has ended."""


@dataclass
class _State:
    config: EnvoyConfig  # what shall be in force in the end
    cleanup: bool = False  # clusters that routes may still use are held as they were
    rest: bool = False  # routes and listeners wait for the clusters


def document(name: str, resources: Mapping[str, Resource]) -> tuple[str, str]:
    """The content of a configuration file and its version."""
    kind = _KINDS.get(name, _ROUTE)
    listed = [typed(kind, **resources[key]) for key in sorted(resources)]
    body = json.dumps(listed, sort_keys=True, separators=(",", ":"))
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f'{{"version_info":"{version}","resources":{body}}}', version


def prepare(proxy: Proxy) -> None:
    """Write the bootstrap file of a proxy that is about to start, and remove the socket of an earlier one."""
    directory = Path(proxy.directory)
    with contextlib.suppress(FileNotFoundError):
        (directory / ADMIN_SOCKET).unlink()
    write_private(directory / BOOTSTRAP_FILE, json.dumps(bootstrap(proxy), indent=1, sort_keys=True).encode())


class Delivery:
    """Writes configurations and knows what each proxy shall have. One per control process."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def write(self, proxy: Proxy, config: EnvoyConfig) -> None:
        """Write what changed. A proxy without files gets all at once; otherwise, where clusters change, routes and
        listeners follow in `acknowledged`, when Envoy has the clusters."""
        state = _State(config)
        self._states[proxy.id] = state
        present = _read(Path(proxy.directory) / CLUSTERS_FILE)
        if present is None:
            _put(proxy, CLUSTERS_FILE, config.clusters)
            _put_rest(proxy, config)
            return
        held = _held(present, config.clusters)
        changed = _put(proxy, CLUSTERS_FILE, {**config.clusters, **held})
        state.cleanup = bool(held)
        if changed:
            state.rest = True
        else:
            _put_rest(proxy, config)

    async def acknowledged(self, proxy: Proxy, within: float = TIMEOUT) -> None:
        """Wait until the Envoy of `proxy` runs with exactly what was last written for it.

        Raises NotAcknowledged with Envoy's own words when it refuses or does not answer within `within` seconds.
        """
        async with self._locks.setdefault(proxy.id, asyncio.Lock()):
            deadline = time.monotonic() + within
            while True:
                state = self._states[proxy.id]
                if state.rest:
                    await _in_force(proxy, state.config, [CLUSTERS_FILE], deadline)
                    if self._states[proxy.id] is not state:
                        continue  # something newer came in meanwhile
                    _put_rest(proxy, state.config)
                    state.rest = False
                await _in_force(proxy, state.config, _files(state.config), deadline)
                if self._states[proxy.id] is not state:
                    continue
                _remove_stale(proxy, state.config)
                if not state.cleanup:
                    return
                _put(proxy, CLUSTERS_FILE, state.config.clusters)
                state.cleanup = False

    def forget(self, proxy: Proxy) -> None:
        """The proxy is no more."""
        self._states.pop(proxy.id, None)
        self._locks.pop(proxy.id, None)


async def drain(proxy: Proxy, within: float) -> bool:
    """Let an Envoy finish: take no new connections, close idle ones, wait for requests under way.

    Returns whether it had nothing left to do within `within` seconds; the caller then stops it in either case.
    An Envoy that is gone has nothing left to do.
    """
    deadline = time.monotonic() + within
    try:
        await admin(proxy, "POST", "/healthcheck/fail")
        await admin(proxy, "POST", "/drain_listeners?graceful&skip_exit")
        while await active_requests(proxy) > 0:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL[1])
    except Gone:
        return True
    return True


async def active_requests(proxy: Proxy) -> int:
    """Requests under way through an Envoy, in both directions (not those for statistics)."""
    stats = await _stats(proxy, "downstream_rq_active")
    return sum(int(value) for value in stats.values())


async def is_live(proxy: Proxy) -> bool:
    """Does its Envoy run, with all that it was started with in force?"""
    try:
        return (await admin(proxy, "GET", "/ready")).startswith("LIVE")
    except Gone:
        return False


async def admin(proxy: Proxy, method: str, path: str) -> str:
    """Ask the admin interface of a running Envoy. Raises Gone."""
    async with _session(proxy) as session:
        return await _ask(session, proxy, method, path)


# -- inside -----------------------------------------------------------------------------------------------------------


def _files(config: EnvoyConfig) -> list[str]:
    return [CLUSTERS_FILE, LISTENERS_FILE, *(route_file(name) for name in config.routes)]


def _put_rest(proxy: Proxy, config: EnvoyConfig) -> None:
    for name, resource in config.routes.items():
        _put(proxy, route_file(name), {name: resource})
    _put(proxy, LISTENERS_FILE, config.listeners)


def _put(proxy: Proxy, name: str, resources: Mapping[str, Resource]) -> bool:
    """Write a file unless it says the same already; was there something to write?"""
    path = Path(proxy.directory) / name
    text, version = document(name, resources)
    present = _read(path)
    if present is not None and present["version_info"] == version:
        return False
    write_private(path, text.encode())  # in one step, which is what Envoy watches for
    return True


def _remove_stale(proxy: Proxy, config: EnvoyConfig) -> None:
    wanted = set(_files(config))
    for path in Path(proxy.directory).glob("rds-*.json"):
        if path.name not in wanted:
            path.unlink()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def _held(present: Mapping[str, Any], clusters: Mapping[str, Resource]) -> dict[str, Resource]:
    """The present clusters that are about to vanish or to lose their last endpoint: routes may still lead there."""
    before = {resource["name"]: _untyped(resource) for resource in present["resources"]}
    return {
        name: cluster
        for name, cluster in before.items()
        if name not in clusters or (_has_endpoints(cluster) and not _has_endpoints(clusters[name]))
    }


def _has_endpoints(cluster: Resource) -> bool:
    return bool((cluster.get("load_assignment") or {}).get("endpoints"))


def _untyped(resource: Resource) -> Resource:
    return {key: value for key, value in resource.items() if key != "@type"}


def _wanted_version(proxy: Proxy, name: str) -> str:
    present = _read(Path(proxy.directory) / name)
    return str(present["version_info"]) if present else ""


async def _in_force(proxy: Proxy, config: EnvoyConfig, files: list[str], deadline: float) -> None:
    """Wait until Envoy runs the version that each of the files has now."""
    wanted = {name: _wanted_version(proxy, name) for name in files}
    pause, last, asked = POLL[0], "", False
    began = time.monotonic()
    async with _session(proxy) as session:
        while True:
            try:
                stats = await _text_stats(session, proxy)
                missing = [name for name in files if stats.get(name) != wanted[name]]
                if not missing and stats.get("ready"):
                    if not stats["draining"]:  # else it takes no new connections, and only finishes what it has
                        await _worker_has_it(proxy)
                    return
                last = f"it still runs other versions of {', '.join(missing)}" if missing else "it is not ready yet"
                if missing and not asked and time.monotonic() > began + PATIENCE:
                    asked = True
                    if refusal := await _refusal(session, proxy, config):
                        raise NotAcknowledged(f"Envoy of {proxy.id} refused its configuration: {refusal}")
            except Dead as error:
                if time.monotonic() > began + STARTING:
                    raise
                last = str(error)
            except Gone as error:
                last = str(error)
            if time.monotonic() > deadline:
                raise NotAcknowledged(f"Envoy of {proxy.id} did not take its configuration in time: {last}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, POLL[1])


async def _text_stats(session: aiohttp.ClientSession, proxy: Proxy) -> dict[str, Any]:
    """The version of each file that Envoy runs, and whether nothing is warming."""
    body = await _ask(session, proxy, "GET", "/stats?format=json&filter=(version_text|warming|^server.state)")
    out: dict[str, Any] = {}
    state, warming = None, 0
    for stat in json.loads(body)["stats"]:
        name, value = stat.get("name"), stat.get("value")
        if name == "cluster_manager.cds.version_text":
            out[CLUSTERS_FILE] = value
        elif name == "listener_manager.lds.version_text":
            out[LISTENERS_FILE] = value
        elif name and ".rds." in name:
            out[route_file(name.split(".rds.", 1)[1].removesuffix(".version_text"))] = value
        elif name in ("cluster_manager.warming_clusters", "listener_manager.total_listeners_warming"):
            warming += int(value)
        elif name == "server.state":
            state = value
    out["draining"] = state == _DRAINING
    out["ready"] = state in (_LIVE, _DRAINING) and warming == 0
    return out


async def _worker_has_it(proxy: Proxy) -> None:
    """Wait until the one worker thread has what the main thread has accepted and handed to it.

    It takes what it was handed in the round in which it answers this request, if not before; whoever asks it something
    after that meets the new configuration. Raises Gone.
    """
    url = f"http://{LOCALHOST}:{proxy.stats_port}{READY_PATH}"
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Gone(f"Envoy of {proxy.id} does not answer on its port {proxy.stats_port} ({error})") from error


async def _refusal(session: aiohttp.ClientSession, proxy: Proxy, config: EnvoyConfig) -> str | None:
    """What Envoy has against a configuration that it does not take, if it has something.

    Listeners that it cannot open stand in its configuration dump. About anything else it only writes to its log, so a
    second Envoy is asked in validation mode.
    """
    dump = json.loads(await _ask(session, proxy, "GET", "/config_dump"))
    for errors in _error_states(dump):
        return str(errors.get("details"))
    return await validate(proxy, config)


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


def _error_states(node: Any) -> list[dict[str, Any]]:
    found = []
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "error_state" and isinstance(value, dict):
                found.append(value)
            else:
                found += _error_states(value)
    elif isinstance(node, list):
        for value in node:
            found += _error_states(value)
    return found


async def _stats(proxy: Proxy, pattern: str) -> dict[str, Any]:
    body = await admin(proxy, "GET", f"/stats?format=json&filter={pattern}")
    return {stat["name"]: stat["value"] for stat in json.loads(body)["stats"] if "name" in stat}


@contextlib.asynccontextmanager
async def _session(proxy: Proxy) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the admin socket. The kernel allows a socket's path 107 bytes: the directory goes by descriptor."""
    try:
        descriptor = os.open(proxy.directory, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise Gone(f"Envoy of {proxy.id} has no directory {proxy.directory}: {error.strerror}") from error
    try:
        connector = aiohttp.UnixConnector(path=f"/proc/self/fd/{descriptor}/{ADMIN_SOCKET}")
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield session
    finally:
        os.close(descriptor)


async def _ask(session: aiohttp.ClientSession, proxy: Proxy, method: str, path: str) -> str:
    try:
        async with session.request(method, f"http://envoy{path}") as response:
            return await response.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        refused = getattr(error, "errno", None) == errno.ECONNREFUSED
        kind = Dead if refused else Gone
        raise kind(f"Envoy of {proxy.id} does not answer on its admin socket ({reason})") from error
