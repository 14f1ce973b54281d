"""How `kubectl exec` and `kubectl attach` carry a command's streams: numbered channels of a WebSocket.

v5.channel.k8s.io and v4.channel.k8s.io: every message begins with the number of its channel
(https://kubernetes.io/docs/reference/using-api/websockets/). In v5 the message 255 N closes channel N, which is how
the end of the standard input arrives. kubectl before 1.31 opens a stream of SPDY for each channel: spdychannels.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import WSMsgType, web

from pocket.api import errors, spdychannels, upgrade
from pocket.api import web as w
from pocket.objects import Obj

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SUCCESS: Obj = {"metadata": {}, "status": "Success"}

_MAX_MESSAGE = 4 << 20  # bytes


class Connection(Protocol):
    """A client's channels."""

    async def send(self, channel: int, data: bytes) -> None:
        """Returns when there is room for more. Raises ConnectionError."""
        ...

    def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        """What the client sends, until it has gone: channel, data. (CLOSE, N) closes channel N."""
        ...

    async def finish(self, status: bytes) -> None:
        """Say how it ended, and that nothing more comes. Raises ConnectionError."""
        ...


class _WebSocket:
    """All channels in one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, channel: int, data: bytes) -> None:
        await self._socket.send_bytes(bytes([channel]) + data)

    async def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY and message.data:
                yield message.data[0], message.data[1:]

    async def finish(self, status: bytes) -> None:
        await self.send(ERROR, status)
        await self._socket.close()


@contextlib.asynccontextmanager
async def opened(request: web.Request) -> AsyncIterator[tuple[Connection | None, web.StreamResponse]]:
    """Shake hands; no connection for a client without a protocol of ours. Raises ApiError."""
    wanted = upgrade.wanted(request)
    if wanted == "spdy/3.1":
        names = ["stdin"] * w.flag(request, "stdin") + ["stdout"] * w.flag(request, "stdout")
        names += ["resize"] if w.flag(request, "tty") else ["stderr"] * w.flag(request, "stderr")
        numbers = {"error": ERROR, "stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "resize": RESIZE}
        async with spdychannels.opened(request, {name: numbers[name] for name in ("error", *names)}, CLOSE) as found:
            yield found, web.Response()  # nobody will read it: the connection is closed
        return
    if wanted != "websocket":
        raise errors.bad_request("Upgrade request required: commands are run over a WebSocket, or SPDY/3.1")
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=_MAX_MESSAGE, compress=False, timeout=2)
    if not socket.can_prepare(request).ok:
        raise errors.bad_request("this is no WebSocket handshake")
    await socket.prepare(request)
    if socket.ws_protocol is None:
        await socket.close(code=1002, message=b"speak v5.channel.k8s.io or v4.channel.k8s.io")
        yield None, socket
        return
    yield _WebSocket(socket), socket


async def finish(connection: Connection, status: Obj) -> None:
    """Send the final status and close."""
    with contextlib.suppress(ConnectionError):
        await connection.finish(w.encode(status))
