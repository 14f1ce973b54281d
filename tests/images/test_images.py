"""Every image, built and run by a real Docker engine as the Deployments run it: not root, nothing to write but /tmp.

Skipped, with the reason, where no engine answers or the base images can neither be found nor pulled. A base image may
be made by hand and tagged like the real one. C756_DOCKER names another docker command; it must speak BuildKit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.realservices import LOADER_TOKEN, ROOT, SECRET, Emulator, answers, free_port, wait_for

DOCKER = os.environ.get("C756_DOCKER", "docker")
FOLDERS = ["s1", "s2/v1", "s2/v2", "db", "loader", "graph", "gatling"]
SERVED = {
    "s1": "/api/v1/user/{}",
    "s2/v1": "/api/v1/music/{}",
    "s2/v2": "/api/v1/music/{}",
    "db": "/api/v1/datastore/{}",
}
SECONDS_TO_STOP = 2
LARGEST = 60 * 2**20
"""Bytes that an image may add to its base; gatling, which brings Scala's libraries, has twice as many."""
# cluster/*-dpl.yaml: securityContext, and the emptyDir at /tmp.
AS_DEPLOYED = [
    "--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--user", "10001:10001", "--network", "host",
]  # fmt: skip


def docker(*arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run([DOCKER, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout)
    if check:
        assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done


@cache
def no_engine() -> str:
    """Why there is none; empty if there is one."""
    try:
        done = docker("info", "--format", "{{.ServerVersion}}", check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no docker here: {error}"
    answered = done.returncode == 0 and done.stdout.strip()
    return "" if answered else f"no Docker engine answers: {done.stderr.strip()[:200]}"


@cache
def no_base(image: str) -> str:
    """Why the base image is not to be had; empty if it is."""
    if docker("image", "inspect", image, check=False).returncode == 0:
        return ""
    done = docker("pull", "--quiet", image, check=False)
    return "" if done.returncode == 0 else f"the base image {image} cannot be pulled: {done.stderr.strip()[:200]}"


@cache
def build(folder: str) -> str:
    """The image's tag. Skips where it cannot be built for want of an engine, a base or its parts."""
    if reason := no_engine():
        pytest.skip(reason)
    text = (ROOT / folder / "Dockerfile").read_text()
    for image in dict.fromkeys(re.findall(r"(?m)^FROM (\S+)", text)):
        if reason := no_base(image):
            pytest.skip(reason)
    for part in re.findall(r"(?m)^COPY (?!--)(\S+) ", text):
        if part.startswith(("gatling/target", "graph/node_modules")) and not (ROOT / part).exists():
            pytest.skip(f"{part} is not there: python -m tools.load_build, npm ci --prefix graph")
    tag = f"c756-test/{folder.replace('/', '-')}"
    docker("build", "--network", "host", "--tag", tag, "--file", f"{folder}/Dockerfile", ".")
    return tag


@dataclass
class Container:
    """A container that runs in the background."""

    tag: str
    env: dict[str, str]
    port: int = field(default_factory=free_port)
    identity: str = ""

    def start(self, path: str) -> None:
        """Returns when `path` answers with 200."""
        full = {"HOST": "127.0.0.1", "PORT": str(self.port), **self.env}
        options = [word for name, value in full.items() for word in ("--env", f"{name}={value}")]
        self.identity = docker("run", "--detach", *AS_DEPLOYED, *options, self.tag).stdout.strip()
        try:
            wait_for(lambda: answers(f"{self.url}{path}"), path, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}; its log says: {self.log}") from None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        done = docker("logs", self.identity, check=False)
        return done.stdout + done.stderr

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        return docker("exec", self.identity, "sh", "-c", script, check=False)

    def stop(self, seconds: int) -> int:
        """SIGTERM, and SIGKILL after that time; the exit code, which is 137 after a SIGKILL."""
        docker("stop", "--time", str(seconds), self.identity)
        return int(docker("inspect", "--format", "{{.State.ExitCode}}", self.identity).stdout)

    def remove(self) -> None:
        if self.identity:
            docker("rm", "--force", self.identity, check=False)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    made = Emulator(tmp_path_factory.mktemp("images") / "emulator")
    made.start()
    assert made.tables("init").returncode == 0
    yield made
    made.stop()


def db_env(emulator: Emulator) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
    return {"LOADER_TOKEN": LOADER_TOKEN, **keys, **emulator.env}


@pytest.fixture(scope="module")
def db(request: pytest.FixtureRequest) -> Iterator[Container]:
    tag = build("db")  # before the emulator, which is not needed where this skips
    container = Container(tag, db_env(request.getfixturevalue("emulator")))
    try:
        container.start("/api/v1/datastore/readiness")
        yield container
    finally:
        container.remove()


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_in_it(folder: str, record_testsuite_property: Callable[[str, object], None]) -> None:
    tag = build(folder)
    (found,) = json.loads(docker("image", "inspect", tag).stdout)
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Labels"]["org.opencontainers.image.title"]
    assert found["Config"]["WorkingDir"] == "/code"
    base = re.findall(r"(?m)^FROM (\S+)", (ROOT / folder / "Dockerfile").read_text())[-1]
    added = found["Size"] - json.loads(docker("image", "inspect", base).stdout)[0]["Size"]
    sizes = f"{found['Size'] / 1e6:.0f} MB, {added / 1e6:.0f} of them over its base"
    record_testsuite_property(folder, sizes)  # pytest --junitxml=FILE states them
    assert 0 < added < LARGEST * (2 if folder == "gatling" else 1), sizes
    compilers = docker("run", "--rm", *AS_DEPLOYED, tag, "sh", "-c", "command -v gcc cc g++ clang make", check=False)
    assert compilers.stdout == ""
    mine = docker("run", "--rm", *AS_DEPLOYED, tag, "sh", "-c", "find /code -user 10001 -o -perm -o+w ! -type l")
    assert mine.stdout == "", "what it runs, it cannot change"


@pytest.mark.parametrize("folder", SERVED)
def test_it_runs_answers_and_stops(folder: str, db: Container, emulator: Emulator) -> None:
    env = db_env(emulator) if folder == "db" else {"JWT_SECRET": SECRET, "DB_URL": db.url}
    container = Container(build(folder), env)
    try:
        for probe in ("health", "readiness"):
            if not container.identity:
                container.start(SERVED[folder].format(probe))
            assert answers(container.url + SERVED[folder].format(probe)), container.log
        assert container.sh("id -u").stdout == "10001\n"
        assert container.sh("touch /code/x").returncode != 0
        assert container.sh("touch /tmp/x").returncode == 0
        assert container.sh("test -f app.py").returncode == 0
        assert container.stop(SECONDS_TO_STOP) == 0, container.log
    finally:
        container.remove()


def test_the_loader_does_its_work(db: Container) -> None:
    env = {"LOADER_TOKEN": LOADER_TOKEN, "DB_URL": db.url}
    options = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    done = docker("run", "--rm", *AS_DEPLOYED, *options, build("loader"))
    assert re.search(r"\b0 failed|failed.*\b0\b", done.stdout + done.stderr), done.stdout + done.stderr


def test_the_graph_runs_answers_and_stops() -> None:
    container = Container(build("graph"), {"PROMETHEUS_URL": "http://127.0.0.1:9"})
    try:
        container.start("/kiali/healthz")
        assert answers(f"{container.url}/kiali/")
        assert container.stop(SECONDS_TO_STOP) == 0, container.log
    finally:
        container.remove()


def test_the_load_has_its_java_and_its_simulations() -> None:
    """Without settings it says which one is missing, and does not start a run."""
    done = docker("run", "--rm", *AS_DEPLOYED, build("gatling"), check=False)
    assert done.returncode != 0
    assert re.search(r"SIM|USERS|TOKEN|BASE_URL", done.stdout + done.stderr), done.stdout + done.stderr


def test_why_nothing_was_run_is_said() -> None:
    """What this file skips with is a sentence, not an exception; and no engine is not mistaken for a broken image."""
    reason = no_engine()
    assert reason == "" or "docker" in reason.lower()
    assert {Path(path).parent.as_posix() for path in map(str, ROOT.glob("*/Dockerfile"))} <= {
        (ROOT / folder).as_posix() for folder in FOLDERS
    }
