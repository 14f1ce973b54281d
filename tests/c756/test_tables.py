"""AWS tables are not touched by mistake. Real kubectl, real boto3, a stand-in for AWS that counts calls."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws import ACCOUNT, BROKEN, Aws, serving
from tests.conftest import ROOT, StandIns

CLEAN, INIT, LIST = ("dynamodb-clean",), ("dynamodb-init",), ("ls-tables",)
TARGETS = (CLEAN, INIT, LIST, ("secrets",), ("emulator",), ("deploy",), ("provision",), ("db",), ("loader",))


@pytest.fixture
def aws() -> Iterator[Aws]:
    with serving() as made:
        yield made


@pytest.fixture
def real_kubectl(standins: StandIns, checkout: Path, aws: Aws) -> StandIns:
    """Nothing stands in but AWS: what a person has who has credentials, and has just typed `make down`."""
    for name in ("kubectl", "docker", "minikube", "kind"):
        (standins.folder / name).unlink()
    (standins.folder / "kubectl").symlink_to(ROOT / ".venv/bin/kubectl")
    for package in ("db", "servicekit"):
        shutil.rmtree(checkout / package)
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    standins.env |= {"AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    return standins


@pytest.mark.parametrize("state", BROKEN)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
def test_without_a_cluster_that_answers_nothing_is_touched(
    real_kubectl: StandIns, checkout: Path, aws: Aws, target: tuple[str, ...], state: str
) -> None:
    text, words = BROKEN[state]
    kubeconfig = checkout / "kubeconfig"
    if text is not None:
        kubeconfig.write_text(text)
    env = {"KUBECONFIG": str(kubeconfig), "YES": "1"}
    done = real_kubectl.run("make", "-f", "k8s.mak", *target, "OWNER=someone", cwd=checkout, env=env)
    assert done.returncode != 0
    assert aws.calls == []
    assert set(aws.tables) == {"Music-someone", "User-someone", "Music-other"}
    assert words in done.stderr
    assert "memcache.go" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def eks(standins: StandIns, real_kubectl: StandIns) -> StandIns:
    """A cluster that answers, and has no emulator."""
    (standins.folder / "kubectl").unlink()
    standins.program("kubectl")
    return standins


def clean(eks: StandIns, checkout: Path, answer: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("make", "-f", "k8s.mak", "dynamodb-clean", "OWNER=someone"), cwd=checkout, env={**eks.env, **env},
        input=answer, capture_output=True, text=True, timeout=180,
    )  # fmt: skip


@pytest.mark.parametrize(("answer", "env"), [("yes\n", {}), ("", {"YES": "1"})])
def test_a_deletion_at_aws_says_what_and_asks(
    eks: StandIns, checkout: Path, aws: Aws, answer: str, env: dict[str, str]
) -> None:
    done = clean(eks, checkout, answer, DYNAMODB_URL="http://127.0.0.1:9", **env)
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first == f"AWS account {ACCOUNT}, region us-west-2: tables Music-someone, User-someone"
    assert set(aws.tables) == {"Music-other"}
    assert ("Type yes: " in done.stdout) == (not env)


@pytest.mark.parametrize("answer", ["", "no\n", "y\n", "\n"])
def test_whoever_does_not_say_yes_keeps_the_tables(eks: StandIns, checkout: Path, aws: Aws, answer: str) -> None:
    done = clean(eks, checkout, answer)
    assert done.returncode != 0
    assert "nothing was deleted" in done.stderr
    assert len(aws.tables) == 3
    assert not any("delete job" in call for call in eks.calls), "the loader's Job says that the data is there"


def test_an_account_that_is_not_known_is_a_doubt(eks: StandIns, checkout: Path, aws: Aws) -> None:
    aws.logged_in = False
    done = clean(eks, checkout, "", YES="1")
    assert done.returncode != 0
    assert "AWS does not say whose account this is" in done.stderr
    assert len(aws.tables) == 3


def test_tables_of_an_emulator_are_deleted_without_a_question(eks: StandIns, checkout: Path, aws: Aws) -> None:
    """Of pocket's, here: another stand-in, that nobody reaches by AWS_ENDPOINT_URL."""
    eks.answer("config current-context", "pocket\n")
    eks.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
    (checkout / "pocket").mkdir()
    said = f"DYNAMODB_URL={aws.url}\nAWS_ACCESS_KEY_ID=pocket\nAWS_SECRET_ACCESS_KEY=s"
    (checkout / "pocket/__main__.py").write_text(f"print({said!r})\n")
    done = clean(eks, checkout, "")
    assert done.returncode == 0, done.stderr
    assert set(aws.tables) == {"Music-other"}
    assert not any("GetCallerIdentity" in call for call in aws.calls)


def test_pocket_that_does_not_say_where_its_emulator_is(eks: StandIns, checkout: Path, aws: Aws) -> None:
    eks.answer("config current-context", "pocket\n")
    (checkout / "pocket").mkdir()
    (checkout / "pocket/__main__.py").write_text("import sys\nsys.exit('POCKET_PORT_BASE is wrong')\n")
    done = clean(eks, checkout, "", YES="1")
    assert done.returncode != 0
    assert "POCKET_PORT_BASE is wrong" in done.stderr
    assert aws.calls == []
