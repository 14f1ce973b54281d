"""^C ends what takes long at once, with a line and without a traceback; a terminal shows meanwhile how long."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", [("-m", "tools.addons"), ("-m", "tools.check_cluster"), ("tools/access.py",)])
def test_interrupted(script: tuple[str, ...], tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 60\n")
    kubectl.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ALLOW_FROM": "auto"}
    command = [sys.executable, *script]
    running = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert begun.exists()
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == -signal.SIGINT
    assert "Traceback" not in said


def interrupted(command: list[str], cwd: Path, env: dict[str, str], begun: Callable[[], bool]) -> tuple[int, str]:
    """Exit code and output (both streams) of a command that gets ^C once it has begun what takes long."""
    running = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + 90
        while not begun():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end, "it has not begun"
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=30)
    finally:
        running.kill()
    return running.returncode, said


GATLING = """
import pathlib, runpy, sys
from tools import load_build

def fetched(lock, folder):
    folder.mkdir(exist_ok=True)
    (folder / "one.jar").touch()

load_build.install_java = lambda: None
if sys.argv[1] == "compile":
    load_build.fetch = fetched
    load_build.java = lambda: str(pathlib.Path("java").absolute())
sys.argv[1:] = ["start", "1", "ReadMusicSim", "--gateway", "127.0.0.1:9"]
runpy.run_module("tools.load", run_name="__main__")
"""


@pytest.mark.parametrize("step", ["fetch", "compile"])
def test_the_first_run_of_gatling(checkout: Path, tmp_path: Path, step: str) -> None:
    """The real thing until it fetches from a server that never answers, or compiles with a Java that never ends."""
    shutil.rmtree(checkout / "gatling")
    shutil.copytree(ROOT / "gatling", checkout / "gatling", ignore=shutil.ignore_patterns("target", "results"))
    java, compiles = checkout / "java", tmp_path / "compiles"
    java.write_text(f"#!/bin/sh\ntouch {compiles}\nexec sleep 60\n")
    java.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        silent.setblocking(False)

        def begun() -> bool:
            if step == "compile":
                return compiles.exists()
            try:
                silent.accept()[0].detach()
            except BlockingIOError:
                return False
            return True

        env = {"MAVEN_MIRROR": f"http://127.0.0.1:{silent.getsockname()[1]}", "HOME": str(tmp_path)}
        code, said = interrupted([sys.executable, "-c", GATLING, step], checkout, env, begun)
    assert code == 130
    assert said.replace("  - compiling the simulations\n", "") == "\ninterrupted: nothing was started\n"


def test_the_first_set_up(checkout: Path, tmp_path: Path) -> None:
    """pip ends a ^C as a failure, which must not be told as one."""
    begun = tmp_path / "begun"
    (checkout / ".venv").unlink()
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / "requirements.lock").write_text("# nothing\n")
    for name in ("python", "pip"):
        program = checkout / ".venv/bin" / name
        program.write_text(
            f"#!{sys.executable}\nimport pathlib, sys, time\nif 'pip' in sys.argv:\n    try:\n"
            f"        pathlib.Path({str(begun)!r}).touch()\n        time.sleep(60)\n"
            "    except KeyboardInterrupt:\n        sys.exit('ERROR: Operation cancelled by user')\n"
        )
        program.chmod(0o755)
    code, said = interrupted(["tools/setup.sh"], checkout, {}, begun.exists)
    assert code == 130
    assert said == "  - Python packages of requirements.lock ... interrupted\n"


ATTEMPT = 'source tools/lib.sh; log=$1; attempt "a long one" sleep 2.5; attempt "a bad one" false; exit "$code"'


def test_what_takes_long_says_how_long(tmp_path: Path) -> None:
    command = ["bash", "-c", ATTEMPT, "bash", str(tmp_path / "log")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"  - a long one \.\.\. \d+ s\n  - a bad one \.\.\. failed\n", done.stdout)
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 4096):
                text += chunk
        except OSError:
            pass  # how a terminal ends
        assert running.wait(timeout=60) == 1
    os.close(ours)
    assert b"\r  - a long one ... 1 s" in text
    assert text.count(b"\r\n") == 2
