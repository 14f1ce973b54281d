"""The user service over the whole chain."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from tests.realservices import Chain, Service, bearer, user_token

USER = {"fname": "Ada", "lname": "Novak", "email": "ada@example.org"}
TOKEN = user_token()


@pytest.fixture(scope="module")
def s1(chain: Chain) -> Service:
    return chain.s1


def call(s1: Service, method: str, path: str = "/", **more: Any) -> requests.Response:
    return requests.request(method, s1.url + path, **{"timeout": 10, **more})


def error(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    message: str = answer.json()["error"]
    return message


def create(s1: Service) -> str:
    made = call(s1, "POST", json=USER)
    assert (made.status_code, list(made.json())) == (200, ["user_id"])
    key: str = made.json()["user_id"]
    return key


def test_the_life_of_a_user(s1: Service, chain: Chain) -> None:
    key = create(s1)
    assert str(uuid.UUID(key)) == key
    login = call(s1, "PUT", "/login", json={"uid": key})
    assert login.status_code == 200
    assert login.headers["Content-Type"].startswith("text/plain")
    token = bearer(login.text)
    assert call(s1, "GET", f"/{key}", headers=token).json() == {"Items": [{"user_id": key, **USER}], "Count": 1}
    assert requests.get(f"{chain.s2.url}/", headers=token, timeout=10).status_code == 200  # s2 takes s1's tokens
    changed = {**USER, "lname": "Berg"}
    assert call(s1, "PUT", f"/{key}", headers=token, json=changed).json() == {}
    assert call(s1, "GET", f"/{key}", headers=token).json()["Items"] == [{"user_id": key, **changed}]
    assert call(s1, "DELETE", f"/{key}", headers=token).json() == {}
    error(call(s1, "GET", f"/{key}", headers=token), 404)
    error(call(s1, "DELETE", f"/{key}", headers=token), 404)
    error(call(s1, "PUT", f"/{key}", headers=token, json=USER), 404)
    error(call(s1, "PUT", "/login", json={"uid": key}), 401)
    assert call(s1, "PUT", "/logoff", json={"jwt": login.text}).json() == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_users_need_a_token(s1: Service, method: str) -> None:
    error(call(s1, method, "/some-id", json=USER), 401)


@pytest.mark.parametrize("field", USER)
def test_every_field_is_needed(s1: Service, field: str) -> None:
    body = {name: value for name, value in USER.items() if name != field}
    assert field in error(call(s1, "POST", json=body), 400)
    assert field in error(call(s1, "PUT", "/some-id", json=body, headers=TOKEN), 400)


def test_login_wants_a_user(s1: Service) -> None:
    assert "uid" in error(call(s1, "PUT", "/login", json={}), 400)
    assert "uid" in error(call(s1, "PUT", "/login", json={"uid": 7}), 400)
    assert "uid" in error(call(s1, "PUT", "/login", json={"uid": "x" * 256}), 400)
    error(call(s1, "PUT", "/login", json={"uid": "nobody"}), 401)
    error(call(s1, "PUT", "/login", json={"uid": "../../etc"}), 401)


def test_logoff_wants_a_token(s1: Service) -> None:
    assert "jwt" in error(call(s1, "PUT", "/logoff", json={}), 400)
    assert "jwt" in error(call(s1, "PUT", "/logoff", json={"jwt": None}), 400)
    error(call(s1, "PUT", "/logoff", json={"jwt": "no.to.ken"}), 401)


def test_words_of_the_service_are_no_ids(s1: Service) -> None:
    for path in ("/login", "/logoff", "/health", "/readiness"):
        assert call(s1, "DELETE", path, headers=TOKEN).status_code == 405
    answer = call(s1, "GET", "/login", headers=TOKEN)
    assert set(answer.headers["Allow"].split(", ")) == {"PUT", "OPTIONS"}
    error(answer, 405)
