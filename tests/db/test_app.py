"""db over the real wire protocol: create_app with the emulator behind it."""

from __future__ import annotations

import socket
import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient

from db.app import create_app
from db.config import CLIENTS, DbConfig, DynamoConfig
from tests.realservices import LOADER_TOKEN, SUFFIX, Chain, bearer

P = "/api/v1/datastore"


def config(url: str, suffix: str = SUFFIX, **settings: Any) -> DbConfig:
    dynamo = DynamoConfig(endpoint=url, table_suffix=suffix, attempts=2, **settings)
    return DbConfig(loader_token=LOADER_TOKEN, dynamo=dynamo)


@pytest.fixture(scope="module", params=CLIENTS)
def client(chain: Chain, request: pytest.FixtureRequest) -> FlaskClient:
    return create_app(config(chain.emulator.url, client=request.param)).test_client()


def write(client: FlaskClient, **attributes: Any) -> str:
    answer = client.post(f"{P}/write", json={"objtype": "music", **attributes})
    assert answer.status_code == 200, answer.text
    assert list(answer.get_json()) == ["music_id"]
    key: str = answer.get_json()["music_id"]
    return key


def read(client: FlaskClient, key: str) -> Any:
    return client.get(f"{P}/read", query_string={"objtype": "music", "objkey": key})


def update(client: FlaskClient, key: str, body: Any) -> Any:
    return client.put(f"{P}/update", query_string={"objtype": "music", "objkey": key}, json=body)


def error(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.get_json()) == ["error"]
    message: str = answer.get_json()["error"]
    return message


def test_write_read_update_delete(client: FlaskClient) -> None:
    key = write(client, Artist="A", SongTitle="T")
    assert str(uuid.UUID(key)) == key
    assert read(client, key).get_json() == {"Items": [{"music_id": key, "Artist": "A", "SongTitle": "T"}], "Count": 1}
    assert update(client, key, {"Artist": "B", "Year": 1999}).status_code == 200
    assert read(client, key).get_json()["Items"] == [{"music_id": key, "Artist": "B", "SongTitle": "T", "Year": 1999}]
    where = {"objtype": "music", "objkey": key}
    assert client.delete(f"{P}/delete", query_string=where).status_code == 200
    error(read(client, key), 404)
    error(client.delete(f"{P}/delete", query_string=where), 404)


def test_an_update_never_creates(client: FlaskClient) -> None:
    key = str(uuid.uuid4())
    error(update(client, key, {"Artist": "B"}), 404)
    error(read(client, key), 404)


ODD_NAMES = ["Name", "size", "Count", "SET", "#a0", ":a0", "a.b", "a[0]", "a b", "é🎵", "\x00", "'", '"', "exists(x)"]


def test_names_and_values_are_data(client: FlaskClient) -> None:
    """Reserved words and what looks like an expression are stored like any other text."""
    attributes = {name: f"{name} = :a0, #key" for name in ODD_NAMES}
    key = write(client, Artist="A")
    assert update(client, key, attributes).status_code == 200
    assert read(client, key).get_json()["Items"] == [{"music_id": key, "Artist": "A", **attributes}]


def test_the_key_cannot_be_changed(client: FlaskClient) -> None:
    key = write(client, Artist="A")
    assert "music_id" in error(update(client, key, {"music_id": "other"}), 400)
    assert "music_id" in error(client.post(f"{P}/write", json={"objtype": "music", "music_id": "x"}), 400)
    # the key of another kind is an attribute like any other
    assert update(client, key, {"user_id": "u"}).status_code == 200


def test_an_update_changes_all_or_nothing(client: FlaskClient) -> None:
    key = write(client, Artist="A")
    error(update(client, key, {"Artist": "B", "bad": 1e300}), 400)
    assert read(client, key).get_json()["Items"] == [{"music_id": key, "Artist": "A"}]


def test_too_large_items_are_413(client: FlaskClient) -> None:
    large = "x" * (401 * 1024)
    error(client.post(f"{P}/write", json={"objtype": "music", "a": large}), 413)
    key = write(client, a="x" * (300 * 1024))
    error(update(client, key, {"b": "x" * (200 * 1024)}), 413)
    error(client.post(f"{P}/write", json={"objtype": "music", "a": "x" * (1024 * 1024)}), 413)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"objtype": "music"},
        {"objkey": "x"},
        {"objtype": "Music", "objkey": "x"},
        {"objtype": "", "objkey": "x"},
        {"objtype": "music", "objkey": ""},
        {"objtype": "music", "objkey": "x" * 256},
        {"objtype": ["music", "user"], "objkey": "x"},
    ],
)
def test_wrong_parameters_are_400_everywhere(client: FlaskClient, query: dict[str, Any]) -> None:
    error(client.get(f"{P}/read", query_string=query), 400)
    error(client.put(f"{P}/update", query_string=query, json={"a": 1}), 400)
    error(client.delete(f"{P}/delete", query_string=query), 400)


@pytest.mark.parametrize("objtype", [None, 1, [], {}, "", "song"])
def test_an_unknown_objtype_is_400(client: FlaskClient, objtype: Any) -> None:
    assert "objtype" in error(client.post(f"{P}/write", json={"objtype": objtype, "a": 1}), 400)


def test_a_write_needs_attributes(client: FlaskClient) -> None:
    error(client.post(f"{P}/write", json={"objtype": "music"}), 400)
    error(update(client, write(client, a=1), {}), 400)


def test_keys_of_odd_characters(client: FlaskClient) -> None:
    for key in ("a/b", "..", "%00", "\x00", "é🎵", "a b+c", "' OR 1=1", "readiness"):
        body = {"objtype": "music", "uuid": key, "Artist": key}
        assert client.post(f"{P}/load", json=body, headers=bearer(LOADER_TOKEN)).get_json() == {"music_id": key}
        assert read(client, key).get_json()["Items"] == [{"music_id": key, "Artist": key}]


def test_load_needs_the_loaders_credential(client: FlaskClient) -> None:
    key = f"load-{uuid.uuid4()}"
    body = {"objtype": "music", "uuid": key, "Artist": "A"}
    for headers in ({}, bearer("x" * 40), bearer(LOADER_TOKEN + "x"), {"Authorization": f"Basic {LOADER_TOKEN}"}):
        error(client.post(f"{P}/load", json=body, headers=headers), 401)
    error(read(client, key), 404)
    for _ in range(2):
        answer = client.post(f"{P}/load", json=body, headers=bearer(LOADER_TOKEN))
        assert (answer.status_code, answer.get_json()) == (200, {"music_id": key})
    assert read(client, key).get_json()["Items"] == [{"music_id": key, "Artist": "A"}]


@pytest.mark.parametrize("more", [{}, {"uuid": 1}, {"uuid": ""}, {"uuid": "x" * 256}, {"uuid": "x", "music_id": "y"}])
def test_load_wants_a_uuid(client: FlaskClient, more: dict[str, Any]) -> None:
    error(client.post(f"{P}/load", json={"objtype": "music", "a": 1, **more}, headers=bearer(LOADER_TOKEN)), 400)


def test_pages_together_are_everything_once(client: FlaskClient) -> None:
    wrote = {write(client, n=n, pad="x" * 60_000) for n in range(25)}  # over 1 MB: DynamoDB ends its own page before
    seen: list[str] = []
    query: dict[str, Any] = {"objtype": "music", "limit": 20}
    while True:
        page = client.get(f"{P}/list", query_string=query).get_json()
        assert page["Count"] == len(page["Items"]) <= 20
        seen += [item["music_id"] for item in page["Items"]]
        if page["Count"] < 20:
            break
        query["start"] = seen[-1]
    assert len(seen) == len(set(seen))
    assert wrote <= set(seen)


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", ""])
def test_a_wrong_limit_is_400(client: FlaskClient, limit: str) -> None:
    error(client.get(f"{P}/list", query_string={"objtype": "music", "limit": limit}), 400)


def test_missing_tables_are_told_with_their_cure(chain: Chain) -> None:
    client = create_app(config(chain.emulator.url, "nowhere")).test_client()
    for answer in (read(client, "x"), update(client, "x", {"a": 1}), client.get(f"{P}/readiness")):
        message = error(answer, 503)
        assert "Music-nowhere" in message
        assert "dynamodb-init" in message
    assert client.get(f"{P}/health").status_code == 200


def test_no_dynamodb_is_503_and_no_answer_504() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        refused = create_app(config(url)).test_client()
        error(read(refused, "x"), 503)
        error(refused.get(f"{P}/readiness"), 503)
        silent.listen()  # accepts, and never answers
        mute = create_app(config(url, read_timeout=0.2)).test_client()
        error(read(mute, "x"), 504)
        error(mute.post(f"{P}/write", json={"objtype": "music", "a": 1}), 504)
        error(mute.get(f"{P}/readiness"), 503)


def test_ready_with_all_tables(client: FlaskClient) -> None:
    assert client.get(f"{P}/readiness").get_json() == {"status": "ready"}
