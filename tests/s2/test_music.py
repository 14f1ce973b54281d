"""The music service, both versions, over the whole chain: gunicorn s2, gunicorn db, emulator."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from tests.realservices import Chain, Service, operator_token

TOKEN = operator_token()


@pytest.fixture(scope="module", params=["v1", "v2"])
def s2(chain: Chain, request: pytest.FixtureRequest) -> Service:
    return chain.s2 if request.param == "v1" else chain.s2_v2


def call(s2: Service, method: str, path: str = "/", **more: Any) -> requests.Response:
    return requests.request(method, s2.url + path, **{"headers": TOKEN, "timeout": 10, **more})


def error(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    message: str = answer.json()["error"]
    return message


def test_create_list_delete(s2: Service) -> None:
    made = call(s2, "POST", json={"Artist": "The Foxes", "SongTitle": "Zoë 🎵"})
    assert (made.status_code, list(made.json())) == (200, ["music_id"])
    key = made.json()["music_id"]
    assert str(uuid.UUID(key)) == key
    for path in ("/", ""):  # with and without the slash, and never a redirect
        page = call(s2, "GET", path, params={"limit": 1000}, allow_redirects=False).json()
        assert page["Count"] == len(page["Items"])
        assert {"music_id": key, "Artist": "The Foxes", "SongTitle": "Zoë 🎵"} in page["Items"]
    assert call(s2, "DELETE", f"/{key}").json() == {}
    error(call(s2, "DELETE", f"/{key}"), 404)


def test_pages(s2: Service) -> None:
    made = {call(s2, "POST", json={"Artist": "A", "SongTitle": str(n)}).json()["music_id"] for n in range(5)}
    seen: list[str] = []
    start: dict[str, str] = {}
    while True:
        page = call(s2, "GET", params={"limit": "2", **start}).json()
        seen += [song["music_id"] for song in page["Items"]]
        if page["Count"] < 2:
            break
        start = {"start": seen[-1]}
    assert len(seen) == len(set(seen))
    assert made <= set(seen)
    for key in made:
        call(s2, "DELETE", f"/{key}")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("POST", "/"), ("GET", "/some-id"), ("DELETE", "/some-id")]
)
def test_everything_needs_a_token(s2: Service, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": TOKEN["Authorization"] + "x"}):
        error(call(s2, method, path, headers=headers), 401)


def test_but_health_and_readiness(s2: Service) -> None:
    for path in ("/health", "/readiness", "/openapi.json"):
        assert call(s2, "GET", path, headers={}).status_code == 200
    assert requests.get(f"{s2.base}/metrics", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [({}, "Artist"), ({"Artist": "A"}, "SongTitle"), ({"Artist": 1, "SongTitle": "T"}, "Artist"), ([], "object")],
)
def test_malformed_songs_are_400(s2: Service, body: Any, named: str) -> None:
    assert named in error(call(s2, "POST", json=body), 400)


def test_other_wrong_requests(s2: Service) -> None:
    error(call(s2, "POST", data="{}"), 415)
    error(call(s2, "POST", json={"Artist": "A" * 2**21, "SongTitle": "T"}), 413)
    error(call(s2, "GET", "/" + "x" * 256), 400)
    error(call(s2, "GET", params={"limit": "many"}), 400)
    error(call(s2, "PATCH", "/some-id"), 405)
    error(requests.get(s2.base + "/elsewhere", timeout=5), 404)


def test_the_request_id_goes_all_the_way(chain: Chain) -> None:
    name = f"id-{uuid.uuid4()}"
    answer = call(chain.s2, "GET", "/some-id", headers={**TOKEN, "X-Request-Id": name})
    assert answer.headers["X-Request-Id"] == name
    for service in (chain.s2, chain.db):
        assert f'"request_id": "{name}"' in service.process.output
