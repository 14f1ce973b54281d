"""What istioctl asks istiod: told of real streams, over a real socket with TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from envoy.service.status.v3 import csds_pb2

from pocket import istiod, sockets, standins
from pocket.settings import NODE, Settings
from pocket.tls import ensure_certificate
from pocket.xds.messages import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, Wire
from pocket.xds.server import Connection
from pocket.xds.stream import Configuration, Request


def connection(name: str = "p", **wanted: str) -> Connection:
    """An Envoy that shall have these clusters (name -> version)."""
    made = Connection()
    made.node = base_pb2.Node(id=f"sidecar~127.0.0.1~{name}.ns~ns.svc.cluster.local")
    wires = {key: Wire(version, b"", empty=False) for key, version in wanted.items()}
    made.stream.want(Configuration({CLUSTER: wires}))
    return made


def states(made: Connection) -> dict[str, str]:
    (client,) = istiod.status([made])
    return {
        entry.type_url: csds_pb2.ConfigStatus.Name(entry.config_status) for entry in client.generic_xds_configs
    }


def test_the_states_of_a_type() -> None:
    made = connection(a="1")
    assert states(made) == dict.fromkeys((SECRET, CLUSTER, ENDPOINT, LISTENER, ROUTE), "UNKNOWN")
    made.stream.hear(Request(CLUSTER))
    assert states(made)[CLUSTER] == "NOT_SENT"
    (response,) = made.stream.due()
    assert states(made)[CLUSTER] == "STALE"
    made.stream.hear(Request(CLUSTER, nonce=response.nonce))
    assert states(made)[CLUSTER] == "SYNCED"
    made.stream.want(Configuration({CLUSTER: {"a": Wire("2", b"", empty=False)}}))
    assert states(made)[CLUSTER] == "STALE"
    (response,) = made.stream.due()
    made.stream.hear(Request(CLUSTER, nonce=response.nonce, error="no"))
    assert states(made)[CLUSTER] == "ERROR"


def test_istioctl_is_answered(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port_base=20000, gateway_port=8080)
    authority, _, _ = ensure_certificate(settings.tls)

    async def run() -> tuple[str, Any]:
        async with istiod.listening(settings, {"ns/p": connection()}):
            http = settings.istiod_socket(standins.MONITORING)
            with sockets.short(tmp_path) as folder:
                connector = aiohttp.UnixConnector(f"{folder}/{http.name}")
                async with aiohttp.ClientSession(connector=connector) as session, session.get("http://x//version") as a:
                    version = await a.text()
                credentials = grpc.ssl_channel_credentials(authority.read_bytes())
                named = [("grpc.ssl_target_name_override", "localhost")]
                xds = f"unix:{folder}/{settings.istiod_socket(standins.XDS).name}"
                async with grpc.aio.secure_channel(xds, credentials, options=named) as channel:
                    stream = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources(timeout=20)
                    # As istioctl: its first request has a nonce of its own.
                    await stream.write(discovery_pb2.DiscoveryRequest(type_url=istiod.SYNCZ, response_nonce="now"))
                    return version, await stream.read()

    version, response = asyncio.run(run())
    assert version.startswith(standins.istio_version())
    client = csds_pb2.ClientConfig()
    assert response.resources[0].Unpack(client)
    assert client.node.id == "sidecar~127.0.0.1~p.ns~ns.svc.cluster.local"
    assert client.node.metadata["ISTIO_VERSION"] == standins.istio_version()
    assert f'"ID": "istiod-{NODE}"' in response.control_plane.identifier
