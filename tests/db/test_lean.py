"""The lean client and boto3's, side by side: the same calls to the same server must end the same way."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from db import lean
from db.config import CLIENTS, DynamoConfig
from db.dynamo import item_client
from db.lean import LeanDynamo, Signer
from tests.answering import Answering, answering, cut

ITEM = {"Item": {"music_id": {"S": "1"}, "Artist": {"S": "Zoë"}}}
KEY = {"TableName": "Music-x", "Key": {"music_id": {"S": "1"}}}
ATTEMPTS = 3
NOW = 1_800_000_000.0


KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def server() -> Iterator[Answering]:
    with answering() as state:
        state.body = json.dumps(ITEM).encode()
        yield state


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither this machine's credentials nor its settings."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in KEYS:
        monkeypatch.setenv(name, "tests")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(params=CLIENTS)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the waits between two tries
    chosen: str = request.param
    return chosen


def client(server: Answering, name: str, **settings: Any) -> Any:
    made = item_client(DynamoConfig(endpoint=server.url, client=name, attempts=ATTEMPTS, **settings))
    assert isinstance(made, LeanDynamo) == (name == "lean")
    return made


def failing(times: int, status: int, body: bytes) -> Callable[[Answering], Callable[[BaseHTTPRequestHandler], bool]]:
    """What the first `times` requests get."""

    def before(server: Answering) -> Callable[[BaseHTTPRequestHandler], bool]:
        good = server.body

        def choose(handler: BaseHTTPRequestHandler) -> bool:
            failed = len(server.asked) <= times
            server.status, server.body = (status, body) if failed else (200, good)
            return True

        return choose

    return before


def problem(code: str) -> bytes:
    return json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "because"}).encode()


@pytest.mark.parametrize("token", [None, "a/token+="])
def test_the_signature_is_botocores(token: str | None) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    body, target, host = json.dumps(KEY).encode(), "DynamoDB_20120810.GetItem", "dynamodb.eu-west-1.amazonaws.com"
    signer = Signer(host, "eu-west-1")
    for day in range(3):  # the key changes with the day
        now = NOW + day * 86400
        lines = signer.headers(target, body, credentials.get_frozen_credentials(), now)
        ours = dict(line.split(":", 1) for line in lines.strip().split("\r\n"))
        request = AWSRequest("POST", f"https://{host}/", data=body)
        request.headers["Content-Type"] = ours["content-type"]
        request.headers["X-Amz-Target"] = target
        sign_at(now, request, credentials)
        assert ours["authorization"] == request.headers["Authorization"]
        assert ours.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token") == token


def sign_at(now: float, request: AWSRequest, credentials: Credentials) -> None:
    """botocore's own signature, at that time."""
    with mock.patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(now, UTC)):
        SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(request)


def test_the_same_request_and_answer(server: Answering) -> None:
    answers = [client(server, each).get_item(**KEY)["Item"] for each in CLIENTS]
    assert answers == [ITEM["Item"]] * 2
    ours, theirs = server.headers
    assert [json.loads(body) for body in server.bodies] == [KEY, KEY]
    for header in ("x-amz-target", "content-type", "host", "content-length"):
        assert ours[header] == theirs[header]


def test_connections_are_used_again(server: Answering, name: str) -> None:
    made = client(server, name)
    for _ in range(5):
        made.get_item(**KEY)
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, problem("ProvisionedThroughputExceededException")),
        (400, problem("ThrottlingException")),
        (500, problem("InternalServerError")),
        (503, b"<html>nobody home</html>"),
    ],
)
def test_what_may_be_tried_again_is(server: Answering, name: str, status: int, body: bytes) -> None:
    server.before = failing(2, status, body)(server)
    assert client(server, name).get_item(**KEY)["Item"] == ITEM["Item"]
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize(
    ("status", "code", "asked"),
    [
        (400, "ProvisionedThroughputExceededException", ATTEMPTS),
        (500, "InternalServerError", ATTEMPTS),
        (400, "ConditionalCheckFailedException", 1),
        (400, "ResourceNotFoundException", 1),
        (400, "ValidationException", 1),
        (403, "AccessDeniedException", 1),
    ],
)
def test_errors_are_of_the_same_kind_after_as_many_tries(
    server: Answering, name: str, status: int, code: str, asked: int
) -> None:
    server.before = failing(99, status, problem(code))(server)
    with pytest.raises(ClientError) as error:
        client(server, name).put_item(TableName="Music-x", Item=ITEM["Item"])
    assert error.value.response["Error"] == {"Code": code, "Message": "because"}
    assert error.value.operation_name == "PutItem"
    assert len(server.asked) == asked


def test_a_connection_that_is_cut_is_tried_again(server: Answering, name: str) -> None:
    server.before = lambda handler: cut(handler) if len(server.asked) == 1 else True
    assert client(server, name).get_item(**KEY)["Item"] == ITEM["Item"]
    server.asked.clear()
    server.before = cut
    with pytest.raises(ConnectionClosedError):
        client(server, name).get_item(**KEY)
    assert len(server.asked) == ATTEMPTS


def test_no_answer_in_time(server: Answering, name: str) -> None:
    done = threading.Event()
    server.before = lambda handler: done.wait(20)
    try:
        with pytest.raises(ReadTimeoutError):
            client(server, name, read_timeout=0.2).get_item(**KEY)
    finally:
        done.set()
    assert len(server.asked) == ATTEMPTS


def test_an_answer_with_a_wrong_checksum_is_asked_for_again(server: Answering, name: str) -> None:
    def checksum(handler: BaseHTTPRequestHandler) -> bool:
        right = zlib.crc32(server.body)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(server.body)))
        handler.send_header("x-amz-crc32", str(right + 1 if len(server.asked) == 1 else right))
        handler.end_headers()
        handler.wfile.write(server.body)
        return False

    server.before = checksum
    assert client(server, name).get_item(**KEY)["Item"] == ITEM["Item"]
    assert len(server.asked) == 2


def test_throttling_is_waited_for_as_boto3_does(server: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr("random.random", lambda: 0.5)
    server.before = failing(1, 400, problem("ThrottlingException"))(server)
    client(server, "lean").get_item(**KEY)
    server.asked.clear()
    server.before = failing(1, 500, b"")(server)
    client(server, "lean").get_item(**KEY)
    assert waits == [0.5 * lean.THROTTLED_BACKOFF, 0.5 * lean.BACKOFF]


def test_credentials_that_end_are_renewed(
    server: Answering, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that hands out credentials, as a role does: each of its keys has less than its time of grace left."""
    script = tmp_path / "hand-out"
    script.write_text(
        "#!/bin/sh\n"
        f"echo x >> {tmp_path}/count\n"
        f'n=$(wc -l < {tmp_path}/count | tr -d " ")\n'
        'ends=$(date -u -d "+60 seconds" +%Y-%m-%dT%H:%M:%SZ)\n'
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"KEY$n\\", \\"SecretAccessKey\\": \\"s\\",'
        ' \\"SessionToken\\": \\"T$n\\", \\"Expiration\\": \\"$ends\\"}"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {script}\n")
    for variable in KEYS:
        monkeypatch.delenv(variable)
    made = client(server, name)
    made.get_item(**KEY)
    made.get_item(**KEY)
    first, second = ((each["authorization"].split("/")[0], each["x-amz-security-token"]) for each in server.headers)
    assert first != second
    assert second[0].removeprefix("AWS4-HMAC-SHA256 Credential=KEY") == second[1].removeprefix("T")


def test_no_credentials_at_all(server: Answering, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in KEYS:
        monkeypatch.delenv(variable)
    with pytest.raises(NoCredentialsError):
        client(server, name).get_item(**KEY)
    assert server.asked == []


def test_tls_is_verified(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "server.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {own.with_suffix('.key')} -out {own} -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, own.with_suffix(".key"))
    with answering(context) as server:
        server.body = json.dumps(ITEM).encode()
        with pytest.raises(SSLError):
            client(server, name).get_item(**KEY)
        assert server.asked == []
        monkeypatch.setenv("AWS_CA_BUNDLE", str(own))
        trusting = client(server, name)
        for _ in range(3):
            assert trusting.get_item(**KEY)["Item"] == ITEM["Item"]
        assert len(server.connections) == 1
