"""A connection that stops speaking HTTP: bytes both ways, after a WebSocket handshake or a plain `Upgrade`.

`kubectl` tunnels through a WebSocket since 1.31; older ones, and other programs with an older client library
(istioctl, k9s), upgrade the connection itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from aiohttp import WSMsgType, web

from pocket.api import errors

_CHUNK = 64 * 1024  # bytes
_MAX_MESSAGE = 4 << 20  # bytes
_CLOSE_WITHIN = 2.0  # seconds for what is still to be sent


class Pipe(Protocol):
    """Bytes to and from a client."""

    async def receive(self) -> bytes:
        """The next piece; b"" when the client has gone."""
        ...

    async def send(self, data: bytes) -> None:
        """Returns when there is room for more. Raises ConnectionError."""
        ...


class WebSocketPipe:
    """Binary messages of a WebSocket; where one ends means nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and message.data:
                return bytes(message.data)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def send(self, data: bytes) -> None:
        await self._socket.send_bytes(data)


class StreamPipe:
    """The connection itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except ConnectionError:
            return b""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


def wanted(request: web.Request) -> str:
    """What the client wants to speak from here on, in lower case: `websocket`, `spdy/3.1`, or "" for HTTP."""
    connection = [part.strip().lower() for part in request.headers.get("Connection", "").split(",")]
    return request.headers.get("Upgrade", "").lower() if "upgrade" in connection else ""


@contextlib.asynccontextmanager
async def websocket(request: web.Request, protocol: str) -> AsyncIterator[tuple[Pipe | None, web.StreamResponse]]:
    """Shake hands; no pipe where the client does not offer `protocol`. Closes the socket. Raises ApiError."""
    socket = web.WebSocketResponse(protocols=(protocol,), max_msg_size=_MAX_MESSAGE, compress=False, timeout=2)
    if not socket.can_prepare(request).ok:
        raise errors.bad_request("this is no WebSocket handshake")
    await socket.prepare(request)
    if socket.ws_protocol is None:
        await socket.close(code=1002, message=f"speak {protocol}".encode())
        yield None, socket
        return
    try:
        yield WebSocketPipe(socket), socket
    finally:
        await socket.close()


@contextlib.asynccontextmanager
async def plain(request: web.Request, protocol: str, headers: Mapping[str, str]) -> AsyncIterator[Pipe]:
    """Answer 101 and take the connection away from the HTTP server; give it back, closed, in the end.

    aiohttp itself upgrades to WebSockets only. Raises ApiError where the connection is gone already.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise errors.bad_request("the connection is closed")
    before = transport.get_protocol()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    after = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(after)
    after.connection_made(transport)
    writer = asyncio.StreamWriter(transport, after, reader, loop)
    lines = [f"{name}: {value}" for name, value in {"Connection": "Upgrade", "Upgrade": protocol, **headers}.items()]
    writer.write("\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode())
    try:
        yield StreamPipe(reader, writer)
    finally:
        writer.close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await writer.wait_closed()
        except TimeoutError:
            transport.abort()
        except OSError:
            pass  # it was lost, not closed
        before.connection_lost(None)  # so the HTTP server forgets the connection
