"""The makefiles of clusters: strict, explained, the same verbs everywhere, versions in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import StandIns
from tests.makefiles.test_pointers import target_exists

ROOT = Path(__file__).resolve().parents[2]
VERBS = {"start", "stop", "up", "down", "ls", "lscl", "status", "cd"}
FILES = {"eks.mak": VERBS, "az.mak": VERBS, "gcp.mak": VERBS, "mk.mak": VERBS, "allclouds.mak": {"ls", "stop"}}


def rules(file: str) -> dict[str, str]:
    return dict(re.findall(r"^## ([\w-]+): (.+)$", (ROOT / file).read_text(), re.MULTILINE))


@pytest.mark.parametrize("file", ["clusters.mak", "allclouds.mak"])
def test_every_target_is_explained(file: str) -> None:
    text = (ROOT / file).read_text()
    targets = set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
    assert targets == set(rules(file)) == set(re.findall(r"^\.PHONY: ([\w-]+)$", text, re.MULTILINE))


@pytest.mark.parametrize("file", FILES)
def test_help_lists_the_verbs_and_make_n_runs_nothing(standins: StandIns, file: str) -> None:
    said = standins.run("make", "-f", file, cwd=ROOT).stdout
    explained = rules("allclouds.mak" if file == "allclouds.mak" else "clusters.mak")
    assert explained.keys() == FILES[file]
    for verb, text in explained.items():
        assert re.search(rf"^ +{verb} +{re.escape(text)}$", said, re.MULTILINE)
        assert standins.run("make", "-n", "-f", file, verb, cwd=ROOT).returncode == 0
    assert standins.calls == []


def test_every_pin_is_used_and_stands_nowhere_else() -> None:
    pins = dict(re.findall(r"^(\w+) = (\S+)$", (ROOT / "versions.mak").read_text(), re.MULTILINE))
    exported = re.search(r"^export (.+)$", (ROOT / "versions.mak").read_text(), re.MULTILINE)
    assert exported
    assert set(exported[1].split()) == set(pins)
    scripts = {path: path.read_text() for path in [*(ROOT / "tools/clusters").glob("*.sh"), ROOT / "tools/vendor.sh"]}
    everything = "\n".join(scripts.values())
    for name, value in pins.items():
        assert re.search(rf"\$\{{?{name}\b", everything), f"{name} is not used"
        if len(value) > 2:
            assert value not in everything, f"{value} stands there as well"


def test_every_vendor_names_its_documentation() -> None:
    for name, host in {"eks": "docs.aws.amazon.com", "az": "learn.microsoft.com", "gcp": "cloud.google.com",
                       "mk": "minikube.sigs.k8s.io"}.items():  # fmt: skip
        assert f"https://{host}/" in (ROOT / f"tools/clusters/{name}.sh").read_text()


def test_the_docs_name_targets_and_settings_that_there_are() -> None:
    """What a newcomer types from docs/clusters.md exists."""
    text = (ROOT / "docs/clusters.md").read_text()
    commands = re.findall(r"make -f (\w+\.mak)((?: [a-z][\w-]*)+)", text)
    assert len(commands) > 20
    for file, targets in commands:
        for target in targets.split():
            assert target_exists(file, target), f"{file}: {target}"
    settings = set(re.findall(r"`([A-Z]+_?[A-Z]*)`", text)) - {"AWS_PROFILE", "AWS_ACCESS_KEY_ID", "CR_PAT"}
    known = (ROOT / "config.mak").read_text() + (ROOT / "versions.mak").read_text()
    for setting in settings:
        assert re.search(rf"^{setting} =", known, re.MULTILINE), setting


def test_the_docs_go_from_nothing_to_nothing_in_order() -> None:
    """What each step needs was done before it."""
    text = (ROOT / "docs/clusters.md").read_text()
    way = text[text.index("## The way there") : text.index("## What it costs")]
    steps = ["make setup", "config.mak", "eks.mak start", "dynamodb-init", "registry-login", "k8s.mak cri",
             "provision loader", "kiali-url", "eks.mak down", "eks.mak up", "reinstate", "eks.mak stop"]  # fmt: skip
    places = [way.index(step) for step in steps]
    assert places == sorted(places)
