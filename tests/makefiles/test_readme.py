"""What README.md, docs/design.md and docs/exercise.md name is there: files, make targets, scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.makefiles.test_pointers import target_exists
from tools import screenshots

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/design.md", "docs/exercise.md")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    assert links
    for link in links:
        if "://" not in link:
            assert ((ROOT / page).parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_scripts_and_targets_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    for script in re.findall(r"tools/[\w-]+\.(?:sh|py)", text):
        assert (ROOT / script).exists(), script
    for file, targets in re.findall(r"make (?:-e )?-f (\w+\.mak) ([\w-]+(?: [\w-]+)*)", text):
        for target in targets.split():
            if target in ("loader", "deploy", "scratch") or target == targets.split()[0]:
                assert target_exists(file, target), f"{file} {target}"
    for target in re.findall(r"make (up|down|test|demo|help)\b", text):
        assert target_exists("Makefile", target)


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_every_picture_of_the_exercise_is_shown_and_made_by_the_script() -> None:
    shown = set(re.findall(r"\]\(images/([\w-]+)\.png\)", (ROOT / "docs/exercise.md").read_text()))
    assert shown == {path.stem for path in (ROOT / "docs/images").glob("*.png")}
    assert shown == {shot.name for shot in screenshots.SHOTS if shot.shown}
