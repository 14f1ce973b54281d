"""Port-forward over plain WebSocket channels (v4.channel.k8s.io), as the Python client and kr8s speak it.

The ports stand in the query (`?ports=80`). The Nth of them has two channels: 2N for its data, 2N+1 for what went wrong;
the first message of each is the port, in two bytes, the lower one first. There is one connection a port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence

from aiohttp import WSMsgType, web

from pocket import sockets
from pocket.api import errors, podstreams
from pocket.api.contracts import PodRuntime
from pocket.objects import Obj

PROTOCOLS = ("v4.channel.k8s.io", "portforward.k8s.io")
_CHUNK = 32 * 1024  # bytes
_MAX_MESSAGE = 4 << 20


def is_wanted(request: web.Request) -> bool:
    """Does the client offer these channels?"""
    offered = [
        name.strip() for line in request.headers.getall("Sec-WebSocket-Protocol", []) for name in line.split(",")
    ]
    return PROTOCOLS[0] in offered


async def serve(
    request: web.Request, pod: Obj, runtime: PodRuntime, gone: Coroutine[object, object, None]
) -> web.StreamResponse:
    """Until the client or the pod has gone. Raises ApiError 400."""
    given = [port for line in request.query.getall("ports", []) for port in line.split(",")]
    if not given or not all(port.isdigit() and 0 < int(port) < 65536 for port in given):
        raise errors.bad_request(f"ports: Invalid value: {given}: must be numbers between 1 and 65535")
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=_MAX_MESSAGE, compress=False, timeout=2)
    if not socket.can_prepare(request).ok:
        raise errors.bad_request("this is no WebSocket handshake")
    await socket.prepare(request)
    ports = [int(port) for port in given]
    for index, port in enumerate(ports):
        for channel in (2 * index, 2 * index + 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
    writers: dict[int, asyncio.StreamWriter] = {}
    readers = []
    for index, port in enumerate(ports):
        try:
            reader, writers[2 * index] = await _connect(runtime, pod, port)
        except (LookupError, OSError) as error:
            why = f"error forwarding port {port} to pod: {error}"
            await socket.send_bytes(bytes([2 * index + 1]) + why.encode())
        else:
            readers.append(_copy(socket, 2 * index, reader))
    try:
        await podstreams.until_one_ends(_take(socket, writers), _all(readers), gone)
    finally:
        for writer in writers.values():
            writer.close()
        with contextlib.suppress(ConnectionError):
            await socket.close()
    return socket


async def _connect(runtime: PodRuntime, pod: Obj, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await sockets.dial(runtime.port_address(pod, port))


async def _all(readers: Sequence[Coroutine[object, object, None]]) -> None:
    """Until every process has ended its connection."""
    await asyncio.gather(*readers)


async def _copy(socket: web.WebSocketResponse, channel: int, reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            await socket.send_bytes(bytes([channel]) + data)


async def _take(socket: web.WebSocketResponse, writers: dict[int, asyncio.StreamWriter]) -> None:
    with contextlib.suppress(ConnectionError):
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data:
                writer = writers.get(message.data[0])
                if writer is not None:
                    writer.write(message.data[1:])
                    await writer.drain()
