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
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from servicekit import trace
from servicekit.config import UpstreamConfig
from servicekit.errors import ServiceError

PREFIX = "/api/v1/datastore"
# seconds: below the 3 s after which the probes give up, above the 2 s by which the exercise db-vs-delay slows calls
READINESS_TIMEOUT = 2.5
HEARD_SECONDS = 5.0  # so long after a good answer to a real call, readiness need not ask: no extra traffic under load
_PASSED_ON = frozenset({400, 404, 413})
_UNAVAILABLE = frozenset({429, 503})


class Datastore:
    """The datastore service. Every method raises ServiceError as the table above says."""

    def __init__(self, config: UpstreamConfig) -> None:
        self._base = config.url + PREFIX
        self._timeout = (config.connect_timeout, config.read_timeout)
        self._session = _session(config)
        self._heard = -math.inf  # when db last answered well

    def read(self, objtype: str, objkey: str) -> dict[str, Any]:
        """`{"Items": [item], "Count": 1}`; 404 where there is no such item."""
        return _page(self._call("GET", "/read", {"objtype": objtype, "objkey": objkey}))

    def list(self, objtype: str, limit: int, start: str | None) -> dict[str, Any]:
        """At most `limit` items after the one with key `start`: `{"Items": [...], "Count": n}`."""
        query = {"objtype": objtype, "limit": str(limit)}
        if start is not None:
            query["start"] = start
        return _page(self._call("GET", "/list", query))

    def write(self, objtype: str, attributes: dict[str, str]) -> str:
        """Stores a new item and returns the key that db gave it."""
        answer = self._call("POST", "/write", {}, {"objtype": objtype, **attributes})
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
        self._ask("GET", "/readiness", {}, None, (READINESS_TIMEOUT, READINESS_TIMEOUT))

    def _call(
        self, method: str, path: str, query: dict[str, str], body: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._ask(method, path, query, body, self._timeout)
        except ServiceError as error:
            self._heard = -math.inf if error.status >= 500 else time.monotonic()
            raise
        self._heard = time.monotonic()
        return answer

    def _ask(
        self, method: str, path: str, query: dict[str, str], body: dict[str, str] | None, timeout: tuple[float, float]
    ) -> dict[str, Any]:
        try:
            response = self._send(method, path, query, body, timeout)
        except requests.Timeout as error:
            if isinstance(error, requests.ConnectTimeout):
                raise ServiceError(503, "the datastore is not available: no connection in time") from error
            raise ServiceError(504, "the datastore did not answer in time") from error
        except requests.ConnectionError as error:
            raise ServiceError(503, "the datastore is not available: no connection, or it was cut") from error
        except requests.RequestException as error:  # broken chunks, a body that is not what its encoding says
            raise ServiceError(502, "the datastore's answer could not be read") from error
        return _answer(response.status_code, response.content)

    def _send(
        self, method: str, path: str, query: dict[str, str], body: dict[str, str] | None, timeout: tuple[float, float]
    ) -> requests.Response:
        def once() -> requests.Response:
            return self._session.request(
                method,
                self._base + path,
                params=query,
                json=body,
                headers=trace.outgoing(),
                timeout=timeout,
                allow_redirects=False,
            )

        try:
            return once()
        except requests.ConnectionError as error:
            # The server may close an idle connection in the moment in which we use it. Only a read may be sent twice.
            if method != "GET" or isinstance(error, requests.Timeout):
                raise
            return once()


def _session(config: UpstreamConfig) -> requests.Session:
    session = requests.Session()
    # Read the proxy variables once (a sidecar may be one), not on every call, which is slow.
    session.proxies.update(get_environ_proxies(config.url))
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=config.pool_size, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _answer(status: int, content: bytes) -> dict[str, Any]:
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
        return body
    if status in _PASSED_ON:
        raise ServiceError(status, reason)
    if status in _UNAVAILABLE:
        raise ServiceError(503, f"the datastore is not available: {reason}")
    if status == 504:
        raise ServiceError(504, f"the datastore did not answer in time: {reason}")
    raise ServiceError(502, f"the datastore failed: {reason}")


def _page(answer: dict[str, Any]) -> dict[str, Any]:
    items = answer.get("Items")
    if not isinstance(items, list) or answer.get("Count") != len(items):
        raise ServiceError(502, "the datastore's answer has no Items with their Count")
    return {"Items": items, "Count": len(items)}
