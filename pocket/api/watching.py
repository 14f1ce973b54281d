"""Watches: a stream of changes, one JSON line each, from a resource version on.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from pocket.api import errors, tables
from pocket.api import web as w
from pocket.api.registry import shown
from pocket.api.target import Target
from pocket.kinds.columns import Column
from pocket.objects import Obj, kind_of, namespace_of
from pocket.store import Event, Expired, Store

BOOKMARK = 60.0  # seconds between bookmarks: as often as the real server sends them
_LOOK = 15.0  # seconds between looks whether a silent client is still there

Predicate = Callable[[Obj], bool]


@dataclass(frozen=True)
class Change:
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: Obj


def select(event: Event, target: Target, predicate: Predicate | None) -> Change | None:
    """What a watch on `target` says about a change in the store; None if it is none of its business.

    An object that comes into the selection is ADDED, one that leaves it is DELETED.
    """
    obj = event.object
    if kind_of(obj) != target.kind.key or (target.namespace is not None and namespace_of(obj) != target.namespace):
        return None
    if predicate is None:
        return Change(event.type, obj)
    now_in = predicate(obj)
    if event.type == "MODIFIED" and event.old is not None:
        was_in = predicate(event.old)
        if now_in and not was_in:
            return Change("ADDED", obj)
        if was_in and not now_in:
            return Change("DELETED", obj)
    return Change(event.type, obj) if now_in else None


async def changes(
    store: Store, target: Target, predicate: Predicate | None, since: int | None, initial_end: bool
) -> AsyncIterator[Change]:
    """The changes after `since`; None: first the objects as they are, then what happens to them. Without end.

    `initial_end` marks the end of the objects as they are with a bookmark. Raises Expired.
    """
    if since is None:
        since = store.version
        for obj in store.list(target.kind.key, target.namespace):
            if predicate is None or predicate(obj):
                yield Change("ADDED", obj)
        if initial_end:
            yield _bookmark(target, since, {"k8s.io/initial-events-end": "true"})
    async for event in store.watch(since):
        change = select(event, target, predicate)
        if change is not None:
            yield change


def _bookmark(target: Target, version: int, annotations: dict[str, str] | None = None) -> Change:
    metadata: Obj = {"resourceVersion": str(version)}
    if annotations:
        metadata["annotations"] = annotations
    return Change("BOOKMARK", {"apiVersion": target.api_version, "kind": target.kind.name, "metadata": metadata})


async def serve(
    request: web.Request,
    store: Store,
    target: Target,
    columns: tuple[Column, ...] | None,
    predicate: Predicate | None,
    streams: set[asyncio.Task[object]],
) -> web.StreamResponse:
    """Answer a watch request. It ends after `timeoutSeconds`, when the client goes, or when the server stops."""
    since = _since(request)
    form = w.accept(request).form
    include: tables.Include = included(request)
    bookmarks = w.flag(request, "allowWatchBookmarks")
    timeout = w.number(request, "timeoutSeconds")
    initial = w.flag(request, "sendInitialEvents")
    if initial and not bookmarks:
        raise errors.bad_request("sendInitialEvents needs allowWatchBookmarks")
    if initial:
        since = None
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache"})
    await response.prepare(request)
    first = True

    async def send(change: Change) -> None:
        nonlocal first
        obj = change.object
        if change.type not in ("ERROR", "BOOKMARK"):
            obj = shown(obj, target)
        if form == "table" and change.type != "ERROR":
            rows = [] if change.type == "BOOKMARK" else [obj]
            table = tables.table(
                columns, rows, include, {"resourceVersion": obj["metadata"]["resourceVersion"]}, headers=first
            )
            if change.type == "BOOKMARK":
                table["metadata"] = obj["metadata"]
            obj, first = table, False
        elif form == "partial" and change.type != "ERROR":
            obj = tables.partial(obj)
        await response.write(w.encode({"type": change.type, "object": obj}) + b"\n")

    task = asyncio.current_task()
    if task is not None:
        streams.add(task)
    try:
        async with asyncio.timeout(timeout or None):
            await _pump(request, store, changes(store, target, predicate, since, initial), bookmarks, target, send)
    except (TimeoutError, ConnectionError):
        pass  # the time that the client asked for is over, or the client has gone
    finally:
        if task is not None:
            streams.discard(task)
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def _pump(
    request: web.Request,
    store: Store,
    source: AsyncIterator[Change],
    bookmarks: bool,
    target: Target,
    send: Callable[[Change], Awaitable[None]],
) -> None:
    """Send every change; now and then a bookmark; stop when the client is gone."""
    loop = asyncio.get_running_loop()
    next_bookmark = loop.time() + BOOKMARK
    pending: asyncio.Future[Change] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(_next(source))
            await asyncio.wait({pending}, timeout=_LOOK)
            if request.transport is None or request.transport.is_closing():
                return
            if pending.done():
                change, pending = pending.result(), None
                await send(change)
            elif bookmarks and loop.time() >= next_bookmark:
                next_bookmark = loop.time() + BOOKMARK
                await send(_bookmark(target, store.version))
    except Expired as error:
        await send(Change("ERROR", errors.expired(str(error)).status()))
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Expired):
                await pending


async def _next(source: AsyncIterator[Change]) -> Change:
    return await anext(source)


def _since(request: web.Request) -> int | None:
    """The resource version to start from; None for "from the present state"."""
    version = request.query.get("resourceVersion", "")
    if version in ("", "0"):
        return None
    if not version.isascii() or not version.isdigit():
        raise errors.bad_request(f'resourceVersion: Invalid value: "{version}": must be a number')
    return int(version)


def included(request: web.Request) -> tables.Include:
    """How much of each object the rows of a Table carry. Raises ApiError 400."""
    value = request.query.get("includeObject") or "Metadata"
    if value not in ("Metadata", "Object", "None"):
        raise errors.bad_request(f'unrecognized includeObject value: "{value}"')
    include: tables.Include = value  # type: ignore[assignment]
    return include
