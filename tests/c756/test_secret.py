"""Secrets come from the environment or from chance, never through a file or an argument."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from c756 import secret
from c756.trouble import Trouble
from tests.conftest import StandIns

SECRETS = (".venv/bin/python", "-m", "c756", "secrets")
GIVEN = "a-key-from-the-environment-of-40-letters"


def decoded(manifest: str) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in json.loads(manifest)["data"].items()}


def test_auth_is_random_unless_given() -> None:
    first, second = secret.auth({}), secret.auth({})
    assert first.keys() == {"jwt-secret", "loader-token"}
    assert len({*first.values(), *second.values()}) == 4
    assert secret.auth({"JWT_SECRET": GIVEN})["jwt-secret"] == GIVEN
    with pytest.raises(Trouble, match=r"LOADER_TOKEN .* fewer than 32"):
        secret.auth({"LOADER_TOKEN": "short"})


def test_the_manifest() -> None:
    made = json.loads(secret.manifest("c756-auth", {"jwt-secret": "x"}))
    assert made["kind"] == "Secret"
    assert made["metadata"] == {"name": "c756-auth", "namespace": "c756ns"}
    assert decoded(json.dumps(made)) == {"jwt-secret": "x"}


def test_the_key_is_made_once_and_piped(standins: StandIns, checkout: Path) -> None:
    done = standins.run(*SECRETS, cwd=checkout, env={"JWT_SECRET": GIVEN})
    assert done.returncode == 0, done.stderr
    assert decoded(standins.stdin("kubectl create -f -")[0])["jwt-secret"] == GIVEN
    assert GIVEN not in "".join(standins.calls) + done.stdout + done.stderr
    assert "no AWS credentials found" in done.stdout

    standins.forget()
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    standins.run(*SECRETS, cwd=checkout, env={"JWT_SECRET": GIVEN})
    assert [call for call in standins.calls if "create" in call or "apply" in call] == []


def test_aws_credentials_are_brought_up_to_date(standins: StandIns, checkout: Path) -> None:
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": GIVEN, "AWS_SESSION_TOKEN": "session"}
    done = standins.run(*SECRETS, cwd=checkout, env=keys)
    assert done.returncode == 0, done.stderr
    piped = standins.stdin("apply --server-side --force-conflicts -f -")
    assert decoded(piped[0]) == keys
    assert GIVEN not in "".join(standins.calls) + done.stdout + done.stderr


def test_a_role_takes_the_place_of_keys(standins: StandIns, checkout: Path) -> None:
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    role = "arn:aws:iam::123456789012:role/c756-db"
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": GIVEN, "DB_ROLE": role}
    done = standins.run(*SECRETS, cwd=checkout, env=keys)
    assert done.returncode == 0, done.stderr
    assert "name: cmpt756db" in standins.stdin("apply -f -")[0]
    assert standins.calls[-2:] == [
        f"kubectl -n c756ns annotate --overwrite serviceaccount cmpt756db eks.amazonaws.com/role-arn={role}",
        "kubectl -n c756ns delete secret c756-aws --ignore-not-found",
    ]
    assert not any("--server-side" in call for call in standins.calls)


def test_on_pocket_the_role_means_nothing(standins: StandIns, checkout: Path) -> None:
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    standins.answer("config current-context", "pocket\n")
    (checkout / "pocket").mkdir()
    said = f"DYNAMODB_URL=http://127.0.0.1:20001\nAWS_ACCESS_KEY_ID=pocket\nAWS_SECRET_ACCESS_KEY={GIVEN}"
    (checkout / "pocket/__main__.py").write_text(f"print({said!r})\n")
    done = standins.run(*SECRETS, cwd=checkout, env={"DB_ROLE": "arn:aws:iam::123456789012:role/c756-db"})
    assert done.returncode == 0, done.stderr
    assert not any("annotate" in call for call in standins.calls)
    told = {"AWS_ACCESS_KEY_ID": "pocket", "AWS_SECRET_ACCESS_KEY": GIVEN}
    assert decoded(standins.stdin("apply --server-side")[0]) == told
    assert GIVEN not in "".join(standins.calls) + done.stdout + done.stderr


def test_the_datastore_is_told_of_an_emulator_in_the_cluster(standins: StandIns, checkout: Path) -> None:
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    standins.answer("-n dynamodb get service dynamodb", "service/dynamodb\n")
    own = {"AWS_ACCESS_KEY_ID": "emulator", "AWS_SECRET_ACCESS_KEY": "of-its-own"}
    standins.answer("-n dynamodb get secret dynamodb-key", secret.manifest("dynamodb-key", own, "dynamodb"))
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": GIVEN, "DB_ROLE": "arn:aws:iam::1:role/x"}
    done = standins.run(*SECRETS, cwd=checkout, env=keys)
    assert done.returncode == 0, done.stderr
    told = decoded(standins.stdin("apply --server-side")[0])
    assert told == {**own, "DYNAMODB_URL": "http://dynamodb.dynamodb:8000"}, "and nobody's keys of AWS"
    assert not any("annotate" in call for call in standins.calls)


def test_a_key_that_is_too_short_stops_the_deployment(standins: StandIns, checkout: Path) -> None:
    done = standins.run(*SECRETS, cwd=checkout, env={"JWT_SECRET": "short"})
    assert done.returncode != 0
    assert "JWT_SECRET" in done.stderr
