"""The control channel: a gRPC server on a Unix socket, one stream for each Envoy (the shell around `xds.stream`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import grpc.aio
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from pocket import sockets
from pocket.xds.messages import CLUSTER, LISTENER
from pocket.xds.stream import Configuration, Request, Response, Stream

_GRACE = 0.2  # seconds that streams get to end


class Unseen(IntEnum):
    """What is to be looked at before an Envoy that has acknowledged everything is known to work with it."""

    NOTHING = 0
    WORKER = 1  # its worker thread may be about to take it over
    ALL = 2  # and something may be warming


class Connection:
    """One Envoy that is connected."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.node: Any = None  # as it calls itself
        self.unseen = Unseen.ALL  # what it has taken, and has not been seen to work with
        self.wake = asyncio.Event()  # there may be something to send


class Server:
    """All Envoys' channels. Who is connected, and what each shall have, by the proxy's id (`namespace/pod`)."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._wanted: dict[str, Configuration] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self.connections: dict[str, Connection] = {}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve as long as the block runs. Envoys come back by themselves to the one that listens next."""
        server = grpc.aio.server()
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(_Service(self), server)
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with sockets.short(self._socket.parent) as folder:
            try:
                server.add_insecure_port(f"unix:{folder}/{self._socket.name}")
                await server.start()
                self._socket.chmod(0o600)
                yield
            finally:
                await server.stop(_GRACE)

    def put(self, proxy: str, configuration: Configuration) -> bool:
        """What an Envoy shall have from now on, be it connected or not. Is that anything new?"""
        before = self._wanted.get(proxy)
        if before == configuration:
            return False
        configuration = self._wanted[proxy] = configuration.after(before)
        if connection := self.connections.get(proxy):
            connection.stream.want(configuration)
            connection.wake.set()
        return True

    def forget(self, proxy: str) -> None:
        self._wanted.pop(proxy, None)
        self._changed.pop(proxy, None)

    async def changed(self, proxy: str, within: float) -> None:
        """Wait until an Envoy has said something, at most `within` seconds."""
        event = self._changed.setdefault(proxy, asyncio.Event())
        event.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), within)

    async def serve(self, requests: AsyncIterator[Any], context: Any) -> None:
        """Speak with one Envoy until it hangs up."""
        first = await anext(requests, None)
        if first is None:
            return
        proxy = proxy_of(first.node.id)
        connection = Connection()
        connection.node = first.node
        self.connections[proxy] = connection
        if wanted := self._wanted.get(proxy):
            connection.stream.want(wanted)
        writer = asyncio.create_task(self._write(proxy, connection, context))
        try:
            self._hear(connection, first)
            async for request in requests:
                self._hear(connection, request)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            if self.connections.get(proxy) is connection:
                del self.connections[proxy]
            self._tell(proxy)

    def _hear(self, connection: Connection, request: Any) -> None:
        connection.stream.hear(read(request))
        connection.wake.set()

    async def _write(self, proxy: str, connection: Connection, context: Any) -> None:
        while True:
            await connection.wake.wait()
            connection.wake.clear()
            for response in connection.stream.due():
                warms = response.kind in (CLUSTER, LISTENER)
                connection.unseen = max(connection.unseen, Unseen.ALL if warms else Unseen.WORKER)
                await context.write(written(response))
            if connection.stream.settled:
                self._tell(proxy)

    def _tell(self, proxy: str) -> None:
        if event := self._changed.get(proxy):
            event.set()


class _Service(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # generated without types
    def __init__(self, server: Server) -> None:
        self._server = server

    async def DeltaAggregatedResources(self, requests: AsyncIterator[Any], context: Any) -> None:
        await self._server.serve(requests, context)


def proxy_of(node: str) -> str:
    """`sidecar~127.0.0.1~POD.NAMESPACE~DOMAIN`, as Istio's nodes are called, into `namespace/pod`."""
    pod, _, namespace = (node.split("~") + [""] * 3)[2].rpartition(".")
    return f"{namespace}/{pod}"


def read(request: Any) -> Request:
    """A DeltaDiscoveryRequest."""
    return Request(
        request.type_url,
        list(request.resource_names_subscribe),
        list(request.resource_names_unsubscribe),
        dict(request.initial_resource_versions),
        request.response_nonce,
        request.error_detail.message if request.HasField("error_detail") else None,
    )


def written(response: Response) -> Any:
    """A DeltaDiscoveryResponse."""
    message = discovery_pb2.DeltaDiscoveryResponse(
        type_url=response.kind,
        nonce=response.nonce,
        system_version_info=response.version,
        removed_resources=response.removed,
    )
    for name, wire in response.resources.items():
        message.resources.append(
            discovery_pb2.Resource(
                name=name, version=wire.version, resource=AnyMessage(type_url=response.kind, value=wire.data)
            )
        )
    return message
