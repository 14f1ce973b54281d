"""What istioctl asks istiod, answered by the control process: which Envoys have which state, and which version this is.

`istioctl proxy-status` forwards a port to the pod of istiod and asks on it, in xDS, for resources of the type
`istio.io/debug/syncz` (pilot/pkg/xds/statusgen.go of Istio); `istioctl version` asks for `/version` by HTTP. Both
listen on Unix sockets of their owner's: the way to them is the API server's port-forward.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc.aio
from aiohttp import web
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from pocket import sockets, standins, tls
from pocket.settings import NODE, Settings
from pocket.xds.server import Connection
from pocket.xds.stream import KINDS, State

SYNCZ = "istio.io/debug/syncz"
_GRACE = 0.2  # seconds that calls get to end


def status(connections: Iterable[Connection]) -> list[Any]:
    """A `ClientConfig` for each Envoy that is connected. Pure."""
    from envoy.service.status.v3 import csds_pb2  # seldom asked for, and large

    names = {
        State.UNASKED: csds_pb2.UNKNOWN,
        State.UNSENT: csds_pb2.NOT_SENT,
        State.SYNCED: csds_pb2.SYNCED,
        State.STALE: csds_pb2.STALE,
        State.REFUSED: csds_pb2.ERROR,
    }
    found = []
    for connection in connections:
        if connection.node is None:
            continue
        client = csds_pb2.ClientConfig(node=connection.node)
        client.node.metadata["ISTIO_VERSION"] = standins.istio_version()
        for kind in KINDS:
            state = names[connection.stream.state(kind)]
            client.generic_xds_configs.add(type_url=kind, config_status=state)
        found.append(client)
    return sorted(found, key=lambda client: str(client.node.id))


class _Debug(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # generated without types
    def __init__(self, connections: dict[str, Connection]) -> None:
        self._connections = connections

    async def StreamAggregatedResources(self, requests: AsyncIterator[Any], context: Any) -> None:
        sent = 0
        async for request in requests:
            if sent and request.response_nonce == _nonce(sent):
                continue  # it has taken what it was sent; istioctl's first request has a nonce of its own
            sent += 1
            response = discovery_pb2.DiscoveryResponse(type_url=request.type_url, nonce=_nonce(sent), version_info="1")
            response.control_plane.identifier = json.dumps(
                {"Component": "istiod", "ID": f"istiod-{NODE}", "Info": {"version": standins.istio_version()}}
            )
            for client in status(self._connections.values()) if request.type_url == SYNCZ else ():
                packed = AnyMessage()
                packed.Pack(client)
                response.resources.append(packed)
            await context.write(response)


def _nonce(number: int) -> str:
    return f"pocket-{number}"


async def _version(_: web.Request) -> web.Response:
    return web.Response(text=f"{standins.istio_version()}-pocket-Clean")


@contextlib.asynccontextmanager
async def listening(settings: Settings, connections: dict[str, Connection]) -> AsyncIterator[None]:
    """Answer as long as the block runs."""
    _, certificate, key = tls.ensure_certificate(settings.tls)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    server = grpc.aio.server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(_Debug(connections), server)
    app = web.Application()
    app.router.add_get("/{_:/*}version", _version)  # istioctl asks for `//version`
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    xds, monitoring = (settings.istiod_socket(port) for port in (standins.XDS, standins.MONITORING))
    try:
        with sockets.place(xds) as address, sockets.place(monitoring) as other:
            server.add_secure_port(f"unix:{address}", credentials)
            await server.start()
            await web.UnixSite(runner, other).start()
            for socket in (xds, monitoring):
                socket.chmod(0o600)
            yield
    finally:
        await server.stop(_GRACE)
        await runner.cleanup()
