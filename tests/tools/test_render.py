"""Placeholders are filled strictly: never half, never silently."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import render

VALUES = {"REGISTRY": "ghcr.io", "OWNER": "someone", "REGION": "us-west-2", "PIN_S1": "@sha256:abc"}


def test_values_take_the_place_of_placeholders() -> None:
    text = "a: ${REGISTRY}/${OWNER}/cmpt756s1:v1${PIN_S1}\nb: plain $HOME $1\n"
    assert render.render(text, "f", VALUES) == "a: ghcr.io/someone/cmpt756s1:v1@sha256:abc\nb: plain $HOME $1\n"


def test_comments_may_speak_of_placeholders() -> None:
    assert render.render("  # ${ANYTHING}\n", "f", {}) == "  # ${ANYTHING}\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x: ${REGOIN}", "cluster/a.yaml:2: unknown placeholder ${REGOIN}; known are REGISTRY"),
        ("x: ${}", "cluster/a.yaml:2: unknown placeholder ${}"),
        ("x: ${REGION", "cluster/a.yaml:2: unknown placeholder ${REGION"),
        ("x: ${REGION:-us-east-1}", "unknown placeholder ${REGION:-us-east-1}"),
        ("x: ${TABLE_SUFFIX}", "cluster/a.yaml:2: TABLE_SUFFIX is not set (set it in config.mak"),
        ("x: ${PIN_DB}", "cluster/a.yaml:2: PIN_DB is not set (build its image"),
    ],
)
def test_what_cannot_be_filled_is_named_with_file_and_line(line: str, message: str) -> None:
    with pytest.raises(render.RenderError) as error:
        render.render(f"first: line\n{line}\n", "cluster/a.yaml", VALUES)
    assert message in str(error.value)


@pytest.mark.parametrize("value", ["a b", "x\nevil: yes", '"', "${REGION}", "a#b"])
def test_a_value_cannot_change_the_yaml_around_it(value: str) -> None:
    with pytest.raises(render.RenderError, match="REGION="):
        render.render("x: ${REGION}", "f", {"REGION": value})


def test_owner_in_capitals_is_refused_with_the_cure() -> None:
    with pytest.raises(render.RenderError, match=r"OWNER=SomeOne.*lower case \(someone\)"):
        render.render("x: ${OWNER}", "f", {"OWNER": "SomeOne"})


def test_the_command_prints_nothing_if_anything_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("a: 1\n")
    (tmp_path / "bad.yaml").write_text("a: ${REGION}\n")

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, render.__file__, *names]
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)

    assert run("good.yaml", "good.yaml").stdout == "a: 1\n---\na: 1\n"
    failed = run("good.yaml", "bad.yaml")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "bad.yaml:1: REGION is not set" in failed.stderr
    assert run("no.yaml").returncode == 1
    assert run().returncode == 2
