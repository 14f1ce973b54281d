"""Brings configuration to running Envoys, and waits until they work with it: `pocket.xds` for the mesh's nouns."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

from pocket.files import write_private
from pocket.mesh.admin import Dead, Gone, worker_has_it, works
from pocket.mesh.bootstrap import XDS_SOCKET, bootstrap
from pocket.mesh.identities import Identities
from pocket.mesh.model import ADMIN_SOCKET, BOOTSTRAP_FILE, STATS_SOCKET, EnvoyConfig, Proxy
from pocket.xds.messages import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Encoder
from pocket.xds.server import Connection, Server, Unseen
from pocket.xds.stream import Configuration

TIMEOUT = 10.0  # seconds; Envoy takes a change in some milliseconds, and a start in about one second
STARTING = 3.0  # seconds in which an Envoy that nobody hears may be about to listen, on a machine that is very busy
POLL = (0.005, 0.1)  # seconds between two looks: at first, at most


class NotAcknowledged(Exception):
    """An Envoy did not take its configuration in time. Says which one and why."""


class Refused(NotAcknowledged):
    """An Envoy has refused a part of its configuration (NACK), and goes on with what it had of that part."""

    def __init__(self, proxy: Proxy, words: str) -> None:
        super().__init__(f"Envoy of {proxy.id} refused its configuration: {words}")
        self.proxy = proxy
        self.words = words


def prepare(proxy: Proxy) -> None:
    """Write the bootstrap file of a proxy that is about to start, and remove the sockets of an earlier one."""
    directory = Path(proxy.directory)
    for socket in (ADMIN_SOCKET, STATS_SOCKET):
        (directory / socket).unlink(missing_ok=True)
    write_private(directory / BOOTSTRAP_FILE, json.dumps(bootstrap(proxy), indent=1, sort_keys=True).encode())


def configuration(config: EnvoyConfig, encoder: Encoder) -> Configuration:
    """What the mesh wants of an Envoy, as it travels."""
    kinds = {
        SECRET: config.secrets,
        CLUSTER: config.clusters,
        ENDPOINT: config.endpoints,
        LISTENER: config.listeners,
        ROUTE: config.routes,
    }
    return Configuration({kind: encoder.wires(kind, resources) for kind, resources in kinds.items()})


class Delivery:
    """The control channels of all Envoys. One per control process."""

    def __init__(self, socket: Path, identities: Identities | None = None) -> None:
        """`identities`: who issues certificates; by default the authority in the folder `tls` beside the socket."""
        self._socket = socket
        self.identities = identities or Identities(socket.parent / "tls")
        self._server = Server(socket)
        self._encoder = Encoder()

    @property
    def connections(self) -> dict[str, Connection]:
        """The Envoys that are connected, by their proxies' ids."""
        return self._server.connections

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Let Envoys connect. Without it, and when it ends, they go on with what they have."""
        async with self._server.listening():
            yield

    def prepare(self, proxy: Proxy, config: EnvoyConfig) -> None:
        """Have ready what an Envoy that is about to start will ask for, and show it where. Raises OSError."""
        link = Path(proxy.directory) / XDS_SOCKET
        link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        link.unlink(missing_ok=True)
        link.symlink_to(self._socket.absolute())
        self.write(proxy, config)

    def write(self, proxy: Proxy, config: EnvoyConfig) -> bool:
        """What the Envoy of `proxy` shall run with from now on; it is sent at once, in the order that loses nothing.

        Says whether that is anything new.
        """
        config = replace(config, secrets=self.identities.secrets(proxy))
        return self._server.put(proxy.id, configuration(config, self._encoder))

    def write_all(self, configs: Iterable[tuple[Proxy, EnvoyConfig]]) -> int:
        """The same for all Envoys in a new state of the cluster; what they have in common costs once.

        Returns for how many there is something new.
        """
        self._encoder.begin()
        return sum(self.write(proxy, config) for proxy, config in configs)

    async def acknowledged(self, proxy: Proxy, within: float = TIMEOUT) -> None:
        """Wait until the Envoy of `proxy` runs with exactly what was last written for it.

        Raises Refused with Envoy's own words when it does not want it, Dead where it has ended, and NotAcknowledged
        when it does not answer within `within` seconds.
        """
        began = time.monotonic()
        pause = POLL[0]
        last = "it has not answered"
        while True:
            connection = self._server.connections.get(proxy.id)
            try:
                if connection is None:
                    last = "it has not come for it"
                    await works(proxy)  # who does not come may have ended
                elif not connection.stream.settled:
                    last = "it has not answered"
                elif words := set(connection.stream.refusals.values()):
                    raise Refused(proxy, "; ".join(sorted(words)))
                elif await _seen(proxy, connection):
                    return
                else:
                    last = "it is not ready yet"
            except Dead as error:
                if time.monotonic() > began + STARTING:
                    raise
                last = str(error)
            except Gone as error:
                last = str(error)
            if time.monotonic() > began + within:
                raise NotAcknowledged(f"Envoy of {proxy.id} did not take its configuration in time: {last}")
            await self._server.changed(proxy.id, pause)
            pause = min(pause * 2, POLL[1])

    def forget(self, proxy: Proxy) -> None:
        """The proxy is no more."""
        self._server.forget(proxy.id)


async def _seen(proxy: Proxy, connection: Connection) -> bool:
    """Does it work with what it has acknowledged? Raises Gone."""
    looked, connection.unseen = connection.unseen, Unseen.NOTHING
    seen = looked == Unseen.NOTHING
    try:
        if looked == Unseen.WORKER:
            with contextlib.suppress(Gone):  # or it drains
                await worker_has_it(proxy)
                seen = True
        seen = seen or await works(proxy)
    finally:
        if not seen:
            connection.unseen = max(connection.unseen, looked)
    return seen and connection.stream.settled
