"""`kubectl attach`: what a container writes from now on.

A container's input is empty on pocket, so nothing goes the other way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from pocket.api import channels, containers, errors, podstreams
from pocket.api import web as w
from pocket.api.contracts import PodRuntime
from pocket.api.logs import Logs
from pocket.api.registry import Registry
from pocket.api.target import Target


class Attach:
    """The subresource `attach` of pods."""

    def __init__(self, registry: Registry, runtime: PodRuntime, logs: Logs, streams: set[asyncio.Task[object]]) -> None:
        self._registry = registry
        self._runtime = runtime
        self._logs = logs
        self._streams = streams

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        pod = self._registry.get(target)
        container = containers.choose(pod, request.query.get("container", ""))
        containers.refuse_exec(pod, container)
        if w.flag(request, "stdin"):
            raise errors.bad_request(
                "a container's input is empty on pocket: attach without -i shows what it writes, "
                "and `kubectl exec -it` starts a shell in it"
            )
        path = self._runtime.log_file(pod, container, previous=False)
        output = self._logs.from_now_on(path, pod, container, target)
        async with channels.opened(request) as (connection, response):
            if connection is not None:
                with podstreams.registered(self._streams):
                    await podstreams.until_one_ends(_carry(connection, output), _listen(connection))
        return response


async def _carry(connection: channels.Connection, output: AsyncIterator[bytes]) -> None:
    with contextlib.suppress(ConnectionError):
        async for chunk in output:
            if chunk:
                await connection.send(channels.STDOUT, chunk)
        await channels.finish(connection, channels.SUCCESS)


async def _listen(connection: channels.Connection) -> None:
    """Until the client has gone: it has nothing to say."""
    async for _ in connection.messages():
        pass
