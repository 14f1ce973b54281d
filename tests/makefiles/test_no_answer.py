"""A cluster that does not answer: whatever asks it says so in a line, with the cure, without memcache lines.

The real kubectl, before a port where nobody listens.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.aws import BROKEN
from tests.conftest import ROOT, StandIns
from tests.makefiles.test_makefiles import rules

SILENT = {"help", "showcontext", "submission", "registry-login", "cri"}
"""Targets that do not ask the cluster, or not before they have a registry."""
WRITTEN = set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", (ROOT / "k8s.mak").read_text(), re.MULTILINE))
TARGETS = sorted((WRITTEN | rules("k8s.mak").keys()) - SILENT)
WORDS = {
    "apply": ("cluster/s1-svc.yaml",),
    "canary": ("v2",),
    "deployments": ("s2",),
    "gatling": ("1", "ReadMusicSim"),
    "image": ("build", "db"),
    "load-job": ("1", "ReadMusicSim", "1", "1m"),
    "s2-switch": ("v2",),
    "s2-versions": ("running",),
    "s2ver": ("v2",),
    "wait": ("cmpt756s1",),
}
"""What the scripts are called with; the others take nothing."""
ELSEWHERE = {
    *("allclouds", "vendor", "bare-debian", "lock", "setup", "test", "lint", "checkov", "audit", "tag"),
    *("check-worksheets", "kill-gatling", "list-gatling", "pocket-tables", "registry-login"),
}
"""Scripts that ask no cluster, or several in words of their own (tests/vendors)."""
SCRIPTS = sorted(
    path.stem for path in (ROOT / "tools").glob("*.sh") if path.stem not in ELSEWHERE and path.stem != "lib"
)
MAKE = ("VERSION=v2", "USERS=1", "SIM=ReadMusicSim")


def run(standins: StandIns, checkout: Path, *command: str) -> str:
    """What a command that has failed says: without lines that nobody understands."""
    (standins.folder / "kubectl").unlink()
    (standins.folder / "kubectl").symlink_to(ROOT / ".venv/bin/kubectl")
    for package in ("graph", "gatling", "servicekit", "db", "pocket"):
        shutil.rmtree(checkout / package, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__", "node_modules", "results")
        shutil.copytree(ROOT / package, checkout / package, ignore=ignored)
    kubeconfig = checkout / "kubeconfig"
    kubeconfig.write_text(BROKEN["unreachable"][0] or "")
    env = {"KUBECONFIG": str(kubeconfig), "WAIT": "3", "POCKET_HOME": str(checkout / "pocket-home")}
    done = standins.run(*command, cwd=checkout, env=env)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "memcache.go" not in said
    assert "Traceback" not in said
    return done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_every_target(standins: StandIns, checkout: Path, target: str) -> None:
    says_so(run(standins, checkout, "make", "-f", "k8s.mak", target, *MAKE))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script(standins: StandIns, checkout: Path, script: str) -> None:
    says_so(run(standins, checkout, f"tools/{script}.sh", *WORDS.get(script, ())))


def says_so(stderr: str) -> None:
    """One line with the reason, one with the cure, and at most make's own."""
    lines = [line for line in stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 2, stderr
    assert 'the cluster of context "aws756" cannot be asked: The connection to the server' in lines[0]
    assert lines[1].startswith("Start it (pocket: make up), or choose another: kubectl config use-context")


@pytest.mark.parametrize(
    ("target", "said", "code"),
    [("ls", "stopped", 0), ("status", "stopped", 2), ("stop", "nothing at", 0), ("restore", "no copy", 2)],
)
def test_a_pocket_that_is_not_there(standins: StandIns, checkout: Path, target: str, said: str, code: int) -> None:
    """Its own targets ask no cluster. (`start` makes one.)"""
    shutil.copytree(ROOT / "pocket", checkout / "pocket", ignore=shutil.ignore_patterns("__pycache__"))
    home = {"POCKET_HOME": str(checkout / "pocket-home")}
    done = standins.run("make", "-f", "pocket.mak", target, cwd=checkout, env=home)
    assert said in done.stdout + done.stderr
    assert done.returncode == code
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == (target == "restore")
