"""A new key in two steps: accepted by everybody before anybody signs with it."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from tests.conftest import StandIns

OLD = "the-key-that-is-in-use-of-40-characters-"
SECRETS = (".venv/bin/python", "-m", "c756", "secrets")


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**more: str) -> str:
    data = {
        "jwt-secret": OLD,
        "loader-token": "x" * 40,
        **{name.replace("_", "-"): text for name, text in more.items()},
    }
    metadata = {"name": "c756-auth", "namespace": "c756ns", "resourceVersion": "7"}
    return json.dumps({"kind": "Secret", "metadata": metadata, "data": {key: b64(text) for key, text in data.items()}})


def deployments(*keys: str) -> str:
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": "c756-auth", "key": key}}} for key in keys]
    template = {"spec": {"containers": [{"name": "app", "env": env}]}}
    names = ("cmpt756s1", "cmpt756s2-v1")
    return json.dumps({"items": [{"metadata": {"name": name}, "spec": {"template": template}} for name in names]})


@pytest.fixture
def cluster(standins: StandIns) -> StandIns:
    standins.answer("get secret c756-auth -o name", "secret/c756-auth\n")
    standins.answer("get secret c756-auth -o json", secret())
    standins.answer("get deployments", deployments("jwt-secret", "jwt-secret-next"))
    standins.answer("get pods", "pod/a\npod/b\n")
    standins.answer("get deployments,replicasets,pods", json.dumps({"items": []}))
    return standins


def written(cluster: StandIns) -> list[dict[str, str]]:
    """What was in the Secret after each change."""
    piped = cluster.stdin("kubectl replace -f -")
    return [{k: base64.b64decode(v).decode() for k, v in json.loads(text)["data"].items()} for text in piped]


def test_the_new_key_is_known_everywhere_before_it_is_used(cluster: StandIns, checkout: Path) -> None:
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": "1"})
    assert done.returncode == 0, done.stderr
    first, second = written(cluster)
    assert first["jwt-secret"] == OLD, "not used yet"
    new = first["jwt-secret-next"]
    assert len(new) >= 32
    assert new != OLD
    assert cluster.stdin("replace")[0].find('"resourceVersion": "7"') > 0, "two who rotate get a conflict"
    assert second["jwt-secret"] == new
    assert "jwt-secret-next" not in second
    (replaced,) = json.loads(second["jwt-secrets-old"]).values()
    assert time.time() < replaced <= time.time() + 600, "what restarts may sign with it for some time"
    assert list(json.loads(second["jwt-secrets-old"])) == [OLD]
    steps = [call for call in cluster.calls if any(word in call for word in ("replace", "restart", "status", "wait"))]
    both = "deployment/cmpt756s1 deployment/cmpt756s2-v1"
    one = [
        "kubectl replace -f -",
        f"kubectl -n c756ns rollout restart {both}",
        f"kubectl -n c756ns rollout status --timeout=180s {both}",
        "kubectl -n c756ns wait --for=delete --timeout=120s pod/a pod/b",
    ]
    assert steps == [*one, *one]
    assert not [key for key in (OLD, new) if key in done.stdout + done.stderr + "".join(cluster.calls)]


def test_an_interrupted_rotation_goes_on_with_its_key(cluster: StandIns, checkout: Path) -> None:
    before = json.dumps({"an older key": int(time.time()) - 60, "a forgotten one": 1000})
    pending = "the-key-of-the-interrupted-rotation-0123"
    cluster.answer("get secret c756-auth -o json", secret(jwt_secret_next=pending, jwt_secrets_old=before))
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": "1"})
    assert done.returncode == 0, done.stderr
    first, second = written(cluster)
    assert first["jwt-secret-next"] == second["jwt-secret"] == pending
    assert list(json.loads(second["jwt-secrets-old"])) == ["an older key", OLD], "a year old tokens are over"


def test_the_old_key_stays_in_use_where_pods_do_not_come_up(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("rollout status", "error: timed out\n", 1)
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": "1"})
    assert done.returncode == 1
    assert "run this again" in done.stderr
    assert [state["jwt-secret"] for state in written(cluster)] == [OLD]


def test_pods_that_would_not_hear_of_it_are_told_first(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("get deployments", deployments("jwt-secret"))
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": "1"})
    assert done.returncode == 1
    assert "cmpt756s1 takes no second key" in done.stderr
    assert written(cluster) == []


@pytest.mark.parametrize("rotate", ["", "0"])
def test_nothing_is_rotated_unasked(cluster: StandIns, checkout: Path, rotate: str) -> None:
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": rotate})
    assert done.returncode == 0, done.stderr
    assert written(cluster) == []


def test_before_anything_is_deployed_the_key_is_just_another(cluster: StandIns, checkout: Path) -> None:
    cluster.answer("get deployments", json.dumps({"items": []}))
    done = cluster.run(*SECRETS, cwd=checkout, env={"ROTATE": "1"})
    assert done.returncode == 0, done.stderr
    assert written(cluster)[-1]["jwt-secret"] != OLD
    assert not any("restart" in call for call in cluster.calls)
