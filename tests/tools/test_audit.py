"""An audit that could not look is a failure, as one that found something is."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StandIns
from tools.audited import locked, problems

ROOT = Path(__file__).resolve().parents[2]
PIP_LOCK = (
    'flask==3.1.0 \\\n    --hash=sha256:00\n    # via x\ntyped==1.0 ; python_version < "3.8" \\\n    --hash=sha256:00\n'
)
NPM_LOCK = json.dumps({"packages": {"": {}, "node_modules/a": {}, "node_modules/b": {}}})


def pip_answer(*vulns: dict[str, Any]) -> str:
    return json.dumps({"dependencies": [{"name": "flask", "version": "3.1.0", "vulns": list(vulns)}], "fixes": []})


def npm_answer(total: int = 2, **known: str) -> str:
    vulnerabilities = {name: {"name": name, "severity": severity} for name, severity in known.items()}
    return json.dumps({"vulnerabilities": vulnerabilities, "metadata": {"dependencies": {"total": total}}})


def test_clean() -> None:
    assert (locked("requirements.lock", PIP_LOCK), locked("a/package-lock.json", NPM_LOCK)) == (2, 2)
    assert problems("requirements.lock", PIP_LOCK, pip_answer(), 0) == [], "one is for another Python"
    assert problems("a/package-lock.json", NPM_LOCK, npm_answer(), 0) == []


def test_what_is_known_is_told() -> None:
    known = pip_answer({"id": "PYSEC-1", "fix_versions": ["3.1.1"]}, {"id": "PYSEC-2", "fix_versions": []})
    assert problems("requirements.lock", PIP_LOCK, known, 1) == [
        "flask 3.1.0: PYSEC-1, mended in 3.1.1",
        "flask 3.1.0: PYSEC-2, mended in none",
    ]
    assert problems("a/package-lock.json", NPM_LOCK, npm_answer(a="high"), 1) == ["a: high"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [("", 0), ("", 1), ("null", 0), ("{}", 0), ('{"message": "405 Method Not Allowed", "method": "POST"}', 1),
     ('{"dependencies": [{"name": "flask", "skip_reason": "not found"}]}', 0), ('{"metadata": {}}', 0)],
)  # fmt: skip
@pytest.mark.parametrize(("name", "lock"), [("requirements.lock", PIP_LOCK), ("a/package-lock.json", NPM_LOCK)])
def test_no_answer_is_not_taken_for_nothing_known(name: str, lock: str, answer: str, code: int) -> None:
    assert len(problems(name, lock, answer, code)) == 1


def test_half_an_answer_is_none() -> None:
    assert problems("a/package-lock.json", NPM_LOCK, npm_answer(1), 0) == ["only 1 of 2 packages were looked up"]
    assert problems("requirements.lock", PIP_LOCK, pip_answer(), 3) == ["exit code 3, and no reason given"]


def test_every_lock_is_asked_about(standins: StandIns, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "web").mkdir(parents=True)
    shutil.copytree(ROOT / "tools", checkout / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "requirements.lock").write_text("flask==3.1.0\n")
    (checkout / "web/package-lock.json").write_text(NPM_LOCK)
    for command in (["git", "init", "-q"], ["git", "add", "."]):
        subprocess.run(command, cwd=checkout, check=True, timeout=60)
    standins.program("pip-audit", "npm")
    standins.answer("pip-audit", pip_answer())
    standins.answer("npm audit", npm_answer())
    done = standins.run("tools/audit.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "requirements.lock: 1 packages, nothing known", "web/package-lock.json: 2 packages, nothing known",
    ]  # fmt: skip
    standins.answer("npm audit", "the database is not there\n", 1)
    done = standins.run("tools/audit.sh", cwd=checkout)
    assert done.returncode == 1
    assert "could not be asked (exit code 1)" in done.stderr
    assert "not known to be clean: web/package-lock.json" in done.stderr
    assert "requirements.lock: 1 packages, nothing known" in done.stdout, "the others are asked none the less"
