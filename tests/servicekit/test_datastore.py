"""The client against a server that answers whatever a test wants, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from servicekit import trace
from servicekit.config import UpstreamConfig
from servicekit.datastore import Datastore
from servicekit.errors import ServiceError
from tests.answering import Answering, answering, cut

PAGE = {"Items": [{"music_id": "1"}], "Count": 1}


@pytest.fixture
def db() -> Iterator[Answering]:
    with answering() as server:
        yield server


def client(db: Answering, **settings: Any) -> Datastore:
    return Datastore(UpstreamConfig(db.url, **settings))


def failure(call: Callable[[], object]) -> ServiceError:
    with pytest.raises(ServiceError) as error:
        call()
    return error.value


def test_keys_and_values_arrive_as_they_are(db: Answering) -> None:
    db.body = json.dumps(PAGE).encode()
    key = "a b/../c?d=e&f#g%20é\x00"
    assert json.loads(client(db).read("music", key)) == PAGE
    (_, path), *_ = db.asked
    assert path == "/api/v1/datastore/read?objtype=music&objkey=a+b%2F..%2Fc%3Fd%3De%26f%23g%2520%C3%A9%00"


def test_connections_are_used_again(db: Answering) -> None:
    db.body = json.dumps(PAGE).encode()
    datastore = client(db)
    for _ in range(5):
        datastore.read("music", "1")
    assert len(db.connections) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *[(code, code) for code in (400, 404, 413, 503, 504)],
        *[(code, 502) for code in (302, 401, 403, 405, 415, 500, 501, 502, 599)],
        (429, 503),
    ],
)
def test_status_is_passed_on_sensibly(db: Answering, theirs: int, ours: int) -> None:
    db.status, db.body = theirs, b'{"error": "because"}'
    error = failure(lambda: client(db).read("music", "1"))
    assert error.status == ours
    assert "because" in error.message
    db.body = b"upstream connect error or disconnect/reset before headers"  # as an Envoy says it
    assert failure(lambda: client(db).delete("music", "1")).status == ours


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"Items": {}}', b'{"Items": [], "Count": 1}', b"[" * 9999]
)
def test_nonsense_is_502(db: Answering, body: bytes) -> None:
    db.body = body
    assert failure(lambda: client(db).read("music", "1")).status == 502


def test_a_write_without_key_is_502(db: Answering) -> None:
    db.body = b'{"user_id": "1"}'
    assert client(db).write("user", {"a": "b"}) == "1"
    assert failure(lambda: client(db).write("music", {"a": "b"})).status == 502


def test_nobody_there_is_503() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        datastore = Datastore(UpstreamConfig(f"http://127.0.0.1:{probe.getsockname()[1]}"))
        assert failure(lambda: datastore.read("music", "1")).status == 503
        assert failure(datastore.check_ready).status == 503


def test_no_answer_in_time_is_504_and_not_tried_again(db: Answering) -> None:
    done = threading.Event()
    db.body = json.dumps(PAGE).encode()
    db.before = lambda handler: done.wait(5) or True  # so late that only a client which waits longer sees the answer
    try:
        error = failure(lambda: client(db, read_timeout=0.2).read("music", "1"))
    finally:
        done.set()
    assert error.status == 504
    assert len(db.asked) == 1


def test_a_read_on_a_cut_connection_is_tried_once_more(db: Answering) -> None:
    db.body = json.dumps(PAGE).encode()
    db.before = lambda handler: cut(handler) if len(db.asked) == 1 else True
    assert json.loads(client(db).read("music", "1")) == PAGE
    assert len(db.asked) == 2
    db.asked.clear()
    db.before = cut
    assert failure(lambda: client(db).read("music", "1")).status == 503
    assert len(db.asked) == 2


@pytest.mark.parametrize("method", ["write", "update", "delete"])
def test_a_change_is_never_sent_twice(db: Answering, method: str) -> None:
    db.before = cut
    calls = {
        "write": lambda d: d.write("music", {"a": "b"}),
        "update": lambda d: d.update("music", "1", {"a": "b"}),
        "delete": lambda d: d.delete("music", "1"),
    }
    assert failure(lambda: calls[method](client(db))).status == 503
    assert len(db.asked) == 1


def test_trace_headers_travel_and_others_do_not(db: Answering) -> None:
    db.body = json.dumps(PAGE).encode()
    app = Flask("test")
    trace.install(app)
    datastore = client(db)
    app.add_url_rule("/", "root", lambda: datastore.read("music", "1"))
    sent = {"traceparent": "00-1-2-01", "b3": "1-2-1", "x-b3-traceid": "1", "x-request-id": "id-1"}
    app.test_client().get("/", headers={**sent, "Authorization": "Bearer x", "Cookie": "a=b"})
    (received,) = db.headers
    assert {name: received[name] for name in sent} == sent
    assert "authorization" not in received
    assert "cookie" not in received


def test_the_proxy_of_the_environment_is_used(db: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """On pocket a sidecar is the HTTP proxy: names of the cluster need not resolve here."""
    db.body = json.dumps(PAGE).encode()
    monkeypatch.setenv("http_proxy", db.url)
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    datastore = Datastore(UpstreamConfig("http://cmpt756db:30002"))
    assert json.loads(datastore.read("music", "1")) == PAGE
    assert db.asked == [("GET", "http://cmpt756db:30002/api/v1/datastore/read?objtype=music&objkey=1")]
    assert db.headers[0]["host"] == "cmpt756db:30002"
    direct = client(db)
    assert json.loads(direct.read("music", "1")) == PAGE
    assert db.asked[-1] == ("GET", "/api/v1/datastore/read?objtype=music&objkey=1")


def test_readiness_need_not_ask_while_real_calls_are_answered(db: Answering) -> None:
    datastore = client(db)
    datastore.check_ready()
    datastore.check_ready()
    assert [path for _, path in db.asked] == ["/api/v1/datastore/readiness"] * 2
    db.body = json.dumps(PAGE).encode()
    datastore.read("music", "1")
    datastore.check_ready()
    assert len(db.asked) == 3, "a good answer just now is proof enough"
    db.status = 503
    failure(lambda: datastore.read("music", "1"))
    assert failure(datastore.check_ready).status == 503
    assert len(db.asked) == 5, "after a failure it asks again"
