"""tools/token.sh signs with the cluster's key and shows nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

import jwt

from tests.conftest import StandIns

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-signing-key-of-the-cluster-40-letters"


def test_a_token_signed_with_the_clusters_key(standins: StandIns) -> None:
    standins.answer("get secret c756-auth", base64.b64encode(KEY.encode()).decode())
    done = standins.run("tools/token.sh", "user-1", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    claims = jwt.decode(done.stdout.strip(), KEY, algorithms=["HS256"], audience="c756", issuer="c756")
    assert "exp" in claims
    assert claims["sub"] == "user-1"
    assert "scope" not in claims, "a user's token, as the user would get it"
    assert KEY not in done.stdout + done.stderr + "".join(standins.calls)


def test_without_a_user_it_is_an_operators(standins: StandIns) -> None:
    standins.answer("get secret c756-auth", base64.b64encode(KEY.encode()).decode())
    done = standins.run("tools/token.sh", cwd=ROOT)
    claims = jwt.decode(done.stdout.strip(), KEY, algorithms=["HS256"], audience="c756", issuer="c756")
    assert claims["scope"] == "operator"


def test_without_a_deployment_it_says_what_to_do(standins: StandIns) -> None:
    standins.answer("get secret", 'Error from server (NotFound): secrets "c756-auth" not found\n', 1)
    done = standins.run("tools/token.sh", cwd=ROOT)
    assert done.returncode != 0
    assert "NotFound" in done.stderr
    assert "Deploy first" in done.stderr
