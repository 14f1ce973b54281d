"""The streams of `kubectl exec` and `kubectl attach` over SPDY/3.1, as kubectl before 1.31 opens them.

The client opens a stream for each channel, with the header `streamtype`: error, stdin, stdout, stderr, resize
(k8s.io/kubelet/pkg/cri/streaming/remotecommand). v4.channel.k8s.io: how it ended is a Status on the error stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from pocket.api import errors, spdy, upgrade

PROTOCOL = "v4.channel.k8s.io"

_OPEN_WITHIN = 30.0  # seconds that the client has for opening its streams, as with a kubelet
_LEAVE_WITHIN = 2.0  # seconds that it has for leaving when it has been told everything


class Connection:
    """One SPDY connection; `numbers`: the channels that the client will open, by their name."""

    def __init__(self, pipe: upgrade.Pipe, numbers: Mapping[str, int], close: int) -> None:
        self._pipe = pipe
        self._numbers = numbers
        self._close = close  # the channel that stands for "channel N is closed"
        self._encoder = spdy.Encoder()
        self._frames = _frames(pipe)
        self._streams: dict[int, int] = {}  # of a channel
        self._channels: dict[int, int] = {}  # of a stream

    async def open(self) -> bool:
        """Wait for the client's streams; False where it goes before all are there."""
        while len(self._streams) < len(self._numbers):
            frame = await anext(self._frames, None)
            if frame is None:
                return False
            await self._answer(frame)
        return True

    async def send(self, channel: int, data: bytes) -> None:
        if channel in self._streams:
            await self._send(spdy.Data(self._streams[channel], data))

    async def messages(self) -> AsyncIterator[tuple[int, bytes]]:
        async for frame in self._frames:
            if not isinstance(frame, spdy.Data):
                await self._answer(frame)
            elif (channel := self._channels.get(frame.stream)) is not None:
                if frame.data:
                    yield channel, frame.data
                if frame.fin:
                    yield self._close, bytes([channel])

    async def finish(self, status: bytes) -> None:
        """The Status stands in the stream called error; then the client leaves, or is left."""
        await self.send(self._numbers["error"], status)
        for stream in self._channels:
            await self._send(spdy.Data(stream, b"", fin=True))

    async def left(self) -> None:
        """Until the client has gone, or its time is over: what it has not read yet would be lost."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN):
                while await self._pipe.receive():
                    pass

    async def _answer(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream(stream, headers):
                channel = self._numbers.get(headers.get("streamtype", ""))
                if channel is None or channel in self._streams:
                    await self._send(spdy.Reset(stream, spdy.PROTOCOL_ERROR))
                    return
                self._streams[channel], self._channels[stream] = stream, channel
                await self._send(spdy.SynReply(stream))
            case spdy.Ping(number) if number % 2:  # the even ones would be ours
                await self._send(frame)

    async def _send(self, frame: spdy.Frame) -> None:
        # Encoding and the beginning of sending are one step: frames keep their order.
        await self._pipe.send(self._encoder.encode(frame))


async def _frames(pipe: upgrade.Pipe) -> AsyncIterator[spdy.Frame]:
    """Until the client has gone, or says what cannot be understood."""
    decoder = spdy.Decoder()
    with contextlib.suppress(ConnectionError, spdy.ProtocolError):
        while data := await pipe.receive():
            for frame in decoder.feed(data):
                yield frame


@contextlib.asynccontextmanager
async def opened(request: web.Request, numbers: Mapping[str, int], close: int) -> AsyncIterator[Connection | None]:
    """Shake hands, and wait for the streams; None where they do not come. Raises ApiError."""
    offered = [name for line in request.headers.getall("X-Stream-Protocol-Version", []) for name in line.split(",")]
    if PROTOCOL not in (name.strip() for name in offered):
        raise errors.ApiError(403, "Forbidden", f"unable to upgrade: only {PROTOCOL} is supported, not {offered}")
    async with upgrade.plain(request, "SPDY/3.1", {"X-Stream-Protocol-Version": PROTOCOL}) as pipe:
        connection = Connection(pipe, numbers, close)
        try:
            async with asyncio.timeout(_OPEN_WITHIN):
                complete = await connection.open()
        except (TimeoutError, ConnectionError):
            complete = False
        yield connection if complete else None
        await connection.left()
