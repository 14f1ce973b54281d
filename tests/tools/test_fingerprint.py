"""An image is rebuilt when something in it changed, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools.fingerprint import copied, fingerprint

DOCKERFILE = Path("s1/Dockerfile")


def test_sources_are_what_copy_lines_take_from_the_context() -> None:
    text = (
        "FROM a AS build\nCOPY requirements.lock x/ /code/\n# COPY no /no\n"
        'COPY --from=build /venv /venv\ncopy --chown=1:1 --link s1 \\\n  s2 /code/\n'
        'ADD ["with space", "/code/"]\nRUN COPY y z\n'
    )
    assert copied(text) == ["requirements.lock", "x/", "s1", "s2", "with space"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("s1/app.py", "servicekit/auth.py", "s2/app.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / DOCKERFILE).write_text("FROM a\nCOPY servicekit /code/servicekit\nCOPY s1/*.py /code/\n")
    return tmp_path


def test_changes_that_count(root: Path) -> None:
    seen = {fingerprint(root, DOCKERFILE)}

    def is_new() -> bool:
        before = len(seen)
        seen.add(fingerprint(root, DOCKERFILE))
        return len(seen) == before + 1

    (root / "servicekit/auth.py").write_text("changed")
    assert is_new()
    (root / "servicekit/new.py").write_text("")
    assert is_new()
    (root / "servicekit/new.py").rename(root / "servicekit/renamed.py")
    assert is_new()
    (root / "s1/app.py").chmod(0o755)
    assert is_new()
    (root / DOCKERFILE).write_text((root / DOCKERFILE).read_text() + "CMD a\n")
    assert is_new()
    (root / ".dockerignore").write_text("x")
    assert is_new()


def test_changes_that_do_not(root: Path) -> None:
    before = fingerprint(root, DOCKERFILE)
    (root / "s2/app.py").write_text("of another image")
    os.utime(root / "s1/app.py", (1, 1))
    (root / "servicekit/__pycache__").mkdir()
    (root / "servicekit/__pycache__/auth.cpython-311.pyc").write_text("")
    assert fingerprint(root, DOCKERFILE) == before
    (root / "servicekit/new.py").write_text("")
    (root / "servicekit/new.py").unlink()
    assert fingerprint(root, DOCKERFILE) == before


def test_libraries_that_the_dockerfile_names_count(root: Path) -> None:
    library = root / "graph/node_modules/drawing/drawing.mjs"
    library.parent.mkdir(parents=True)
    library.write_text("1")
    (root / DOCKERFILE).write_text(f"FROM a\nCOPY {library.relative_to(root)} /code/\n")
    before = fingerprint(root, DOCKERFILE)
    library.write_text("2")
    assert fingerprint(root, DOCKERFILE) != before
    (root / DOCKERFILE).write_text("FROM a\nCOPY graph /code/\n")
    before = fingerprint(root, DOCKERFILE)
    library.write_text("3")
    assert fingerprint(root, DOCKERFILE) == before


def test_a_source_that_is_not_there_is_named(root: Path) -> None:
    (root / DOCKERFILE).write_text("FROM a\nCOPY nowhere /code/\n")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        fingerprint(root, DOCKERFILE)
