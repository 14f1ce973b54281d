"""Trace headers: what a request brings along travels on to the next service, so that one trace shows the whole way."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from flask import Flask, Response, g, has_request_context, request

REQUEST_ID = "x-request-id"
# W3C Trace Context, and B3 in its single and multiple form: what Envoy and the usual tracers understand.
_EXACT = frozenset({"traceparent", "tracestate", "b3", REQUEST_ID})
_PREFIX = "x-b3-"
# Only what is safe to repeat in a header of ours and in a log line.
_SAFE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?")


def trace_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The trace headers among `headers`, names in lower case; a request id is made where there is none.

    Example: `trace_headers([("B3", "1-2-1"), ("Accept", "*/*")])` gives b3 and a new x-request-id.
    """
    found = {
        name: value
        for raw, value in headers
        if ((name := raw.lower()) in _EXACT or name.startswith(_PREFIX)) and _SAFE.fullmatch(value)
    }
    found.setdefault(REQUEST_ID, str(uuid.uuid4()))
    return found


def outgoing() -> dict[str, str]:
    """The headers that a call made on behalf of the current request carries; empty outside of a request."""
    if not has_request_context():
        return {}
    headers: dict[str, str] = g.trace_headers
    return headers


def request_id() -> str:
    """The id of the current request; empty outside of one."""
    return outgoing().get(REQUEST_ID, "")


def install(app: Flask) -> None:
    """Reads the headers of every request and answers with its id."""

    @app.before_request
    def read() -> None:
        g.trace_headers = trace_headers(request.headers.items())

    @app.after_request
    def answer(response: Response) -> Response:
        response.headers["X-Request-Id"] = request_id()
        return response
