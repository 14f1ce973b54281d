"""Stand-ins for programs that a test must not really run, and a small copy of the checkout to run scripts in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]

# A shell that runs the tests in the background has them ignore ^C, and all that they start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


# -- which tests share a process, with `-n` ---------------------------------------------------------------------------


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """The tests of one file stay together, and so do all end-to-end tests: they share one pocket."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return "tests/e2e" if path.startswith("tests/e2e/") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """xdist's own way to this (marks and `--dist loadgroup`) does nothing with pytest 9."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end tests take longest and mostly wait: they begin first and run beside the others."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/e2e/"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What fails is told at once: a run that is ended before its summary has then said why."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        said = f"\n{report.when} of {report.nodeid} failed:\n{report.longreprtext[-3000:]}"
        print(said, file=sys.__stdout__, flush=True)


# -- stand-ins --------------------------------------------------------------------------------------------------------

_STAND_IN = """#!{python}
import json, os, re, sys
folder, name, arguments = {folder!r}, {name!r}, sys.argv[1:]
line = " ".join([name, *arguments])
with open(os.path.join(folder, "calls.jsonl"), "a+") as log:
    piped = arguments[-1:] == ["-"] or "--password-stdin" in arguments
    log.write(json.dumps([line, sys.stdin.read() if piped else ""]) + "\\n")
    log.seek(0)
    calls = log.read()
with open(os.path.join(folder, "answers.json")) as file:
    answers = json.load(file)
for pattern, output, code, after in answers:
    if re.search(pattern, line) and (not after or re.search(after, calls)):
        print(output, end="", file=sys.stderr if code else sys.stdout)
        sys.exit(code)
"""


@dataclass
class StandIns:
    """Programs that note how they were called. They say nothing and succeed, unless `answer` says otherwise."""

    folder: Path
    env: dict[str, str]

    def program(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.write_text(_STAND_IN.format(python=sys.executable, folder=str(self.folder), name=name))
            path.chmod(0o755)

    def answer(self, pattern: str, output: str = "", code: int = 0, after: str = "") -> None:
        """Calls whose command line matches the regular expression get this. Of several, the latest counts.
        With `after`: only once there was a call that matches that.
        """
        answers = json.loads(self._answers.read_text())
        self._answers.write_text(json.dumps([[pattern, output, code, after], *answers]))

    @property
    def _answers(self) -> Path:
        path = self.folder / "answers.json"
        if not path.exists():
            path.write_text("[]")
        return path

    def _log(self) -> list[tuple[str, str]]:
        path = self.folder / "calls.jsonl"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def calls(self) -> list[str]:
        """The command lines, in order."""
        return [line for line, _ in self._log()]

    def stdin(self, pattern: str) -> list[str]:
        """What was piped into the calls that contain the text."""
        return [text for line, text in self._log() if pattern in line]

    def forget(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def run(self, *command: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=cwd, env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=180,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def standins(tmp_path: Path) -> StandIns:
    """kubectl and docker that only note their calls; the context is a cluster that takes images from a registry."""
    folder = tmp_path / "standins"
    folder.mkdir()
    kept = ("PATH", "HOME", "LANG", "TMPDIR")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env |= {"C756_BIN": str(folder), "PATH": f"{folder}:{env['PATH']}", "KUBECONFIG": str(tmp_path / "no-kubeconfig")}
    env |= {"REGISTRY": "ghcr.io", "OWNER": "someone", "REGION": "us-west-2", "TABLE_SUFFIX": "someone"}
    env |= {"PLATFORMS": "linux/amd64", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    env |= {"AWS_EC2_METADATA_DISABLED": "true"}
    made = StandIns(folder, env)
    made.program("kubectl", "docker", "minikube", "kind")
    made.answer("")
    made.answer("config current-context", "aws756\n")
    made.answer("get namespace default", "0123456789-abcdef")
    return made


_DOCKERFILE = "FROM python:3.11-slim\nWORKDIR /code\nCOPY servicekit /code/servicekit\nCOPY {folder} /code/\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The makefiles, tools/ and cluster/ of this checkout, with a tiny image for each service."""
    target = tmp_path / "checkout"
    target.mkdir()
    for name in ("tools", "cluster", "c756"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", *(path.name for path in ROOT.glob("*.mak"))):
        shutil.copy2(ROOT / name, target / name)
    (target / ".venv").symlink_to(ROOT / ".venv")
    for folder in ("servicekit", "s1", "s2/v1", "s2/v2", "db", "loader", "graph", "dynamodb", "gatling"):
        (target / folder).mkdir(parents=True)
        (target / folder / "app.py").write_text(f'"""{folder}"""\n')
        if folder != "servicekit":
            (target / folder / "Dockerfile").write_text(_DOCKERFILE.format(folder=folder))
    return target
