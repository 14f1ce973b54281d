"""The real services with their data behind one address, and the scripts as a person calls them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from servicekit.auth import Tokens
from servicekit.config import AuthConfig
from tests.gatling.gateway import Gateway
from tests.realservices import LOADER_TOKEN, ROOT, SECRET, Chain, base_env, start_chain
from tools import load_build


@pytest.fixture(scope="session")
def classpath() -> str:
    """The compiled simulations. Skips, with the reason, where this machine can't have them."""
    try:
        target = load_build.prepare(ROOT / "gatling")
    except load_build.Missing as error:
        pytest.skip(f"Gatling can't run here: {error}")
    return f"{target / 'classes'}{os.pathsep}{target / 'lib'}/*"


@pytest.fixture(scope="session")
def chain(classpath: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    made = start_chain(tmp_path_factory.mktemp("chain"))
    load_data(made)
    yield made
    made.stop()


def load_data(chain: Chain) -> None:
    """Runs the loader."""
    env = base_env(chain.emulator.folder) | {
        "LOADER_TOKEN": LOADER_TOKEN,
        "DB_URL": chain.db.base,
        "DATA_DIR": str(ROOT / "gatling" / "resources"),
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run([sys.executable, "loader/app.py"], cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)


@dataclass
class Scripts:
    """tools/*gatling.sh against one gateway, with a folder of jobs of their own."""

    gateway: str
    results: Path
    token: str
    followers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "GATLING_RESULTS": str(self.results), "TOKEN": self.token}

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the scripts to its end."""
        return subprocess.run(
            [ROOT / "tools" / f"{name}.sh", *arguments], env=self.env, capture_output=True, text=True, timeout=120
        )

    def load(self, users: int, simulation: str, *options: str) -> subprocess.CompletedProcess[str]:
        """tools/gatling.sh with a --duration."""
        return self.run("gatling", str(users), simulation, "--gateway", self.gateway, *options)

    def follow(self, users: int, simulation: str, output: Path) -> subprocess.Popen[bytes]:
        """tools/gatling.sh without an end, in a process group as a terminal would give it."""
        command = [str(ROOT / "tools" / "gatling.sh"), str(users), simulation, "--gateway", self.gateway]
        with output.open("wb") as file:
            follower = subprocess.Popen(command, env=self.env, stdout=file, stderr=file, start_new_session=True)
        self.followers.append(follower)
        return follower

    def get(self, path: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.get(f"http://{self.gateway}{path}", headers=headers, timeout=10)

    def close(self) -> None:
        """Ends whatever a test has left."""
        self.run("kill-gatling", "all")
        for follower in self.followers:
            if follower.poll() is None:
                os.killpg(follower.pid, signal.SIGKILL)
                follower.wait()


@pytest.fixture(scope="session")
def token() -> str:
    return Tokens(AuthConfig(SECRET)).issue("tests", operator=True)


@pytest.fixture
def scripts(chain: Chain, token: str, tmp_path: Path) -> Iterator[Scripts]:
    """With v1 of music."""
    yield from _scripts(chain, token, tmp_path, v2=False)


@pytest.fixture
def scripts_v2(chain: Chain, token: str, tmp_path: Path) -> Iterator[Scripts]:
    """With v2 of music, which fails half of its reads."""
    yield from _scripts(chain, token, tmp_path, v2=True)


def _scripts(chain: Chain, token: str, folder: Path, *, v2: bool) -> Iterator[Scripts]:
    gateway = Gateway(chain, folder, v2=v2)
    made = Scripts(gateway.address, folder / "results", token)
    try:
        yield made
    finally:
        made.close()
        gateway.stop()
