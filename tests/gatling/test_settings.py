"""The program as a pod runs it: settings from the environment, the share of each pod, the end on SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from servicekit.auth import Tokens
from servicekit.config import AuthConfig
from tests.gatling.conftest import Scripts
from tests.realservices import SECRET, wait_for
from tools.load_build import java
from tools.load_jobs import JAVA_FLAGS, command

FINE = {"SIM": "ReadMusicSim", "USERS": "2", "BASE_URL": "http://127.0.0.1:1", "TOKEN": "t"}


def program(classpath: str) -> list[str]:
    classes, lib = classpath.removesuffix("/*").split(os.pathsep)
    return command(java(), JAVA_FLAGS, Path(classes), Path(lib))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"SIM": ""}, "SIM is not set"),
        ({"SIM": "NoSim"}, "SIM is 'NoSim': there is no such simulation"),
        ({"SIM": "Data"}, "SIM is 'Data': there is no such simulation"),
        ({"USERS": "0"}, "USERS is '0'"),
        ({"BASE_URL": "127.0.0.1:8080"}, "BASE_URL is '127.0.0.1:8080'"),
        ({"BASE_URL": "http://a/path"}, "BASE_URL is 'http://a/path'"),
        ({"DURATION": "soon"}, "DURATION is 'soon'"),
        ({"MAX_ERRORS": "101"}, "MAX_ERRORS is '101'"),
        ({"PODS": "2", "JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETION_INDEX is '2'"),
    ],
)
def test_wrong_settings_are_named(classpath: str, wrong: dict[str, str], said: str) -> None:
    done = subprocess.run(
        program(classpath), env={**os.environ, **FINE, **wrong}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 64
    assert said in done.stderr


def test_a_pod_without_users_has_nothing_to_do(classpath: str) -> None:
    env = {**os.environ, **FINE, "USERS": "1", "PODS": "2", "JOB_COMPLETION_INDEX": "1"}
    done = subprocess.run(program(classpath), env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "pod 1 of 2 has no user to play" in done.stdout


def test_pods_share_the_users(classpath: str, scripts: Scripts, tmp_path: Path) -> None:
    users = []
    for index in range(2):
        env = {
            **os.environ, **FINE, "USERS": "5", "PODS": "2", "JOB_COMPLETION_INDEX": str(index), "TOKEN": scripts.token,
            "BASE_URL": f"http://{scripts.gateway}", "DURATION": "1s", "RESULTS": str(tmp_path / str(index)),
        }  # fmt: skip
        done = subprocess.run(program(classpath), env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "request count" in done.stdout, "the summary is in the pod's log"
        users += re.findall(r"^load: ReadMusicSim with ([0-9]+) users", done.stdout)
        assert re.search(r"> Read music +\| +([0-9]+) \|", done.stdout)
    assert users == ["3", "2"]


def test_a_token_that_expires_is_renewed(classpath: str, scripts: Scripts, tmp_path: Path) -> None:
    token = Tokens(AuthConfig(SECRET, lifetime=5)).issue("tests", operator=True)
    env = {
        **os.environ, **FINE, "TOKEN": token, "DURATION": "8s",
        "MAX_ERRORS": "20", "BASE_URL": f"http://{scripts.gateway}", "RESULTS": str(tmp_path / "results"),
    }  # fmt: skip
    done = subprocess.run(program(classpath), env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sigterm_ends_it_in_order_and_a_run_without_token_logs_in(
    classpath: str, scripts: Scripts, tmp_path: Path
) -> None:
    env = {**os.environ, **FINE, "TOKEN": "", "BASE_URL": f"http://{scripts.gateway}", "RESULTS": str(tmp_path / "r")}
    output = tmp_path / "log"
    with output.open("wb") as log:
        process = subprocess.Popen(program(classpath), env=env, stdout=log, stderr=log)
    try:
        wait_for(lambda: "> Read music" in output.read_text(), "its first output", 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, output.read_text()
    finally:
        process.kill()
    said = output.read_text()
    assert "load: SIGTERM" in said
    no_failures = r"^> request count +\| +[0-9]+ \| +[0-9]+ \| +-$"  # so the login gave it a token
    assert re.search(no_failures, said, re.MULTILINE)
    assert list((tmp_path / "r").glob("*/index.html"))
