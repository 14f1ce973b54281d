from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from servicekit import body, errors

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 5000
    errors.install(app)

    @app.post("/")
    def root() -> dict[str, Any]:
        return body.text_fields(body.json_object(), ["a", "b"])

    @app.get("/")
    def arguments() -> dict[str, Any]:
        return {"n": body.integer_argument("n", 7, 1, 10), "k": body.argument("k")}

    @app.post("/broken")
    def broken() -> dict[str, Any]:
        class Unreadable:
            def read(self, size: int = -1) -> bytes:
                raise ValueError("bad chunk")

        request.environ["wsgi.input"] = Unreadable()
        request.environ["CONTENT_LENGTH"] = "5"
        return body.json_object()

    return app.test_client()


def error(answer: TestResponse, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.get_json()) == ["error"]
    message: str = answer.get_json()["error"]
    return message


def test_fields_are_taken_and_others_left_out(client: FlaskClient) -> None:
    answer = client.post("/", json={"a": "Zoë 🎵", "b": "\u0000x", "c": 1})
    assert answer.get_json() == {"a": "Zoë 🎵", "b": "\u0000x"}


def test_every_wrong_field_is_named(client: FlaskClient) -> None:
    assert "missing field 'a'; missing field 'b'" in error(client.post("/", json={}), 400)
    assert "field 'b' must be a string" in error(client.post("/", json={"a": "x", "b": 1}), 400)
    assert "field 'b' must not be blank" in error(client.post("/", json={"a": "x", "b": " \n"}), 400)
    assert "field 'b' has more than 1024" in error(client.post("/", json={"a": "x", "b": "y" * 1025}), 400)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'"a"',
        b"\xff\xfe",
        b'{"a": NaN, "b": "x"}',
        b'{"a": "x", "a": "y", "b": "z"}',
        b'{"a": "\\ud800", "b": "x"}',
        b'{"a\\udfff": 1, "a": "x", "b": "x"}',
        b"[" * 4000,
        b'{"a":' * 800 + b"1" + b"}" * 800,
        b'{"n": ' + b"9" * 4900 + b"}",
        b'\xef\xbb\xbf{"a": "x", "b": "x"}',
    ],
)
def test_what_is_not_one_json_object_is_400(client: FlaskClient, raw: bytes) -> None:
    error(client.post("/", data=raw, headers=JSON), 400)


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonx"])
def test_other_content_types_are_415(client: FlaskClient, kind: str) -> None:
    error(client.post("/", data=b'{"a": "x", "b": "x"}', headers={"Content-Type": kind}), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"])
def test_json_content_types_are_taken(client: FlaskClient, kind: str) -> None:
    answer = client.post("/", data=b'{"a": "x", "b": "x"}', headers={"Content-Type": kind})
    assert answer.status_code == 200


def test_large_bodies_are_413_with_the_limit(client: FlaskClient) -> None:
    assert "5000 bytes" in error(client.post("/", data=b" " * 5001, headers=JSON), 413)


def test_a_body_that_cannot_be_read_is_400(client: FlaskClient) -> None:
    assert "could not be read" in error(client.post("/broken", headers=JSON), 400)


def test_arguments(client: FlaskClient) -> None:
    assert client.get("/?k=a%20b").get_json() == {"n": 7, "k": "a b"}
    assert client.get("/?k=a&n=10").get_json() == {"n": 10, "k": "a"}


@pytest.mark.parametrize(
    "query", ["", "k=", "k=1&k=2", "k=a&n=0", "k=a&n=11", "k=a&n=x", "k=a&n=", "k=a&n=1.0", "k=a&n=٣"]
)
def test_wrong_arguments_are_400_and_named(client: FlaskClient, query: str) -> None:
    assert "query parameter" in error(client.get(f"/?{query}"), 400)


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (5001, 413), (9000, 413)])
def test_the_bound_holds_for_chunks_too(client: FlaskClient, size: int, status: int) -> None:
    """What comes in chunks has no length that could be looked at before; it must not be cut and taken for bad JSON."""
    text = b'{"a": "x", "b": "y"}'
    answer = client.post(
        "/",
        headers=JSON,
        input_stream=io.BytesIO(text + b" " * (size - len(text))),
        environ_overrides={"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True},
    )
    assert answer.status_code == status, answer.text
    if status != 200:
        assert "larger than 5000 bytes" in error(answer, status)
