"""What every Dockerfile here has in common, read without an engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.realservices import ROOT

DOCKERFILES = sorted([*ROOT.glob("*/Dockerfile"), *ROOT.glob("*/*/Dockerfile")])
FOLDERS = [file.parent.relative_to(ROOT).as_posix() for file in DOCKERFILES]
# A tag that names one patch release and one release of the system under it (3.12.13-slim-trixie, 21.0.12_8-jre-noble),
# for people and for who makes such an image by hand; and the digest of the one that is meant.
PINNED = r"[a-z0-9/-]+:\d+\.\d+\.\d+[_a-z0-9]*(-(slim|jre))?-(trixie|noble)(-slim)?@sha256:[0-9a-f]{64}"


def instructions(folder: str) -> list[tuple[str, str]]:
    """Instruction and operands of each line; long lines joined, comments left out."""
    text = re.sub(r"\\\n", " ", (ROOT / folder / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def bases(folder: str) -> list[str]:
    """The images that the stages begin with, the last one's last; stages that begin with another stage left out."""
    operands = [rest.split() for word, rest in instructions(folder) if word == "FROM"]
    stages = {words[-1] for words in operands if len(words) == 3}
    return [words[0] for words in operands if words[0] not in stages]


def test_there_are_some() -> None:
    assert {"s1", "s2/v1", "s2/v2", "db", "loader", "graph", "gatling"} <= set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_base_is_pinned_by_digest(folder: str) -> None:
    assert bases(folder)
    for base in bases(folder):
        assert re.fullmatch(PINNED, base), f"{folder}: {base} may be another one tomorrow"


def test_what_counts_as_pinned() -> None:
    for floating in ("python", "python:latest", "python:3.12-slim-trixie", "python:3.12.13-slim", "node:24.19.0-slim"):
        assert not re.fullmatch(PINNED, f"{floating}@sha256:{'0' * 64}"), floating
    assert re.fullmatch(PINNED, f"python:3.12.13-slim-trixie@sha256:{'0' * 64}")
    assert not re.fullmatch(PINNED, "python:3.12.13-slim-trixie"), "the same tag may be another image tomorrow"


def test_one_base_for_each_language() -> None:
    """So a node holds each base once."""
    found = {base for folder in FOLDERS for base in bases(folder)}
    assert len(found) == len({base.partition(":")[0] for base in found}), found


@pytest.mark.parametrize("folder", FOLDERS)
def test_its_last_stage_runs_nothing_and_ends_as_nobody(folder: str) -> None:
    """No RUN: so there is nothing that a build for another processor would have to run there either."""
    lines = instructions(folder)
    last = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
    words = [word for word, _ in lines[last:]]
    assert "RUN" not in words
    assert [rest for word, rest in lines if word == "USER"] == ["10001:10001"]
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "COPY")
    assert words.index("USER") < words.index("CMD")


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_comes_from_elsewhere_unseen(folder: str) -> None:
    """ADD fetches and unpacks; --chown would let the program change itself; pip and npm take what the lock names."""
    for word, rest in instructions(folder):
        assert word != "ADD"
        assert "--chown" not in rest
        if word == "RUN":
            assert re.match(r"pip install .*--require-hashes|npm ci .*--ignore-scripts", rest), rest


def test_each_gets_only_what_it_needs() -> None:
    """.dockerignore begins by leaving out everything."""
    for path in [ROOT / ".dockerignore", *(Path(f"{file}.dockerignore") for file in DOCKERFILES)]:
        if path.exists():
            assert re.sub(r"(?m)^#.*\n", "", path.read_text()).startswith("*\n"), path
