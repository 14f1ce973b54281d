"""The user service over the whole chain."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.realservices import Chain, Service, bearer, front_env, operator_token, wait_for

USER = {"fname": "Ada", "lname": "Novak", "email": "ada@example.org"}
TOKEN = operator_token()


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


def token_of(s1: Service, key: str) -> dict[str, str]:
    login = call(s1, "PUT", "/login", json={"uid": key})
    assert login.status_code == 200
    return bearer(login.text)


def test_a_user_changes_and_deletes_itself_only(s1: Service) -> None:
    mine, other = create(s1), create(s1)
    token = token_of(s1, mine)
    assert "itself only" in error(call(s1, "PUT", f"/{other}", headers=token, json=USER), 403)
    assert "itself only" in error(call(s1, "DELETE", f"/{other}", headers=token), 403)
    error(call(s1, "DELETE", "/no-such-user", headers=token), 403)
    assert call(s1, "GET", f"/{other}", headers=token).json()["Items"] == [{"user_id": other, **USER}]
    assert call(s1, "PUT", f"/{mine}", headers=token, json=USER).status_code == 200
    assert call(s1, "PUT", f"/{other}", headers=TOKEN, json=USER).status_code == 200, "an operator changes everybody"
    assert call(s1, "DELETE", f"/{other}", headers=TOKEN).status_code == 200
    assert call(s1, "DELETE", f"/{mine}", headers=token).status_code == 200


def test_a_deleted_users_token_ends_at_both_services(chain: Chain, tmp_path: Path) -> None:
    env = front_env(chain.db) | {"TOKEN_CHECK_SECONDS": "1"}
    s1 = Service("s1", "/api/v1/user", tmp_path / "s1", env)
    s2 = Service("s2/v1", "/api/v1/music", tmp_path / "s2", env)
    try:
        key = create(s1.start())
        token = token_of(s1, key)
        urls = f"{s1.url}/{key}", f"{s2.start().url}/"
        assert [requests.get(url, headers=token, timeout=10).status_code for url in urls] == [200, 200]
        assert call(s1, "DELETE", f"/{key}", headers=TOKEN).status_code == 200
        for url in urls:
            wait_for(lambda url=url: requests.get(url, headers=token, timeout=10).status_code == 401, f"401 of {url}")  # type: ignore[misc]
        error(call(s1, "PUT", "/logoff", json={"jwt": token["Authorization"].split()[1]}), 401)
    finally:
        s1.stop()
        s2.stop()


def test_a_password_is_asked_for_where_it_was_set(s1: Service, chain: Chain) -> None:
    made = call(s1, "POST", json={**USER, "password": "an open secret"})
    key = made.json()["user_id"]
    for wrong in ({}, {"password": "another"}):
        assert "password" in error(call(s1, "PUT", "/login", json={"uid": key, **wrong}), 401)
    login = call(s1, "PUT", "/login", json={"uid": key, "password": "an open secret"})
    assert login.status_code == 200
    token = bearer(login.text)
    assert call(s1, "GET", f"/{key}", headers=token).json() == {"Items": [{"user_id": key, **USER}], "Count": 1}
    kept = requests.get(f"{chain.db.url}/read", params={"objtype": "user", "objkey": key}, timeout=10).text
    assert "scrypt:" in kept
    assert "open secret" not in kept
    # Changed by its owner; left alone by a change of something else.
    assert call(s1, "PUT", f"/{key}", headers=token, json={**USER, "password": "a new one"}).status_code == 200
    assert call(s1, "PUT", f"/{key}", headers=token, json=USER).status_code == 200
    error(call(s1, "PUT", "/login", json={"uid": key, "password": "an open secret"}), 401)
    assert call(s1, "PUT", "/login", json={"uid": key, "password": "a new one"}).status_code == 200


def test_a_password_is_a_text_and_without_one_none_is_asked_for(s1: Service) -> None:
    for odd in (7, None, "", " ", "x" * 1025):
        assert "password" in error(call(s1, "POST", json={**USER, "password": odd}), 400)
    key = create(s1)
    assert call(s1, "PUT", "/login", json={"uid": key, "password": "any"}).status_code == 200
    named = {**USER, "fname": "password_hash"}  # a value that looks like the attribute
    made = call(s1, "POST", json=named).json()["user_id"]
    assert call(s1, "GET", f"/{made}", headers=TOKEN).json()["Items"] == [{"user_id": made, **named}]
    assert call(s1, "PUT", "/login", json={"uid": made}).status_code == 200


def test_words_of_the_service_are_no_ids(s1: Service) -> None:
    for path in ("/login", "/logoff", "/health", "/readiness"):
        assert call(s1, "DELETE", path, headers=TOKEN).status_code == 405
    answer = call(s1, "GET", "/login", headers=TOKEN)
    assert set(answer.headers["Allow"].split(", ")) == {"PUT", "OPTIONS"}
    error(answer, 405)
