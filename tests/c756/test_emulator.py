"""The emulator, its tables and its address come into a cluster, and the tables are found there."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from c756 import secret
from tests.conftest import ROOT, StandIns
from tests.realservices import EMULATOR_KEY, Emulator

C756 = (".venv/bin/python", "-m", "c756")
THERE = ("-n dynamodb get service dynamodb", "service/dynamodb\n")
FORWARD = "port-forward service/dynamodb :8000"
KEY = ("get secret dynamodb-key --ignore-not-found -o json", secret.manifest("dynamodb-key", EMULATOR_KEY, "dynamodb"))


@pytest.fixture
def forwarded(standins: StandIns, checkout: Path, tmp_path: Path) -> Iterator[StandIns]:
    """A cluster to whose emulator kubectl forwards: a real emulator on this machine."""
    for package in ("db", "servicekit"):
        shutil.rmtree(checkout / package)
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    emulator = Emulator(tmp_path / "emulator")
    emulator.start()
    standins.answer(FORWARD, f"Forwarding from 127.0.0.1:{emulator.port} -> 8000\n")
    standins.answer(*KEY)
    yield standins
    assert emulator.stop() == 0


def built(checkout: Path) -> None:
    """As if the image had been built and pushed before."""
    (checkout / "tools/image.sh").write_text(
        '#!/usr/bin/env bash\nif [[ $1 == env ]]; then echo PIN_DYNAMODB=@sha256:0; else echo "built $2"; fi\n'
    )


def decoded(manifest: str) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in json.loads(manifest)["data"].items()}


def test_from_nothing_to_tables(forwarded: StandIns, checkout: Path) -> None:
    built(checkout)
    forwarded.answer(*THERE, after="apply -f -")
    done = forwarded.run(*C756, "emulator", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "built dynamodb" in done.stdout
    applied = forwarded.stdin("apply -f -")[0]
    assert "image: ghcr.io/someone/cmpt756dynamodb:v1@sha256:0" in applied
    assert "Music-someone" in done.stdout
    own = decoded(forwarded.stdin("create -f -")[0])  # the key was not there
    assert own.keys() == EMULATOR_KEY.keys()
    assert len(own["AWS_SECRET_ACCESS_KEY"]) == 64
    assert decoded(forwarded.stdin("apply --server-side")[0]) == {
        **EMULATOR_KEY, "DYNAMODB_URL": "http://dynamodb.dynamodb:8000",
    }  # fmt: skip
    order = [call for call in forwarded.calls if "rollout status" in call or "port-forward" in call]
    assert order == [
        "kubectl -n dynamodb rollout status deployment/dynamodb --timeout=180s",
        "kubectl -n dynamodb port-forward service/dynamodb :8000",
    ]
    assert "rollout-db" not in done.stdout

    listed = forwarded.run(*C756, "tables", "list", cwd=checkout)
    assert listed.returncode == 0, listed.stderr
    assert "Music-someone" in listed.stdout
    assert "User-someone" in listed.stdout


def test_a_datastore_that_runs_already_has_to_be_told(forwarded: StandIns, checkout: Path) -> None:
    built(checkout)
    forwarded.answer(*THERE, after="apply -f -")
    forwarded.answer("get deployment cmpt756db", "deployment.apps/cmpt756db\n")
    assert "make -f k8s.mak rollout-db" in forwarded.run(*C756, "emulator", cwd=checkout).stdout
    again = forwarded.run(*C756, "emulator", cwd=checkout)
    assert again.returncode == 0, again.stderr
    assert "rollout-db" not in again.stdout, "the second time nothing changes"


def test_no_way_to_the_emulator_is_an_error(standins: StandIns, checkout: Path) -> None:
    standins.answer(*THERE)
    standins.answer(*KEY)
    standins.answer(FORWARD, "", code=1)
    done = standins.run(*C756, "tables", "list", cwd=checkout)
    assert done.returncode == 1
    assert "kubectl port-forward does not reach the emulator" in done.stderr


def test_an_emulator_of_an_earlier_version_has_no_key(forwarded: StandIns, checkout: Path) -> None:
    forwarded.answer(*THERE)
    forwarded.answer(KEY[0], "")
    for command in (("secrets",), ("tables", "list")):
        done = forwarded.run(*C756, *command, cwd=checkout)
        assert done.returncode == 1
        assert "make -f k8s.mak emulator" in done.stderr
    assert not any("--server-side" in call for call in forwarded.calls)


def test_an_emulator_that_does_not_come_up_is_an_error(standins: StandIns, checkout: Path) -> None:
    standins.answer(*THERE)
    standins.answer("rollout status", "error: timed out waiting for the condition", code=1)
    done = standins.run(*C756, "tables", "init", cwd=checkout)
    assert done.returncode != 0
    assert not any("port-forward" in call for call in standins.calls)


def test_pocket_has_one(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "pocket\n")
    done = standins.run(*C756, "emulator", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "pocket has its emulator already" in done.stdout
    assert not any("apply" in call for call in standins.calls)
