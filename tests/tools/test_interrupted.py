"""^C ends the scripts that talk to a cluster at once, without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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
