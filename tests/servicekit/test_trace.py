from __future__ import annotations

import uuid

import pytest
from flask import Flask

from servicekit import trace
from servicekit.trace import trace_headers

INCOMING = {
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "a=1",
    "b3": "1-2-1",
    "x-b3-traceid": "4bf9",
    "x-b3-spanid": "00f0",
    "x-b3-sampled": "1",
    "x-request-id": "id-1",
}


def test_exactly_the_trace_headers_are_kept() -> None:
    others = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("x-forwarded-for", "1.2.3.4")]
    assert trace_headers([*((k.title(), v) for k, v in INCOMING.items()), *others]) == INCOMING


def test_a_request_id_is_made_where_there_is_none() -> None:
    made = trace_headers([])
    assert list(made) == ["x-request-id"]
    assert str(uuid.UUID(made["x-request-id"])) == made["x-request-id"]


@pytest.mark.parametrize("value", ["", " ", "a\x00b", "\xe9", "x" * 1025, "a\r\nb"])
def test_what_is_not_safe_to_repeat_is_left_out(value: str) -> None:
    made = trace_headers([("tracestate", value), ("x-request-id", value)])
    assert "tracestate" not in made
    assert made["x-request-id"] != value


def test_the_answer_carries_the_id() -> None:
    app = Flask("test")
    trace.install(app)
    app.add_url_rule("/", "root", lambda: trace.outgoing())
    answer = app.test_client().get("/", headers=INCOMING)
    assert answer.headers["X-Request-Id"] == "id-1"
    assert answer.get_json() == INCOMING
    assert trace.outgoing() == {}
    assert trace.request_id() == ""
