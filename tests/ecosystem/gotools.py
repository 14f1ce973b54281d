"""Programs that the tests build with the machine's Go, from source of ours and modules pinned by a go.sum."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FETCH = 120.0  # seconds for the modules
BUILD = 900.0  # seconds, on a machine that does other things as well


def built(source: Path, target: Path) -> Path:
    """The program of a folder with a go.mod. Skips the test where there is no Go, or the modules cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on the PATH")
    env = {**os.environ, "GOFLAGS": "-p=2 -buildvcs=false -mod=readonly", "GOTOOLCHAIN": "local"}
    try:
        fetched = subprocess.run(
            [go, "mod", "download"], cwd=source, env=env, capture_output=True, text=True, timeout=FETCH
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"the modules of {source.name} did not come within {FETCH:.0f} s")
    if fetched.returncode:
        pytest.skip(f"the modules of {source.name} cannot be had: {fetched.stderr.strip()[-300:]}")
    command = [go, "build", "-o", str(target), "."]
    done = subprocess.run(command, cwd=source, env=env, capture_output=True, text=True, timeout=BUILD)
    assert done.returncode == 0, done.stderr
    return target
