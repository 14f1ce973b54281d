"""tools/setup.sh: what it says on machines that lack something, and that it does nothing the second time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import StandIns

ROOT = Path(__file__).resolve().parents[2]
NEEDED = "bash dirname mkdir cat cksum id rm ls sed tail head mv ln printf sort find tr cut"


@pytest.fixture
def machine(standins: StandIns, checkout: Path) -> Path:
    """A PATH with next to nothing on it, and a checkout without .venv."""
    for name in NEEDED.split():
        found = shutil.which(name)
        assert found
        (standins.folder / name).symlink_to(found)
    (standins.folder / "kubectl").unlink()
    standins.env["PATH"] = str(standins.folder)
    (checkout / ".venv").unlink()
    for name in ("requirements.lock", "requirements-dev.lock"):
        (checkout / name).write_text("# nothing\n")
    return checkout


def python(standins: StandIns, *, new: bool, venv: bool) -> None:
    path = standins.folder / "python3"
    path.write_text(
        '#!/bin/bash\ncase "$*" in\n'
        f"    *version_info\\ *) exit {0 if new else 1} ;;\n"
        f"    *ensurepip*) exit {0 if venv else 1} ;;\n"
        "    *-venv*) echo python3.11-venv ;;\n"
        '    *sys.executable*) echo "$0" ;;\n'
        "    --version) echo Python 3.9.2 ;;\nesac\n"
    )
    path.chmod(0o755)


def test_an_old_python(standins: StandIns, machine: Path) -> None:
    python(standins, new=False, venv=True)
    done = standins.run("tools/setup.sh", cwd=machine)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed; python3 here is Python 3.9.2" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_python_without_venv_names_the_debian_package(standins: StandIns, machine: Path) -> None:
    python(standins, new=True, venv=False)
    done = standins.run("tools/setup.sh", cwd=machine)
    assert done.returncode != 0
    assert "sudo apt-get install python3.11-venv" in done.stderr


def test_no_network(standins: StandIns, checkout: Path) -> None:
    """The real pip against an address where nobody listens."""
    (checkout / ".venv").unlink()
    (checkout / "requirements.lock").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    dead = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    done = standins.run("tools/setup.sh", cwd=checkout, env=dead)
    assert done.returncode != 0
    assert "Python packages of requirements.lock ... failed" in done.stdout
    assert "six" in done.stderr
    assert "set the proxy (https_proxy) or a mirror (PIP_INDEX_URL)" in done.stderr
    assert not list((checkout / ".venv").glob(".installed-*"))


@pytest.fixture
def complete(standins: StandIns, checkout: Path) -> Path:
    """A checkout where Python's part is done: its .venv is a folder with links into the real one."""
    (checkout / ".venv").unlink()
    (checkout / ".venv/bin").mkdir(parents=True)
    for path in (ROOT / ".venv/bin").iterdir():
        if path.name in ("python", "pip", "kubectl"):
            (checkout / ".venv/bin" / path.name).symlink_to(path)
    standins.program("prometheus")
    for name in ("requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, checkout / name)
        stamp = standins.run("bash", "-c", f"cksum < {name}", cwd=checkout).stdout
        (checkout / f".venv/.installed-{name}").write_text(stamp)
    return checkout


@pytest.mark.parametrize(("version", "ours"), [("20", True), ("29+", True), ("30", False), ("37", False), (None, True)])
def test_an_old_kubectl_is_replaced(standins: StandIns, complete: Path, version: str | None, ours: bool) -> None:
    # The scripts must see the stand-in as the machine's kubectl, not as the one of the project.
    standins.env["C756_BIN"] = str(complete / ".cache/bin")
    standins.env["PATH"] = f"{standins.folder}:/usr/bin:/bin" if version else str(standins.folder)
    if version:
        standins.answer("version --client", f'{{"clientVersion": {{"major": "1", "minor": "{version}"}}}}\n')
    else:
        (standins.folder / "kubectl").unlink()
        for name in NEEDED.split():
            (standins.folder / name).symlink_to(str(shutil.which(name)))
    for _ in range(2):
        done = standins.run("tools/setup.sh", cwd=complete)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert os.access(complete / ".cache/bin/kubectl", os.X_OK) == ours
    assert len(standins.calls) == (1 if version else 0)
