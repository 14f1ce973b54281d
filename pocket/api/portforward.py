"""`kubectl port-forward`: connections to the ports of a pod, many of them in one SPDY connection.

For each connection the client opens two streams with the same `requestid`: `streamtype: error`, on which it hears why
something went wrong, and `streamtype: data`. Both carry the header `port`, the containerPort
(https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets).
As with a kubelet, connections go to the process itself and not through the sidecar.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping

from aiohttp import web

from pocket import sockets
from pocket.api import containers, errors, forwardchannels, podstreams, spdy, upgrade
from pocket.api.contracts import PodRuntime
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.objects import Obj, name_of, uid_of
from pocket.sockets import Address

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"

_CHUNK = 32 * 1024  # bytes
_PROBE = 30.0  # seconds between two pings
_QUEUED = 16  # pieces of one connection that may wait for its process, before all connections have to


class PortForward:
    """The subresource `portforward` of pods."""

    def __init__(self, registry: Registry, runtime: PodRuntime, streams: set[asyncio.Task[object]]) -> None:
        self._registry = registry
        self._runtime = runtime
        self._streams = streams

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        pod, version = self._registry.get(target), self._registry.store.version
        containers.refuse_forward(pod)
        wanted = upgrade.wanted(request)
        if wanted == "websocket" and forwardchannels.is_wanted(request):
            with podstreams.registered(self._streams):
                gone = podstreams.removed(self._registry.store, pod, version)
                return await forwardchannels.serve(request, pod, self._runtime, gone)
        if wanted == "websocket":
            async with upgrade.websocket(request, TUNNEL) as (pipe, response):
                if pipe is not None:
                    await self._serve(pipe, pod, version)
            return response
        offered = [name for line in request.headers.getall("X-Stream-Protocol-Version", []) for name in line.split(",")]
        if wanted != "spdy/3.1":
            raise errors.bad_request("Upgrade request required: port-forward speaks SPDY/3.1, best through a WebSocket")
        if PROTOCOL not in (name.strip() for name in offered):
            raise errors.ApiError(403, "Forbidden", f"unable to upgrade: only {PROTOCOL} is supported, not {offered}")
        async with upgrade.plain(request, "SPDY/3.1", {"X-Stream-Protocol-Version": PROTOCOL}) as pipe:
            await self._serve(pipe, pod, version)
        return web.Response()  # nobody will read it: the connection is closed

    async def _serve(self, pipe: upgrade.Pipe, pod: Obj, version: int) -> None:
        """Until the client or the pod has gone."""
        with podstreams.registered(self._streams):
            session = _Session(pipe, pod, self._runtime)
            gone = podstreams.removed(self._registry.store, pod, version)
            try:
                await podstreams.until_one_ends(session.run(), session.probe(), gone)
            finally:
                await session.close()


class _Session:
    """One SPDY connection."""

    def __init__(self, pipe: upgrade.Pipe, pod: Obj, runtime: PodRuntime) -> None:
        self._pipe = pipe
        self._pod = pod
        self._runtime = runtime
        self._encoder = spdy.Encoder()
        self._halves: dict[str, tuple[int, int]] = {}  # request -> its error stream and port, while it waits for data
        self._connections: dict[int, _Connection] = {}  # by data stream
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the client has gone, or says what cannot be understood."""
        decoder = spdy.Decoder()
        with contextlib.suppress(ConnectionError, spdy.ProtocolError):
            while data := await self._pipe.receive():
                for frame in decoder.feed(data):
                    await self._take(frame)

    async def probe(self) -> None:
        """Until the client has gone: while all wait for a process that does not read, nobody would notice it."""
        with contextlib.suppress(ConnectionError):
            for number in itertools.count(2, 2):  # the even numbers are the server's
                await asyncio.sleep(_PROBE)
                await self.send(spdy.Ping(number % (1 << 32)))

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, frame: spdy.Frame) -> None:
        """Raises ConnectionError."""
        # Encoding and the beginning of sending are one step: frames keep their order.
        await self._pipe.send(self._encoder.encode(frame))

    async def _take(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream():
                await self._open(frame)
            case spdy.Data(stream, data, fin):
                if connection := self._connections.get(stream):
                    await connection.feed(data, fin)
            case spdy.Reset(stream):
                if connection := self._connections.pop(stream, None):
                    connection.cancel()
                    await self._close_error(connection)  # the client waits for it
            case spdy.Ping(number) if number % 2:  # the even ones would be ours
                await self.send(frame)

    async def _open(self, frame: spdy.SynStream) -> None:
        headers = frame.headers
        port, request = _port(headers), headers.get("requestid", headers.get("port", ""))
        kind = headers.get("streamtype")
        if port is None or kind not in ("error", "data") or (kind == "error") == (request in self._halves):
            await self.send(spdy.Reset(frame.stream, spdy.PROTOCOL_ERROR))
            return
        await self.send(spdy.SynReply(frame.stream))
        if kind == "error":
            self._halves[request] = frame.stream, port
            return
        error_stream, port = self._halves.pop(request)
        connection = _Connection(self, frame.stream, error_stream)
        self._connections[frame.stream] = connection
        task = asyncio.create_task(self._forward(connection, port))
        self._tasks.add(task)
        connection.cancel = task.cancel
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, connection: _Connection, port: int) -> None:
        """One connection, from its beginning to its end."""
        try:
            problem = await connection.run(self._address(port), port)
            if problem:
                pod = self._pod
                message = f"error forwarding port {port} to pod {name_of(pod)}, uid {uid_of(pod)}: {problem}"
                await self.send(spdy.Data(connection.error_stream, message.encode()))
            await self.send(spdy.Data(connection.stream, b"", fin=True))
            await self._close_error(connection)
            await connection.rest()
        except ConnectionError:
            pass  # the client has gone, `run` sees it too
        finally:
            connection.close()
            self._connections.pop(connection.stream, None)

    async def _close_error(self, connection: _Connection) -> None:
        """Say, once, that no more is to be heard about the connection."""
        if not connection.told:
            connection.told = True
            await self.send(spdy.Data(connection.error_stream, b"", fin=True))

    def _address(self, port: int) -> Address | None:
        try:
            return self._runtime.port_address(self._pod, port)
        except LookupError:
            return None


class _Connection:
    """A data stream with its error stream, and the process at its other end."""

    def __init__(self, session: _Session, stream: int, error_stream: int) -> None:
        self._session = session
        self.stream = stream
        self.error_stream = error_stream
        self.told = False  # the error stream is closed
        self.cancel: Callable[[], object] = lambda: None  # set by who runs it
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        self._writer: asyncio.StreamWriter | None = None
        self._carrying: asyncio.Task[None] | None = None

    async def feed(self, data: bytes, fin: bool) -> None:
        """What the client sent. Waits while too much lies here."""
        if data:
            await self._input.put(data)
        if fin:
            await self._input.put(None)

    async def run(self, address: Address | None, port: int) -> str:
        """Carry both directions until the process has said everything; what went wrong, or ""."""
        if address is None:
            self._carrying = asyncio.create_task(self._carry(None))
            return f"{_refused(port)}: it is no containerPort of this pod, and pocket knows only those"
        try:
            reader, self._writer = await sockets.dial(address, _CHUNK)
        except OSError as error:
            self._carrying = asyncio.create_task(self._carry(None))
            refused = isinstance(error, ConnectionRefusedError | FileNotFoundError)
            return _refused(port) if refused else f"failed to connect to localhost:{port}: {error}"
        self._carrying = asyncio.create_task(self._carry(self._writer))
        while chunk := await _read(reader):
            await self._session.send(spdy.Data(self.stream, chunk))
        return ""

    async def _carry(self, writer: asyncio.StreamWriter | None) -> None:
        """From the client to the process; what it no longer wants is thrown away, so that others do not wait for it."""
        while (data := await self._input.get()) is not None:
            if writer is None:
                continue
            try:
                writer.write(data)
                await writer.drain()
            except OSError:
                writer = None
        if writer is not None and writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def rest(self) -> None:
        """Wait until the client sends no more (it says so soon: it closes its side now)."""
        if self._carrying is not None:
            await self._carrying

    def close(self) -> None:
        """Give the process what it is still to have; at once where the client has broken off."""
        cut = self._carrying is not None and self._carrying.cancel()
        if self._writer is not None and cut:
            self._writer.transport.abort()
        elif self._writer is not None:
            self._writer.close()


def _port(headers: Mapping[str, str]) -> int | None:
    text = headers.get("port", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65536 else None


def _refused(port: int) -> str:
    # The words of containerd (pkg/cri/server, portForward).
    return f"failed to connect to localhost:{port}: dial tcp4 127.0.0.1:{port}: connect: connection refused"


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return b""  # broken off: as with a kubelet, the end of this connection, and of no other
