"""The emulator answers whoever has its key, and nobody else: no unsigned request, no forged one, no web page."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.credentials import ReadOnlyCredentials

from db.config import DynamoConfig
from db.dynamo import new_client
from db.lean import Signer
from tests.realservices import EMULATOR_KEY, NODE, ROOT, Emulator, base_env

TARGET = "DynamoDB_20120810.ListTables"
ID, SECRET = EMULATOR_KEY.values()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator"))
    started.start()
    yield started
    assert started.stop() == 0


def signed(
    emulator: Emulator, *, key: str = ID, secret: str = SECRET, body: str = "{}", token: str = "", late: float = 0
) -> dict[str, str]:
    """The headers of a request, as db signs it."""
    host = emulator.url.removeprefix("http://")
    lines = Signer(host, "us-west-2").headers(
        TARGET, body.encode(), ReadOnlyCredentials(key, secret, token or None), time.time() - late
    )
    return dict(line.split(":", 1) for line in lines.strip().split("\r\n"))


def post(emulator: Emulator, headers: dict[str, str], body: str = "{}", path: str = "/") -> requests.Response:
    return requests.post(emulator.url + path, body, headers=headers, timeout=10)


def test_whoever_has_the_key_is_answered(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for token in ("", "a-session"):
        answer = post(emulator, signed(emulator, token=token))
        assert (answer.status_code, answer.json()) == (200, {"TableNames": []})
    for name, value in EMULATOR_KEY.items():
        monkeypatch.setenv(name, value)
    assert new_client(DynamoConfig(endpoint=emulator.url)).list_tables()["TableNames"] == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"key": "another"}, "UnrecognizedClientException"),
        ({"secret": "another"}, "InvalidSignatureException"),
        ({"body": '{"Limit": 1}'}, "InvalidSignatureException"),  # signed for another body
        ({"late": 301}, "InvalidSignatureException"),
        ({"late": -301}, "InvalidSignatureException"),
    ],
)
def test_a_wrong_signature_is_refused(emulator: Emulator, change: dict[str, Any], error: str) -> None:
    refused(post(emulator, signed(emulator, **change)), error)


def test_what_is_signed_is_the_whole_request(emulator: Emulator) -> None:
    headers = signed(emulator)
    refused(post(emulator, headers | {"x-amz-target": "DynamoDB_20120810.DeleteTable"}), "InvalidSignatureException")
    refused(post(emulator, headers | {"host": "evil.example"}), "InvalidSignatureException")
    refused(post(emulator, headers, path="/?X-Amz-Algorithm=a"), "InvalidSignatureException")
    proof = headers["authorization"]
    for wrong in (
        proof.replace("host;", ""),
        proof.replace(";x-amz-target", ""),
        proof.replace("host;", "host;x-absent;"),
        proof.replace("/dynamodb/", "/s3/"),
        proof.split("Signature=")[0] + "Signature=a",
        "AWS4-HMAC-SHA256 ",
        "Bearer x",
    ):
        refused(post(emulator, headers | {"authorization": wrong}), "IncompleteSignatureException")
    unsigned = {name: value for name, value in headers.items() if name != "authorization"}
    refused(post(emulator, unsigned), "MissingAuthenticationTokenException")
    refused(
        post(emulator, unsigned, path="/?X-Amz-Algorithm=a&X-Amz-Date=a"), "MissingAuthenticationTokenException"
    )


def refused(answer: requests.Response, error: str) -> None:
    assert (answer.status_code, answer.json()["__type"].partition("#")[2]) == (400, error)
    assert "TableNames" not in answer.text


def test_what_is_too_large_is_not_kept(emulator: Emulator) -> None:
    body = json.dumps({"x": "y" * (17 << 20)})
    with contextlib.suppress(requests.ConnectionError):  # cut while the rest was sent
        assert post(emulator, signed(emulator, body=body), body).status_code == 413
    assert post(emulator, signed(emulator)).status_code == 200, "it runs on"


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
def test_no_web_page_is_answered(emulator: Emulator, method: str) -> None:
    """A browser says where a request is from; dynalite itself allows every origin."""
    for origin in ("http://evil.example", emulator.url, "null"):
        headers = {**signed(emulator), "Origin": origin}
        answer = requests.request(method, emulator.url, data="{}", headers=headers, timeout=10)
        assert answer.status_code == 403
        assert [name for name in answer.headers if name.lower().startswith("access-control")] == []


def test_health_is_told_to_everybody(emulator: Emulator) -> None:
    answer = requests.get(emulator.url, timeout=10)
    assert (answer.status_code, answer.text.strip()) == (200, "healthy: dynamodb.us-east-1.amazonaws.com")
    assert requests.delete(emulator.url, timeout=10).status_code == 400


def test_without_a_key_it_does_not_start(tmp_path: Path) -> None:
    argv = [str(NODE), "dynamodb/main.js", "--port", "0", "--path", str(tmp_path / "data")]
    done = subprocess.run(argv, cwd=ROOT, env=base_env(tmp_path), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are missing" in done.stderr
