"""Every image, built and run by a real Docker engine as the Deployments run it: not root, nothing to write but /tmp.

Skipped, with the reason, where no engine answers or the base images can neither be found nor pulled. A base image may
be made by hand and tagged like the real one: it is taken where the one with the digest is not there. C756_DOCKER
names another docker command; it must speak BuildKit. `pytest --junitxml=FILE` states the sizes and how long stopping
takes.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
import requests

from graph.server import VENDOR
from servicekit.auth import Tokens
from servicekit.config import AuthConfig
from tests.images.test_dockerfiles import FOLDERS, bases, instructions
from tests.realservices import EMULATOR_KEY, LOADER_TOKEN, ROOT, SECRET, Emulator, answers, free_port, wait_for

DOCKER = os.environ.get("C756_DOCKER", "docker")
SERVED = {
    "s1": "/api/v1/user/{}",
    "s2/v1": "/api/v1/music/{}",
    "s2/v2": "/api/v1/music/{}",
    "db": "/api/v1/datastore/{}",
}
SECONDS_TO_STOP = 2
LARGEST = 40 * 2**20
"""Bytes that an image may add to its base; gatling, which brings Scala's libraries, twice as many."""
# cluster/*-dpl.yaml: securityContext, and the emptyDir at /tmp. Who it runs as is left to the image.
AS_DEPLOYED = [
    "--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--network", "host",
]  # fmt: skip
# What is left behind by .dockerignore, and what no image needs: `find` prints it.
NOT_WANTED = r"\( -name __pycache__ -o -name '*.pyc' -o -name '*.in' -o -name 'Dockerfile*' -o -name '*.md' \)"
Record = Callable[[str, object], None]


def docker(*arguments: str, check: bool = True, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DOCKER_BUILDKIT": "1"}
    done = subprocess.run([DOCKER, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout)
    if check:
        assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done


def why_no_engine() -> str:
    """Why there is none; empty if there is one."""
    try:
        done = docker("info", "--format", "{{.ServerVersion}}", check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no docker here: {error}"
    answered = done.returncode == 0 and done.stdout.strip()
    return "" if answered else f"no Docker engine answers: {done.stderr.strip()[:200]}"


no_engine = cache(why_no_engine)


@cache
def base(image: str) -> tuple[str, str]:
    """What to build upon: `image`, or one made by hand under its tag; and why there is none, empty if there is one."""
    tagged = image.partition("@")[0]
    for name in (image, tagged):
        if docker("image", "inspect", name, check=False).returncode == 0:
            return name, ""
    done = docker("pull", "--quiet", image, check=False)
    said = done.stderr.strip()[:200]
    return image, "" if done.returncode == 0 else f"the base image {image} cannot be pulled: {said}"


def dockerfile(folder: str, target: Path) -> Path:
    """The Dockerfile of `folder`, in `target` where an image made by hand takes the place of a base."""
    file = ROOT / folder / "Dockerfile"
    text = before = file.read_text()
    for image in bases(folder):
        text = text.replace(image, base(image)[0])
    if text == before:
        return file
    (target / "Dockerfile").write_text(text)
    ignored = Path(f"{file}.dockerignore")
    if ignored.exists():
        shutil.copy2(ignored, target)
    return target / "Dockerfile"


@cache
def build(folder: str) -> str:
    """The image's tag. Skips where it cannot be built for want of an engine, a base or its parts."""
    if reason := no_engine():
        pytest.skip(reason)
    for image in dict.fromkeys(bases(folder)):
        if reason := base(image)[1]:
            pytest.skip(reason)
    parts = [rest.split()[0] for word, rest in instructions(folder) if word == "COPY" and not rest.startswith("--")]
    for part in parts:
        if part.startswith(("gatling/target", "graph/node_modules")) and not (ROOT / part).exists():
            pytest.skip(f"{part} is not there: python -m tools.load_build, npm ci --prefix graph")
    tag = f"c756-test/{folder.replace('/', '-')}"
    with tempfile.TemporaryDirectory() as scratch:
        docker("build", "--network", "host", "--tag", tag, "--file", str(dockerfile(folder, Path(scratch))), ".")
    return tag


def env_options(env: dict[str, str]) -> list[str]:
    return [word for name, value in env.items() for word in ("--env", f"{name}={value}")]


@dataclass
class Container:
    """A container that runs in the background."""

    tag: str
    env: dict[str, str]
    options: Sequence[str] = ()
    command: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    identity: str = ""

    def start(self, path: str) -> None:
        """Returns when `path` answers with 200."""
        env = env_options({"HOST": "127.0.0.1", "PORT": str(self.port), **self.env})
        run = ["run", "--detach", *AS_DEPLOYED, *env, *self.options, self.tag, *self.command]
        self.identity = docker(*run).stdout.strip()
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

    def users(self) -> set[str]:
        """The user ids (real, effective, saved, file system) of all its processes."""
        return set(self.sh("cat /proc/[0-9]*/status | sed -n 's/^Uid:[[:space:]]*//p'").stdout.split())

    def stop(self) -> float:
        """SIGTERM; the seconds until it has ended, by itself and with exit code 0."""
        begun = time.monotonic()
        docker("stop", "--time", "30", self.identity)
        seconds = time.monotonic() - begun
        code = docker("inspect", "--format", "{{.State.ExitCode}}", self.identity).stdout.strip()
        assert code == "0", f"exit code {code}; its log says: {self.log}"
        return seconds

    def remove(self) -> None:
        if self.identity:
            docker("rm", "--force", self.identity, check=False)


def check_stop(make: Callable[[], Container], path: str, record: Record) -> None:
    """It ends by itself, and within the time that is asked for.

    The best of three counts, as other work may hold it up. Where there is more of that than this machine can do, the
    time says nothing of the image.
    """
    times: list[float] = []
    while len(times) < 3 and min(times, default=99) > SECONDS_TO_STOP:
        container = make()
        try:
            container.start(path)
            times.append(container.stop())
        finally:
            container.remove()
    record(f"{container.tag} stops", f"{min(times):.2f} s")
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if min(times) > SECONDS_TO_STOP and load > 2 * cores:
        pytest.skip(f"stopped in {min(times):.2f} s, but beside a load of {load:.0f} on {cores} processors")
    assert min(times) <= SECONDS_TO_STOP, times


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    made = Emulator(tmp_path_factory.mktemp("images") / "emulator")
    made.start()
    assert made.tables("init").returncode == 0
    yield made
    made.stop()


def db_env(emulator: Emulator) -> dict[str, str]:
    return {"LOADER_TOKEN": LOADER_TOKEN, **emulator.env}


@pytest.fixture(scope="module")
def db(request: pytest.FixtureRequest) -> Iterator[Container]:
    tag = build("db")  # before the emulator, which is not needed where this skips
    container = Container(tag, db_env(request.getfixturevalue("emulator")))
    try:
        container.start("/api/v1/datastore/readiness")
        yield container
    finally:
        container.remove()


@pytest.fixture(scope="module")
def loaded(db: Container) -> str:
    """What the loader says of its work; the tables are full then."""
    env = env_options({"LOADER_TOKEN": LOADER_TOKEN, "DB_URL": db.url})
    return docker("run", "--rm", *AS_DEPLOYED, *env, build("loader")).stdout


def rows(name: str) -> list[dict[str, str]]:
    with (ROOT / "gatling/resources" / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_in_it(folder: str, record_testsuite_property: Record) -> None:
    tag = build(folder)

    def sh(script: str) -> str:
        return docker("run", "--rm", *AS_DEPLOYED, tag, "sh", "-c", script).stdout

    (found,) = json.loads(docker("image", "inspect", tag).stdout)
    assert found["Config"]["User"] == "10001:10001"
    assert found["Config"]["Labels"]["org.opencontainers.image.title"]
    assert found["Config"]["WorkingDir"] == "/code"
    added = found["Size"] - json.loads(docker("image", "inspect", base(bases(folder)[-1])[0]).stdout)[0]["Size"]
    sizes = f"{found['Size'] / 1e6:.0f} MB, {added / 1e6:.0f} of them over its base"
    record_testsuite_property(folder, sizes)
    assert 0 < added < LARGEST * (2 if folder == "gatling" else 1), sizes
    tools = sh("for tool in sh gcc cc g++ clang make; do command -v $tool; done; true").split()
    assert [Path(tool).name for tool in tools] == ["sh"], "a shell, and no compiler"
    assert sh("find /code -user 10001 -o -perm -o+w ! -type l") == "", "what it runs, it cannot change"
    if folder != "dynamodb":  # npm's packages bring their own READMEs
        assert sh(f"find /code {NOT_WANTED}") == ""


@pytest.mark.parametrize("folder", SERVED)
def test_it_runs_and_answers(folder: str, db: Container, emulator: Emulator, record_testsuite_property: Record) -> None:
    env = db_env(emulator) if folder == "db" else {"JWT_SECRET": SECRET, "DB_URL": db.url}
    container = Container(build(folder), env)
    try:
        container.start(SERVED[folder].format("readiness"))
        assert answers(container.url + SERVED[folder].format("health")), container.log
        assert container.users() == {"10001"}
        assert container.sh("touch /code/x").returncode != 0
        assert container.sh("touch /tmp/x").returncode == 0
        assert container.sh("test -f app.py").returncode == 0
    finally:
        container.remove()
    check_stop(lambda: Container(build(folder), env), SERVED[folder].format("readiness"), record_testsuite_property)


def test_db_can_get_its_credentials_from_everywhere() -> None:
    """Its image lacks most of botocore's descriptions; not those for DynamoDB, roles and single sign-on."""
    names = "dynamodb sts sso sso-oidc signin"
    script = f"import boto3; [boto3.client(name, region_name='us-west-2') for name in '{names}'.split()]"
    docker("run", "--rm", *AS_DEPLOYED, build("db"), "python", "-c", script)
    other = docker(
        "run", "--rm", *AS_DEPLOYED, build("db"), "python", "-c", "import boto3; boto3.client('s3')", check=False
    )
    assert "UnknownServiceError" in other.stderr


def test_the_loader_does_its_work(db: Container, loaded: str) -> None:
    total = len(rows("users.csv")) + len(rows("music.csv"))
    assert f"loaded {total} of {total} rows, 0 failed" in loaded
    song = rows("music.csv")[-1]
    query = {"objtype": "music", "objkey": song["music_id"]}
    assert requests.get(f"{db.url}/api/v1/datastore/read", query, timeout=5).json()["Items"] == [song]


def test_the_graph_runs_and_answers(record_testsuite_property: Record) -> None:
    def make() -> Container:
        return Container(build("graph"), {"PROMETHEUS_URL": "http://127.0.0.1:9"})

    container = make()
    try:
        container.start("/kiali/healthz")
        page = requests.get(f"{container.url}/kiali/", timeout=5)
        assert page.status_code == 200
        parts = re.findall(r'(?:src|href)="([^":]+\.(?:m?js|css))"', page.text)
        assert parts
        for part in [*parts, *(f"vendor/{name}" for name in VENDOR)]:
            assert answers(f"{container.url}/kiali/{part.removeprefix('/kiali/')}"), part
        assert container.users() == {"10001"}
    finally:
        container.remove()
    check_stop(make, "/kiali/healthz", record_testsuite_property)


def test_the_emulator_keeps_tables(record_testsuite_property: Record, tmp_path: Path) -> None:
    def make() -> Container:
        port = free_port()
        command = [word if word != "8000" else str(port) for word in json.loads(dict(instructions("dynamodb"))["CMD"])]
        options = ["--tmpfs", "/data:mode=1777"]  # cluster/dynamodb-emulator.yaml: the emptyDir at /data
        return Container(build("dynamodb"), EMULATOR_KEY, options, command, port)

    container = make()
    try:
        container.start("/")
        tables = Emulator(tmp_path, container.port)
        made = tables.tables("init")
        assert made.returncode == 0, made.stderr
        assert "ACTIVE" in tables.tables("list").stdout
        assert container.users() == {"10001"}
    finally:
        container.remove()
    check_stop(make, "/", record_testsuite_property)


def test_the_load_loads(db: Container, loaded: str) -> None:
    """A short simulation against a music service; every song is there, so nothing may fail."""
    assert loaded
    tag = build("gatling")
    music = Container(build("s2/v1"), {"JWT_SECRET": SECRET, "DB_URL": db.url})
    try:
        music.start("/api/v1/music/readiness")
        token = Tokens(AuthConfig(SECRET)).issue("tester", operator=True)
        wanted = {"SIM": "ReadMusicSim", "USERS": "1", "DURATION": "3s", "MAX_ERRORS": "0%", "TOKEN": token}
        results = ["--tmpfs", "/code/results:mode=1777"]  # cluster/load-job.yaml: the emptyDir there
        env = env_options({**wanted, "BASE_URL": music.url})
        done = docker("run", "--rm", *AS_DEPLOYED, *results, *env, tag, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        metrics = requests.get(f"{music.url}/metrics", timeout=5).text
        assert re.search(r'flask_http_request_total\{[^}]*status="200"', metrics), metrics
    finally:
        music.remove()


def test_the_load_says_what_it_lacks() -> None:
    done = docker("run", "--rm", *AS_DEPLOYED, build("gatling"), check=False)
    assert done.returncode == 64, done.stdout + done.stderr
    assert done.stderr.startswith("load: SIM is "), done.stderr


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("/nowhere/docker", "no docker here: .*No such file or directory.*"),
        ("false", "no Docker engine answers: "),
    ],
)
def test_why_nothing_is_run_is_said(monkeypatch: pytest.MonkeyPatch, program: str, reason: str) -> None:
    """What this file skips with is a sentence, not an exception."""
    monkeypatch.setattr("tests.images.test_images.DOCKER", program)
    assert re.fullmatch(reason, why_no_engine())
