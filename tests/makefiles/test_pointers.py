"""What comments, docstrings, pages and scripts point to is there: files, modules, make targets."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = (".py", ".md", ".sh", ".mak", ".yaml", ".yml", ".java", ".mjs", ".in", "Makefile", "Dockerfile")
PACKAGES = ("servicekit", "s1", "s2", "db", "loader", "pocket", "graph", "c756", "bench")
VENDORS = ("eks.mak", "az.mak", "gcp.mak", "mk.mak")  # their targets stand in clusters.mak

_PATH = re.compile(r"(?<![\w./$}-])((?:[\w.-]+/)+[\w.-]+\.(?:py|sh|ya?ml|md|mak|m?js|java|json|css|html|toml))\b")
_FILE = re.compile(r"(?<![\w./$}*<{-])([a-z_][\w-]*\.(?:py|sh|mak))\b")
_MODULE = re.compile(rf"(?<![\w./\"'-])((?:{'|'.join(PACKAGES)})(?:\.[a-z_]\w*)+)\b(?![(/])")
_MAKE = re.compile(r"\bmake (?:-e )?-f (\w+\.mak) ([a-z][\w-]*)|`make ([a-z][\w-]*)|^ +make ([a-z][\w-]*)")
# Stands for a name of the reader's: NAME, VERSION, or the `A` of CONTRIBUTING.md's recipes.
_PLACEHOLDER = re.compile(r"[A-Z]{3}|\.\.\.|(?<![A-Za-z])A(?![a-z])|ASim")


@cache
def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip
    return [name for name in listed if (ROOT / name).is_file()]


def prose(name: str, text: str) -> Iterator[tuple[int, str]]:
    """The lines that people read, numbered: of Python code the comments and docstrings, of scripts the comments."""
    if name.endswith((".sh", ".yaml", ".yml")):
        yield from ((number, line) for number, line in enumerate(text.splitlines(), 1) if re.match(r"\s*#", line))
        return
    if not name.endswith(".py"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and ast.get_docstring(node):
                yield from enumerate(str(first.value.value).splitlines(), first.lineno)


def gone(line: str) -> Iterator[str]:
    """What `line` points to and is not there."""
    tops = {name.partition("/")[0] for name in files() if "/" in name}
    for path in _PATH.findall(line):
        known = (ROOT / path).exists() or any(name.endswith(f"/{path}") for name in files())
        if path.partition("/")[0] in tops and not known and not _PLACEHOLDER.search(path):
            yield path
    for file in _FILE.findall(line):
        if not any(Path(name).name == file for name in files()):
            yield file
    for module in _MODULE.findall(line):
        if not module.endswith((".md", ".io", ".yaml", ".mak")) and not _module_exists(module):
            yield module
    for file, *targets in _MAKE.findall(line):
        makefile, target = file or "Makefile", next(filter(None, targets), "")
        if not target_exists(makefile, target):
            yield f"make -f {makefile} {target}"


def _module_exists(name: str) -> bool:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if place.is_dir() or source.exists():
            inner = parts[count:]
            return not inner or (source.exists() and re.search(rf"\b{inner[0]}\b", source.read_text()) is not None)
    return False


def target_exists(makefile: str, target: str) -> bool:
    read = [makefile, *(["clusters.mak"] if makefile in VENDORS else []), "common.mak"]
    text = "\n".join((ROOT / name).read_text() for name in read if (ROOT / name).exists())
    words = {word for line in re.findall(r"^([^\t#:=%$]+):(?!=)", text, re.MULTILINE) for word in line.split()}
    # `## log-%: ...` explains one for each of SERVICES.
    services = [word for line in re.findall(r"^SERVICES := (.+)$", text, re.MULTILINE) for word in line.split()]
    patterns = re.findall(r"^## ([\w-]*%[\w-]*):", text, re.MULTILINE)
    return target in words | {pattern.replace("%", word) for pattern in patterns for word in services}


@pytest.mark.parametrize("name", [name for name in files() if name.endswith(READ)])
def test_nothing_points_to_what_is_gone(name: str) -> None:
    lines = prose(name, (ROOT / name).read_text(errors="replace"))
    assert [f"{number}: {what}" for number, line in lines for what in gone(line)] == []


@pytest.mark.parametrize(
    "line",
    ["see tools/nowhere.sh", "as source.py has it", "# pocket.kubelet.source says why", "`make install` first",
     "make -f k8s.mak nowhere", "make -f k8s.mak log-s3", "make -f nowhere.mak ls", "[page](docs/nowhere.md)"],
)  # fmt: skip
def test_what_is_gone_is_found(line: str) -> None:
    assert list(gone(line))


@pytest.mark.parametrize(
    "line",
    ["see tools/lib.sh", "as app.py has it", "pocket.mesh.routes says why", "`make up` first", "cluster/s2-vs-v1.yaml",
     "make -f k8s.mak deploy", "make -f k8s.mak log-s2",
     "make -f gcp.mak start", "tools/clusters/VENDOR.sh", "servicekit.auth.Tokens"],
)  # fmt: skip
def test_what_is_there_is_not(line: str) -> None:
    assert list(gone(line)) == []


def test_code_is_not_prose_and_comments_are() -> None:
    code = '"""A page: a.py."""\n\nx = "b.py"  # see c.py\n'
    assert list(prose("x.py", code)) == [(3, "# see c.py"), (1, "A page: a.py.")]
