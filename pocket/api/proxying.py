"""`/proxy` of pods and Services: a request through the API server to what they serve.

`pods/[SCHEME:]NAME[:PORT]/proxy/PATH`, where PORT is a number or a name, of the Service or of the pod's container
(https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from pocket import sockets
from pocket.api import errors, podstreams
from pocket.api.contracts import PodRuntime
from pocket.api.errors import ApiError
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.objects import Obj, is_ready, labels_of, matches, name_of, namespace_of
from pocket.sockets import Address

_WAIT = 30.0  # seconds for the connection
# Of one connection, or for this API server only (RFC 9110, 7.6.1).
_NOT_PASSED_ON = {
    "authorization", "connection", "content-encoding", "content-length", "host", "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


class Proxying:
    """The subresource `proxy`."""

    def __init__(self, registry: Registry, runtime: PodRuntime, streams: set[asyncio.Task[object]]) -> None:
        self._registry = registry
        self._runtime = runtime
        self._streams = streams

    async def handle(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer a request. Raises ApiError."""
        name, port = _split(target.name or "")
        obj = self._registry.get(replace(target, name=name, subresource="", below=""))
        address = self._of_pod(obj, port) if obj["kind"] == "Pod" else self.of_service(obj, port)
        with podstreams.registered(self._streams):
            return await pass_on(request, address, target.below)

    def _of_pod(self, pod: Obj, port: str) -> Address:
        ports = [entry for container in pod["spec"]["containers"] for entry in container.get("ports") or ()]
        if not port:
            number = int(ports[0]["containerPort"]) if ports else 80
        elif port.isdigit():
            number = int(port)
        else:
            number = next((int(entry["containerPort"]) for entry in ports if entry.get("name") == port), 0)
        try:
            return self._runtime.port_address(pod, number)
        except LookupError:
            raise _unavailable(f'no port "{port or number}" of the pod {name_of(pod)} is open') from None

    def of_service(self, service: Obj, port: str) -> Address:
        """Where a Service's port (a name or a number) is served. Raises ApiError."""
        spec, ports = service["spec"], service["spec"].get("ports") or []
        wanted = [entry for entry in ports if port in (entry.get("name"), str(entry["port"]))] if port else ports[:1]
        if not wanted:
            raise _unavailable(f'no service port "{port}" found for service "{name_of(service)}"')
        inside = wanted[0].get("targetPort", wanted[0]["port"])
        store, namespace = self._registry.store, namespace_of(service)
        for pod in store.list("Pod", namespace):
            if is_ready(pod) and matches(spec.get("selector"), labels_of(pod)):
                return self._of_pod(pod, str(inside))
        endpoints: Obj = store.find("Endpoints", namespace, name_of(service)) or {}
        for subset in endpoints.get("subsets") or ():
            for entry in subset.get("ports") or ():
                if subset.get("addresses") and entry.get("name") == wanted[0].get("name"):
                    return (str(subset["addresses"][0]["ip"]), int(entry["port"]))
        raise _unavailable(f'no endpoints available for service "{name_of(service)}"')


def _split(text: str) -> tuple[str, str]:
    """Name and port of `[SCHEME:]NAME[:PORT]`."""
    parts = text.split(":")
    if len(parts) == 3 or (len(parts) == 2 and parts[0] in ("http", "https")):
        if parts[0] == "https":
            raise errors.bad_request("pocket's services speak HTTP: leave https: out")
        parts = parts[1:]
    return (parts[0], parts[1]) if len(parts) > 1 else (parts[0], "")


def _unavailable(why: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", why)


async def pass_on(
    request: web.Request, address: Address, path: str, more: Mapping[str, str] = MappingProxyType({})
) -> web.StreamResponse:
    """What is at the path of an address answers, to the request with some headers `more`. Raises ApiError."""
    host = ("127.0.0.1", 80) if isinstance(address, Path) else address
    url = URL.build(
        scheme="http",
        host=host[0],
        port=host[1],
        path=quote(f"/{path}"),
        query_string=request.rel_url.raw_query_string,  # decoded, a `%2B` would become a space
        encoded=True,
    )
    headers: CIMultiDict[str] = CIMultiDict(
        (name, value) for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON
    )
    headers.update(more)
    body: Any = request.content if request.body_exists else None
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_WAIT)
    async with sockets.client(address, timeout) as session:
        try:
            asked = session.request(request.method, url, headers=headers, data=body, allow_redirects=False)
            async with asked as answer:
                kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON]
                response = web.StreamResponse(status=answer.status, headers=CIMultiDict(kept))
                await response.prepare(request)
                with contextlib.suppress(ConnectionError):
                    async for chunk in answer.content.iter_any():
                        await response.write(chunk)
                    await response.write_eof()
                return response
        except aiohttp.ClientConnectionError as error:
            raise _unavailable(f"error trying to reach service: {error}") from None
