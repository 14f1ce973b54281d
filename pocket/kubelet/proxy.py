"""The Envoy of a pod, run as its container `istio-proxy`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from pocket import processes
from pocket.kubelet import doors
from pocket.kubelet.container import Container, Host, Launch
from pocket.kubelet.inject import IMAGE, PROXY, SERVICES
from pocket.mesh import admin, deliver
from pocket.mesh.bootstrap import envoy_argv
from pocket.mesh.model import ADMIN_SOCKET, DRAIN_SECONDS, Proxy
from pocket.mesh.revision import revision
from pocket.objects import Obj, is_ready
from pocket.programs import ProgramMissing, envoy

_LOG = logging.getLogger(__name__)

_AGAIN = 0.5  # seconds until an Envoy without its configuration is asked again
_QUIET = 0.05  # seconds between two looks at the number of requests under way
_SETTLE = 2.0  # seconds that requests which were on their way may take to arrive and end
_RAN_WELL = 5.0
"""Seconds after which an Envoy that dies is started again at once: others depend on it, and it has nothing of its own
that could be wrong. One that cannot start ends sooner."""

_PILOT_AGENT = """\
#!/bin/sh
# What people know of Istio's pilot-agent: pilot-agent request GET config_dump
set -eu
usage() { echo "usage: pilot-agent request METHOD PATH" >&2; exit 1; }
[ $# -eq 3 ] && [ "$1" = request ] || usage
exec "$POCKET_PYTHON" -IS "$POCKET_PILOT_AGENT" "$POCKET_ADMIN_SOCKET" "$2" "$3"
"""


class MeshPort(Protocol):
    """What the kubelet asks the mesh."""

    def prepare(self, proxy: Proxy) -> None:
        """Have ready what an Envoy about to start in `proxy.directory` will ask for. Raises OSError."""

    async def sync(self) -> None:
        """Push the present state of cluster and pods; returns when every Envoy that runs has taken it."""


class ProxyContainer(Container):
    """Envoy in place of an image: no copy of files, ready when it has acknowledged its configuration."""

    reset_after = _RAN_WELL

    def __init__(self, host: Host, spec: Obj, mesh: MeshPort, proxy: Callable[[], Proxy], policy: str) -> None:
        self._mesh = mesh
        self._proxy = proxy
        self.serving = False  # the mesh counts it among the Envoys that run
        super().__init__(host, {**spec, "image": spec.get("image") or IMAGE}, policy)
        self.serving = self.alive()

    async def _prepare(self) -> Launch:
        proxy = self._proxy()
        try:
            program = envoy()
        except ProgramMissing as error:
            raise FileNotFoundError(str(error)) from error
        self._record.revision = revision(program)
        launch = _launch(proxy, program)
        self._mesh.prepare(proxy)
        return launch

    async def _watch(self) -> None:
        """Up when it has the configuration."""
        self.serving = True
        while not await self._has_configuration():
            await asyncio.sleep(_AGAIN)
        self._is_up()
        self._set_ready(True)

    async def _has_configuration(self) -> bool:
        """Asks again what the mesh has given up for now: on a very busy machine, or on a full disk, which it tells."""
        with contextlib.suppress(OSError):
            await self._mesh.sync()
            return await admin.is_live(self._proxy())
        return False

    async def _until_end(self) -> float:
        self.serving = self.alive()
        try:
            return await super()._until_end()
        finally:
            self.serving = self.alive()

    def _take_over_readiness(self) -> None:
        """Of one that no status speaks of: as the pod's."""
        super()._take_over_readiness()
        if self.name == SERVICES and is_ready(self._host.pod):
            self.status.ready = self.status.started = True
            self.running.set()

    def _event(self, kind: str, reason: str, message: str) -> None:
        """Of one that people have not asked for, only what goes wrong."""
        if self.name != SERVICES or kind == "Warning":
            super()._event(kind, reason, message)

    async def quiet(self, limit: float = _SETTLE) -> None:
        """Wait until no request from outside is under way in it, at most `limit` seconds."""
        end = time.monotonic() + limit
        still = 0
        with contextlib.suppress(admin.Gone):  # no Envoy, no requests
            while still < 2 and time.monotonic() < end:
                still = still + 1 if await admin.active_requests(self._proxy()) == 0 else 0
                await asyncio.sleep(_QUIET)

    async def drain(self, deadline: float) -> None:
        """A gateway: let nobody new in, tell clients to go elsewhere, and wait for what is under way."""
        await admin.drain(self._proxy(), min(DRAIN_SECONDS, max(deadline - time.monotonic(), 0)), self._shut_doors)

    async def _shut_doors(self) -> None:
        ports = {port.listen_port for port in self._proxy().gateway_ports}
        process = self._record.process
        if process is not None and not await doors.shut(process.pid, ports):
            _LOG.warning("%s: new connections cannot be kept away; one in its queue may be lost", self._proxy().id)

    async def stop(self, deadline: float) -> None:
        """Let answers that are under way get out; leave the mesh, so that nobody waits for its word; end."""
        self.stopping = True
        process = self._record.process
        if process is not None and processes.is_alive(process):
            await self.quiet(max(min(_SETTLE, deadline - time.monotonic()), 0))
            self.serving = False
            await self._mesh.sync()
            self._event("Normal", "Killing", f"Stopping container {self.name}")
            await processes.terminate(process, max(deadline - time.monotonic(), 0.5))


def _launch(proxy: Proxy, program: Path) -> Launch:
    """Everything in place to start an Envoy in its folder. Raises OSError."""
    folder = Path(proxy.directory)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    deliver.prepare(proxy)
    return Launch(envoy_argv(program), folder, _environment(folder))


def is_proxy(container: Obj) -> bool:
    return bool(container["name"] == PROXY)


def _environment(folder: Path) -> dict[str, str]:
    """With `pilot-agent` on the PATH, for `kubectl exec`."""
    tools = folder / "bin"
    tools.mkdir(exist_ok=True, mode=0o700)
    script = tools / "pilot-agent"
    script.write_text(_PILOT_AGENT)
    script.chmod(0o700)
    return {
        "PATH": os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)]),
        "HOME": str(folder),
        "POCKET_PYTHON": sys.executable,
        "POCKET_PILOT_AGENT": str(Path(__file__).resolve().with_name("pilot_agent.py")),
        "POCKET_ADMIN_SOCKET": str(folder / ADMIN_SOCKET),
    }
