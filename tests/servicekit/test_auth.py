from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from servicekit import auth, errors
from servicekit.auth import AUDIENCE, ISSUER, Tokens, bearer_token, owner_required, token_required
from servicekit.config import AuthConfig
from servicekit.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
TOKENS = Tokens(AuthConfig(SECRET, lifetime=60))


def bare_app() -> Flask:
    """An application that knows the tokens, and has no view yet."""
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    errors.install(app)
    auth.install(app, TOKENS)
    return app


@pytest.fixture
def client() -> FlaskClient:
    app = bare_app()

    @app.get("/")
    @token_required
    def root() -> str:
        return "let in"

    return app.test_client()


def signed(key: str = SECRET, algorithm: str = "HS256", **changes: object) -> str:
    """A token that is right but for the `changes`; None takes a claim out."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "exp": 2**31, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_what_is_forged_below_is_right_but_for_one_thing() -> None:
    assert TOKENS.verify(signed())["sub"] == "u"


def test_issued_token_is_verified() -> None:
    claims = TOKENS.verify(TOKENS.issue("u1"))
    assert claims["user_id"] == claims["sub"] == "u1"
    assert claims["exp"] - claims["iat"] == 60


FORGED = {
    "empty": "",
    "not a token": "abc",
    "other key": signed("x" * 32),
    "other algorithm": signed(SECRET * 2, "HS512"),
    "unsigned": f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment({'sub': 'u', 'exp': 2**31})}.",
    "without exp": signed(exp=None),
    "without sub": signed(sub=None),
    "without aud": signed(aud=None),
    "other aud": signed(aud="other"),
    "without iss": signed(iss=None),
    "other iss": signed(iss="other"),
    "exp as text": signed(exp="soon"),
    "exp without end": signed(exp=1e400),
    "sub as number": signed(sub=1),
    "header is a list": f"{segment([])}.{segment({})}.x",
    "expired": TOKENS.issue("u", now=time.time() - 61),
}


@pytest.mark.parametrize("name", FORGED)
def test_bad_tokens_are_401(client: FlaskClient, name: str) -> None:
    with pytest.raises(ServiceError) as error:
        TOKENS.verify(FORGED[name])
    assert error.value.status == 401
    answer = client.get("/", headers={"Authorization": f"Bearer {FORGED[name]}"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert list(answer.get_json()) == ["error"]


def test_good_token_is_let_in(client: FlaskClient) -> None:
    token = TOKENS.issue("u")
    assert client.get("/", headers={"Authorization": f"Bearer {token}"}).text == "let in"
    assert client.get("/", headers={"Authorization": f"bearer {token}"}).text == "let in"


def test_a_user_may_change_itself_and_an_operator_everybody() -> None:
    app = bare_app()

    @app.get("/<user_id>")
    @owner_required
    def one(user_id: str) -> str:
        return user_id

    def status(path: str, token: str) -> int:
        return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    assert status("/u1", TOKENS.issue("u1")) == 200
    assert status("/u2", TOKENS.issue("u1")) == 403
    assert status("/operator", TOKENS.issue("u1")) == 403
    assert status("/u1", TOKENS.issue("operator")) == 403, "the name alone makes no operator"
    assert status("/u1", TOKENS.issue("operator", operator=True)) == 200
    assert status("/u1", "none") == 401


class Users:
    """The datastore's users, as far as tokens need them; `asked` counts."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked = 0
        self.problem: ServiceError | None = None

    def find(self, user_id: str) -> None:
        self.asked += 1
        if self.problem:
            raise self.problem
        if user_id not in self.names:
            raise ServiceError(404, "no such user")


def test_a_users_token_ends_with_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    users = Users("u")
    tokens = Tokens(AuthConfig(SECRET), users.find)
    token = tokens.issue("u")
    assert AuthConfig(SECRET).check_seconds < 60 - 10, "within a minute, the time that db may take included"
    for _ in range(3):
        assert tokens.verify(token)["sub"] == "u"
    assert users.asked == 1, "what is remembered costs nothing"
    users.names.clear()
    now += AuthConfig(SECRET).check_seconds - 1
    tokens.verify(token)
    now += 1
    with pytest.raises(ServiceError, match="does not exist any more") as error:
        tokens.verify(token)
    assert error.value.status == 401
    with pytest.raises(ServiceError, match="does not exist any more"):
        tokens.verify(token)


def test_a_token_of_nobody_is_401_and_a_datastore_that_is_away_is_503() -> None:
    users = Users()
    tokens = Tokens(AuthConfig(SECRET), users.find)
    for status, seen in ((404, 401), (400, 401), (503, 503), (504, 504), (502, 502)):
        users.problem = ServiceError(status, "so it is")
        with pytest.raises(ServiceError) as error:
            tokens.verify(tokens.issue("u"))
        assert error.value.status == seen
    users.problem, users.asked = None, 0
    tokens.verify(tokens.issue("nobody", operator=True))
    assert users.asked == 0, "an operator is no user"


OLD, NEXT = "the-key-before-this-one-of-more-than-32", "the-key-after-this-one-of-more-than-32-"


def test_the_last_key_and_the_next_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    tokens = Tokens(AuthConfig(SECRET, lifetime=60, next_secret=NEXT, old_secrets={OLD: now - 20}))
    old, coming = (Tokens(AuthConfig(key, lifetime=3600)).issue("u") for key in (OLD, NEXT))
    assert tokens.verify(coming)["sub"] == "u"
    assert jwt.decode(tokens.issue("u"), SECRET, ["HS256"], audience=AUDIENCE), "it signs with its own"
    assert tokens.verify(old)["sub"] == "u"
    now += 39
    tokens.verify(old)
    now += 1
    for _ in range(2):  # remembered or not: whoever has an old key could sign for any time
        with pytest.raises(ServiceError, match="key has been replaced"):
            tokens.verify(old)
    tokens.verify(coming)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer  a", "Bearer a,b", "Bearer é"]
)
def test_other_headers_are_401(header: str | None) -> None:
    with pytest.raises(ServiceError) as error:
        bearer_token(header)
    assert error.value.status == 401


@pytest.mark.parametrize(("arguments", "subject", "scope"), [(["me"], "me", None), ([], "operator", "operator")])
def test_command_prints_a_token_that_verifies(arguments: list[str], subject: str, scope: str | None) -> None:
    env = {**os.environ, "JWT_SECRET": SECRET, "TOKEN_SECONDS": "120"}
    made = subprocess.run(
        [sys.executable, "-m", "servicekit.token", *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    claims = TOKENS.verify(made.stdout.strip())
    assert (claims["sub"], claims.get("scope")) == (subject, scope)
    assert claims["exp"] - claims["iat"] == 120


def test_command_without_secret_says_what_is_missing() -> None:
    env = {k: v for k, v in os.environ.items() if k != "JWT_SECRET"}
    made = subprocess.run(
        [sys.executable, "-m", "servicekit.token"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert made.returncode == 2
    assert made.stdout == ""
    assert "JWT_SECRET is not set" in made.stderr


def test_a_token_that_is_remembered_still_ends() -> None:
    tokens = Tokens(AuthConfig(SECRET, lifetime=60))
    end = time.time() + 1.5
    token = tokens.issue("u", now=end - 60)
    assert tokens.verify(token) is tokens.verify(token), "the second time it need not be verified"
    while time.time() < end:
        time.sleep(0.05)
    with pytest.raises(ServiceError, match="expired"):
        tokens.verify(token)


def test_what_is_remembered_is_bounded_and_belongs_to_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_REMEMBERED", 3)
    tokens = Tokens(AuthConfig(SECRET, lifetime=60))
    issued = [tokens.issue(f"u{number}") for number in range(10)]
    for token in issued:
        tokens.verify(token)
        assert len(tokens._verified) <= 3
    with pytest.raises(ServiceError):
        tokens.verify("forged")
    assert "forged" not in tokens._verified
    with pytest.raises(ServiceError):
        Tokens(AuthConfig("another key of more than thirty-two bytes")).verify(issued[-1])
