"""The Kubernetes API server of pocket, as an aiohttp application.

A request passes: token, path (`target.parse`), handler, and comes out as JSON; every refusal is a `Status` object.
"""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from pocket.api import discovery, errors, openapi_protobuf, reviews, tables
from pocket.api import web as w
from pocket.api.attach import Attach
from pocket.api.bootstrap import bootstrap as bootstrap_objects
from pocket.api.catalog import METRICS, Catalog
from pocket.api.contracts import Admission, ExecContext, PodRuntime
from pocket.api.decode import MAX_BODY, parse_object
from pocket.api.exec import Exec
from pocket.api.identity import Identity, refusal
from pocket.api.logs import Logs
from pocket.api.metrics import Metrics
from pocket.api.openapi import Documents
from pocket.api.portforward import PortForward
from pocket.api.proxying import Proxying
from pocket.api.rbac import Access, Request, User
from pocket.api.registry import Registry, shown, stored
from pocket.api.resources import Resources
from pocket.api.target import Target, parse
from pocket.api.watching import included
from pocket.api.webhooks import Webhooks
from pocket.store import Store
from pocket.tokens import Tokens

__all__ = ["Admission", "ExecContext", "PodRuntime", "bootstrap_objects", "make_app"]

_LOG = logging.getLogger("pocket.api")
_OPEN = ("/healthz", "/livez", "/readyz")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(
    store: Store,
    runtime: PodRuntime,
    *,
    token: str,
    admission: Admission,
    tokens: Tokens | None = None,
    kinds: Catalog | None = None,
) -> web.Application:
    """The API over `store`. The caller runs it under TLS on a loopback address.

    `token` is the bearer token of the kubeconfig's owner, who may do everything; ServiceAccounts have `tokens`, and
    what roles allow them. Without one of these (health checks excepted) the answer is 401, also to a browser that was
    lured here (DNS rebinding): a web page cannot know any. `kinds`: those of the store, where others ask for them too.
    """
    server = _Server(store, runtime, token, admission, tokens, kinds or Catalog(store))
    app = web.Application(middlewares=[server.guard], client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", server.handle)
    app.on_shutdown.append(server.stop)
    return app


class _Server:
    def __init__(
        self,
        store: Store,
        runtime: PodRuntime,
        token: str,
        admission: Admission,
        tokens: Tokens | None,
        kinds: Catalog,
    ) -> None:
        if not token:
            raise ValueError("the API server needs a token: without one anybody on this machine could run commands")
        self._access = Access(store)
        self._identity = Identity(store, token, tokens, self._access)
        self._streams: set[asyncio.Task[object]] = set()
        self._registry = registry = Registry(store, admission, kinds)
        self._documents = Documents(registry.kinds)
        self._logs = Logs(registry, runtime, self._streams)
        self._exec = Exec(registry, runtime, self._streams)
        self._attach = Attach(registry, runtime, self._logs, self._streams)
        self._metrics = Metrics(registry, runtime)
        self._proxying = Proxying(registry, runtime, self._streams)
        webhooks = Webhooks(store, self._proxying.of_service, shown, stored)
        self._resources = Resources(registry, self._access, self._streams, webhooks)
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
                request["user"] = self._identity.user(request.headers)
            w.refuse_timeout(request)
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

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request at all."""
        target = parse(request.path, self._registry.kinds)
        if target is not None:
            self._authorize(request, _request_of(request, target))
            if target.kind.verbs == ("create",):
                return await self._review(request, target)
            return await self._resource(request, target)
        if not request.path.startswith(_OPEN):
            self._authorize(request, _unserved(request))
        if request.method not in ("GET", "HEAD"):
            raise errors.page_not_found()
        return self._plain(request)

    def _authorize(self, request: web.Request, asked: Request) -> None:
        user: User = request["user"]
        if self._access.reason(user, asked) is None:
            raise refusal(user, asked)

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
            case "proxy":
                return await self._proxying.handle(request, target)
            case "token":
                return await self._token(request, target)
            case "portforward":
                return await self._forward.handle(request, target)
        return await self._resources.handle(request, target)

    async def _token(self, request: web.Request, target: Target) -> web.StreamResponse:
        """TokenRequest: `kubectl create token NAME`."""
        if request.method != "POST":
            raise errors.method_not_allowed()
        account = self._registry.get(replace(target, subresource=""))
        body, _ = parse_object(await request.read(), request.content_type)
        if self._identity.tokens is None:
            raise errors.ApiError(501, "NotImplemented", "this API server has no key to sign tokens with")
        return w.answer(reviews.token(self._identity.tokens, account, body), 201)

    async def _review(self, request: web.Request, target: Target) -> web.StreamResponse:
        """A question that is answered and not stored."""
        if request.method != "POST":
            raise errors.method_not_allowed()
        review, _ = parse_object(await request.read(), request.content_type)
        answer = reviews.answer(target, review, request["user"], self._access, self._identity)
        if w.accept(request).form == "table":
            answer = tables.table(None, [answer], included(request), {})
        return w.answer(answer, 201)

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


_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def _request_of(request: web.Request, target: Target) -> Request:
    """What rules are asked about."""
    below = f"/{target.subresource}" if target.subresource else ""
    kind, name = target.kind, target.name or ""
    verb = _verb(request, name, below)
    return Request(verb, kind.group, f"{kind.plural}{below}", target.namespace or "", name)


def _unserved(request: web.Request) -> Request:
    """The same where no such kind is served: by the form of the path, a resource or not."""
    match request.path.strip("/").split("/"):
        case ["api", _, plural, *rest] | ["apis", _, _, plural, *rest] if plural:
            group = request.path.split("/")[2] if request.path.startswith("/apis/") else ""
            namespace = ""
            if plural == "namespaces" and len(rest) > 1:
                namespace, plural, *rest = rest
            name, below = rest[0] if rest else "", "".join(f"/{step}" for step in rest[1:])
            return Request(_verb(request, name, below), group, f"{plural}{below}", namespace, name)
    return Request(request.method.lower(), path=request.path)


def _verb(request: web.Request, name: str, below: str) -> str:
    verb = _VERBS.get(request.method, request.method.lower())
    if name and below:
        return verb
    if verb == "get" and w.flag(request, "watch"):
        return "watch"
    return verb if name else {"get": "list", "delete": "deletecollection"}.get(verb, verb)
