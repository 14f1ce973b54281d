"""Lists in pages: `limit` and `continue`, and the resource version that a list may be asked at.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
All pages show the objects as they were at the first one: it is kept, as a real API server's store keeps old versions.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from pocket.api import errors
from pocket.api import web as w
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.objects import Obj

KEPT, SECONDS = 20, 300.0
"""How many lists are kept for their next page, and for how long (etcd's compaction: five minutes)."""


@dataclass(frozen=True)
class Page:
    """A part of a list, and the metadata that goes with it."""

    objects: list[Obj]
    metadata: Obj


@dataclass(frozen=True)
class _Rest:
    until: float
    version: str
    objects: list[Obj]


class Pages:
    """The lists whose next page is still to come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[str, _Rest] = {}

    def page(
        self, request: web.Request, target: Target, registry: Registry, predicate: Callable[[Obj], bool] | None
    ) -> Page:
        """What the request asks for. Raises ApiError 400, 410, 504."""
        limit, token = w.number(request, "limit") or 0, request.query.get("continue", "")
        wanted, match = request.query.get("resourceVersion", ""), request.query.get("resourceVersionMatch", "")
        _refuse_contradictions(token, wanted, match)
        if token:
            rest = self._take(token)
        else:
            _refuse_version(wanted, match, registry.store.version)
            rest = _Rest(0.0, str(registry.store.version), registry.list_all(target, predicate))
        metadata: Obj = {"resourceVersion": rest.version}
        if not limit or len(rest.objects) <= limit:
            return Page(rest.objects, metadata)
        remaining = rest.objects[limit:]
        metadata["continue"] = self._keep(rest.version, remaining)
        if predicate is None:
            metadata["remainingItemCount"] = len(remaining)
        return Page(rest.objects[:limit], metadata)

    def _keep(self, version: str, objects: list[Obj]) -> str:
        name = secrets.token_hex(8)
        while len(self._rests) >= KEPT:
            del self._rests[next(iter(self._rests))]
        self._rests[name] = _Rest(self._clock() + SECONDS, version, objects)
        return base64.urlsafe_b64encode(
            json.dumps({"v": "meta.k8s.io/v1", "rv": int(version), "start": name}).encode()
        ).decode()

    def _take(self, token: str) -> _Rest:
        try:
            name = str(json.loads(base64.urlsafe_b64decode(token))["start"])
        except (ValueError, KeyError, TypeError):
            raise errors.bad_request(f"continue key is not valid: {token!r}") from None
        rest = self._rests.get(name)  # it stays: a client may ask for the same page again
        if rest is None or rest.until < self._clock():
            raise errors.expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter."
            )
        return rest


def _refuse_contradictions(token: str, wanted: str, match: str) -> None:
    if match and match not in ("Exact", "NotOlderThan"):
        raise errors.bad_request(
            f'resourceVersionMatch: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        )
    if match and not wanted:
        raise errors.bad_request(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if match and token:
        raise errors.bad_request(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
        )
    if match == "Exact" and wanted == "0":
        raise errors.bad_request(
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        )
    if wanted and (not wanted.isascii() or not wanted.isdigit()):
        raise errors.bad_request(f'resourceVersion: Invalid value: "{wanted}": must be a number')


def _refuse_version(wanted: str, match: str, now: int) -> None:
    version = int(wanted or 0)
    if version > now:
        message = f"Too large resource version: {version}, current: {now}"
        raise errors.ApiError(
            504,
            "Timeout",
            message,
            {
                "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                "retryAfterSeconds": 1,
            },
        )
    if match == "Exact" and version != now:
        raise errors.expired(
            f"The resourceVersion for the provided list is too old: {version}: pocket keeps the present state alone"
        )
