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
from servicekit.auth import Tokens, bearer_token, token_required
from servicekit.config import AuthConfig
from servicekit.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]
SECRET = "0123456789abcdef0123456789abcdef"
TOKENS = Tokens(AuthConfig(SECRET, lifetime=60))


@pytest.fixture
def client() -> FlaskClient:
    app = Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    errors.install(app)
    auth.install(app, TOKENS)

    @app.get("/")
    @token_required
    def root() -> str:
        return "let in"

    return app.test_client()


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_issued_token_is_verified() -> None:
    claims = TOKENS.verify(TOKENS.issue("u1"))
    assert claims["user_id"] == claims["sub"] == "u1"
    assert claims["exp"] - claims["iat"] == 60


FORGED = {
    "empty": "",
    "not a token": "abc",
    "other key": jwt.encode({"sub": "u", "exp": 2**31}, "x" * 32, "HS256"),
    "other algorithm": jwt.encode({"sub": "u", "exp": 2**31}, SECRET * 2, "HS512"),
    "unsigned": f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment({'sub': 'u', 'exp': 2**31})}.",
    "without exp": jwt.encode({"sub": "u"}, SECRET, "HS256"),
    "without sub": jwt.encode({"exp": 2**31}, SECRET, "HS256"),
    "exp as text": jwt.encode({"sub": "u", "exp": "soon"}, SECRET, "HS256"),
    "exp without end": jwt.encode({"sub": "u", "exp": 1e400}, SECRET, "HS256"),
    "sub as number": jwt.encode({"sub": 1, "exp": 2**31}, SECRET, "HS256"),
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


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer  a", "Bearer a,b", "Bearer é"]
)
def test_other_headers_are_401(header: str | None) -> None:
    with pytest.raises(ServiceError) as error:
        bearer_token(header)
    assert error.value.status == 401


def test_command_prints_a_token_that_verifies() -> None:
    env = {**os.environ, "JWT_SECRET": SECRET, "TOKEN_SECONDS": "120"}
    made = subprocess.run(
        [sys.executable, "-m", "servicekit.token", "me"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    claims = TOKENS.verify(made.stdout.strip())
    assert claims["sub"] == "me"
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
