"""The Kubernetes API server of pocket, as an aiohttp application.

A request passes: token, path (`target.parse`), handler, and comes out as JSON; every refusal is a `Status` object.
"""

from __future__ import annotations

import asyncio
import gzip
import hmac
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from pocket.api import discovery, errors, openapi_protobuf, reviews
from pocket.api import web as w
from pocket.api.attach import Attach
from pocket.api.bootstrap import bootstrap as bootstrap_objects
from pocket.api.catalog import METRICS
from pocket.api.contracts import Admission, ExecContext, PodRuntime
from pocket.api.decode import MAX_BODY, parse_object
from pocket.api.exec import Exec
from pocket.api.logs import Logs
from pocket.api.metrics import Metrics
from pocket.api.openapi import Documents
from pocket.api.portforward import PortForward
from pocket.api.registry import Registry
from pocket.api.resources import Resources
from pocket.api.target import Target, parse
from pocket.store import Store

__all__ = ["Admission", "ExecContext", "PodRuntime", "bootstrap_objects", "make_app"]

_LOG = logging.getLogger("pocket.api")
_OPEN = ("/healthz", "/livez", "/readyz")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(store: Store, runtime: PodRuntime, *, token: str, admission: Admission) -> web.Application:
    """The API over `store`. The caller runs it under TLS on a loopback address.

    `token` is the bearer token that every request must carry, health checks excepted. A web page cannot know it, so
    a browser that was lured here (DNS rebinding) gets nothing but 401.
    """
    server = _Server(store, runtime, token, admission)
    app = web.Application(middlewares=[server.guard], client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", server.handle)
    app.on_shutdown.append(server.stop)
    return app


class _Server:
    def __init__(self, store: Store, runtime: PodRuntime, token: str, admission: Admission) -> None:
        if not token:
            raise ValueError("the API server needs a token: without one anybody on this machine could run commands")
        self._token = token.encode()
        self._streams: set[asyncio.Task[object]] = set()
        self._registry = registry = Registry(store, admission)
        self._documents = Documents(registry.kinds)
        self._resources = Resources(registry, self._streams)
        self._logs = Logs(registry, runtime, self._streams)
        self._exec = Exec(registry, runtime, self._streams)
        self._attach = Attach(registry, runtime, self._logs, self._streams)
        self._metrics = Metrics(registry, runtime)
        self._forward = PortForward(registry, runtime, self._streams)

    async def stop(self, _: web.Application) -> None:
        """End watches, followed logs and commands, so that the server can stop at once."""
        tasks = list(self._streams)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who has the token, and turn every refusal into a Status."""
        try:
            if request.path not in _OPEN and not request.path.startswith(("/livez/", "/readyz/", "/healthz/")):
                self._authenticate(request)
            return await handler(request)
        except errors.ApiError as error:
            return w.answer(error.status(), error.code)
        except web.HTTPRequestEntityTooLarge:
            message = f"Request entity too large: limit is {MAX_BODY}"
            return w.answer(errors.ApiError(413, "RequestEntityTooLarge", message).status(), 413)
        except web.HTTPException as error:
            refusal = errors.ApiError(error.status, error.reason, error.text or error.reason)
            return w.answer(refusal.status(), error.status)
        except Exception as error:
            _LOG.exception("%s %s", request.method, request.path)
            return w.answer(w.status_of(error), 500)

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # compare_digest takes the same time wherever the difference is.
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            raise errors.unauthorized()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request at all."""
        target = parse(request.path, self._registry.kinds)
        if target is not None:
            _refuse_impersonation(request)
            if target.kind.verbs == ("create",):
                return await self._review(request, target)
            return await self._resource(request, target)
        if request.method not in ("GET", "HEAD"):
            raise errors.page_not_found()
        return self._plain(request)

    async def _resource(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.kind.group == METRICS:
            return await self._metrics.handle(request, target)
        match target.subresource:
            case "log":
                return await self._logs.handle(request, target)
            case "exec":
                return await self._exec.handle(request, target)
            case "attach":
                return await self._attach.handle(request, target)
            case "portforward":
                return await self._forward.handle(request, target)
        return await self._resources.handle(request, target)

    async def _review(self, request: web.Request, target: Target) -> web.StreamResponse:
        """A question that is answered and not stored."""
        if request.method != "POST":
            raise errors.method_not_allowed()
        review, _ = parse_object(await request.read(), request.content_type)
        return w.answer(reviews.answer(target.kind.name, review), 201)

    def _plain(self, request: web.Request) -> web.Response:
        """Health, version, discovery, OpenAPI."""
        path, kinds = request.path.rstrip("/"), self._registry.kinds
        aggregated = w.accept(request).form == "discovery"
        if path.startswith(_OPEN):
            return web.Response(text="ok")
        if path == "":
            return w.answer(
                {"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]}
            )
        if path == "/version":
            return w.answer(discovery.version())
        if path in ("/api", "/apis") and aggregated:
            response = w.answer(discovery.aggregated(kinds, core=path == "/api"))
            response.headers["Content-Type"] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return response
        if path == "/api":
            return w.answer(discovery.core_versions(request.host))
        if path == "/apis":
            return w.answer(discovery.group_list(kinds))
        if path == "/openapi/v3":
            return w.answer(self._documents.index())
        if path == "/openapi/v2":
            if openapi_protobuf.ASKED_FOR in request.headers.get("Accept", ""):
                return _packed(request, self._documents.v2_protobuf(), openapi_protobuf.MEDIA_TYPE)
            return _packed(request, self._documents.v2())
        if path.startswith("/openapi/v3/"):
            return _packed(request, self._documents.v3(path.removeprefix("/openapi/v3/")))
        steps = path.strip("/").split("/")
        found = None
        if steps[0] == "api" and len(steps) == 2:
            found = discovery.resources(kinds, "", steps[1])
        elif steps[0] == "apis" and len(steps) == 3:
            found = discovery.resources(kinds, steps[1], steps[2])
        elif steps[0] == "apis" and len(steps) == 2:
            found = discovery.group(kinds, steps[1])
        if found is None:
            raise errors.page_not_found()
        return w.answer(found)


def _packed(request: web.Request, document: bytes | None, media: str = "application/json") -> web.Response:
    """A packed document. Raises ApiError 404."""
    if document is None:
        raise errors.page_not_found()
    headers = {"Content-Encoding": "gzip", "Content-Type": media}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        del headers["Content-Encoding"]
        document = gzip.decompress(document)
    if request.query.get("hash"):
        headers["Cache-Control"] = "public, immutable"  # the address changes with the content
    return web.Response(body=document, headers=headers)


def _refuse_impersonation(request: web.Request) -> None:
    """`kubectl --as=NAME`. Not where kubectl asks which kinds there are: there it shows nobody's reasons."""
    if other := request.headers.get("Impersonate-User"):
        why = "pocket has one user, who has the token: it answers nobody in the name of another (--as)"
        raise errors.ApiError(403, "Forbidden", f'users "{other}" is forbidden: {why}')
