"""Client of the datastore service (db): pooled connections, a timeout on every call, statuses passed on sensibly.

What db answers          what our caller gets
2xx, as agreed           the answer
400, 404, 413            the same: the cause is in the caller's request
503, 429                 503: db, or what it needs, is not available (an Envoy sidecar says 503 where no db is there)
504                      504
anything else            502: db answered nonsense
no connection            503
no answer in time        504
"""

from __future__ import annotations

import json
import math
import time
from typing import Any
from urllib.parse import urlencode

from servicekit import trace
from servicekit.config import UpstreamConfig
from servicekit.errors import ServiceError
from servicekit.wire import NoConnection, ReadTimeout, Wire, WireError

PREFIX = "/api/v1/datastore"
# seconds: below the 3 s after which the probes give up, above the 2 s by which the exercise db-vs-delay slows calls
READINESS_TIMEOUT = 2.5
HEARD_SECONDS = 5.0  # so long after a good answer to a real call, readiness need not ask: no extra traffic under load
_PASSED_ON = frozenset({400, 404, 413})
_UNAVAILABLE = frozenset({429, 503})

_Body = tuple[bytes, dict[str, Any]]  # an answer as it came, and what it says


class Datastore:
    """The datastore service. Every method raises ServiceError as the table above says."""

    def __init__(self, config: UpstreamConfig) -> None:
        self._wire = Wire(config.url, config.connect_timeout, config.read_timeout, config.pool_size)
        self._probe = Wire(config.url, READINESS_TIMEOUT, READINESS_TIMEOUT, 1)
        self._heard = -math.inf  # when db last answered well

    def read(self, objtype: str, objkey: str) -> bytes:
        """The JSON `{"Items": [item], "Count": 1}` as db wrote it; 404 where there is no such item."""
        return _page(self._call("GET", "/read", {"objtype": objtype, "objkey": objkey}))

    def list(self, objtype: str, limit: int, start: str | None) -> bytes:
        """At most `limit` items after the one with key `start`: the JSON `{"Items": [...], "Count": n}`."""
        query = {"objtype": objtype, "limit": str(limit)}
        if start is not None:
            query["start"] = start
        return _page(self._call("GET", "/list", query))

    def write(self, objtype: str, attributes: dict[str, str]) -> str:
        """Stores a new item and returns the key that db gave it."""
        _, answer = self._call("POST", "/write", {}, {"objtype": objtype, **attributes})
        key = answer.get(f"{objtype}_id")
        if not isinstance(key, str):
            raise ServiceError(502, "the datastore answered a write without the new key")
        return key

    def update(self, objtype: str, objkey: str, attributes: dict[str, str]) -> None:
        """Changes attributes of an item; 404 where there is no such item."""
        self._call("PUT", "/update", {"objtype": objtype, "objkey": objkey}, attributes)

    def delete(self, objtype: str, objkey: str) -> None:
        """Removes an item; 404 where there is no such item."""
        self._call("DELETE", "/delete", {"objtype": objtype, "objkey": objkey})

    def check_ready(self) -> None:
        """Returns where db is ready; raises ServiceError with what it lacks otherwise."""
        if time.monotonic() - self._heard < HEARD_SECONDS:
            return
        _ask(self._probe, "GET", "/readiness", {})

    def _call(self, method: str, path: str, query: dict[str, str], body: dict[str, str] | None = None) -> _Body:
        try:
            answer = _ask(self._wire, method, path, query, body)
        except ServiceError as error:
            self._heard = -math.inf if error.status >= 500 else time.monotonic()
            raise
        self._heard = time.monotonic()
        return answer


def _ask(wire: Wire, method: str, path: str, query: dict[str, str], body: dict[str, str] | None = None) -> _Body:
    fields = "".join([f"{name}: {value}\r\n" for name, value in trace.outgoing().items()])
    content = b""
    if body is not None:
        content = json.dumps(body).encode()
        fields += "Content-Type: application/json\r\n"
    target = f"{PREFIX}{path}?{urlencode(query)}" if query else PREFIX + path
    try:
        # Only a read may be sent twice: the server may close an idle connection in the moment in which we use it.
        answer = wire.call(method, target, fields, content, repeat=method == "GET")
    except NoConnection as error:
        raise ServiceError(503, "the datastore is not available: no connection, or it was cut") from error
    except ReadTimeout as error:
        raise ServiceError(504, "the datastore did not answer in time") from error
    except WireError as error:  # broken chunks, a body that ends too early
        raise ServiceError(502, "the datastore's answer could not be read") from error
    return _answer(answer.status, answer.body)


def _answer(status: int, content: bytes) -> _Body:
    """What an answer of db means for our caller, as the table at the top says."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):  # an Envoy's own answers are plain text
        body = None
    message = body.get("error") if isinstance(body, dict) else None
    reason = message if isinstance(message, str) else f"it answered {status}"
    if 200 <= status < 300:
        if not isinstance(body, dict):
            raise ServiceError(502, "the datastore's answer is not a JSON object")
        return content, body
    if status in _PASSED_ON:
        raise ServiceError(status, reason)
    if status in _UNAVAILABLE:
        raise ServiceError(503, f"the datastore is not available: {reason}")
    if status == 504:
        raise ServiceError(504, f"the datastore did not answer in time: {reason}")
    raise ServiceError(502, f"the datastore failed: {reason}")


def _page(answer: _Body) -> bytes:
    content, body = answer
    items = body.get("Items")
    if not isinstance(items, list) or body.get("Count") != len(items):
        raise ServiceError(502, "the datastore's answer has no Items with their Count")
    return content
