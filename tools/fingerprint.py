"""A digest of everything an image is made of: `tools/fingerprint.py DOCKERFILE...`, run in the repository's root,
prints one line for each.

Which files these are, the Dockerfile itself says: the sources of its COPY and ADD lines. So a change to a shared
module rebuilds exactly the images that copy it, and no list has to be kept. Contents count, not times: a `git checkout`
back and forth rebuilds nothing. Files that .dockerignore leaves out may be counted; the build is then one too many.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_SKIP = {"__pycache__", "node_modules", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def copied(dockerfile: str) -> list[str]:
    """The sources in the build context that the COPY and ADD lines name, in order. `COPY --from=` takes none."""
    sources: list[str] = []
    text = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\s*\n", " ", text).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() not in ("COPY", "ADD"):
            continue
        flags = re.match(r"(\s*--\S+)*", rest)
        options, operands = (flags.group(0), rest[flags.end() :].strip()) if flags else ("", rest)
        if "--from=" in options:
            continue
        words = json.loads(operands) if operands.startswith("[") else operands.split()
        sources += words[:-1]
    return sources


def fingerprint(root: Path, dockerfile: Path) -> str:
    """Hex SHA-256 over names, modes and contents. Raises FileNotFoundError for a source that is not there."""
    digest = hashlib.sha256()
    sources = [str(dockerfile), ".dockerignore", f"{dockerfile}.dockerignore"]
    sources += copied((root / dockerfile).read_text(encoding="utf-8"))
    for path in sorted({path for source in sources for path in _files(root, source)}):
        name = path.relative_to(root).as_posix()
        executable = path.stat().st_mode & 0o100
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name} {executable} {content}\n".encode())
    return digest.hexdigest()


def _files(root: Path, source: str) -> Iterator[Path]:
    found = sorted(root.glob(source.strip("/"))) if source.strip("./") else [root]
    if not found and not source.endswith(".dockerignore"):
        raise FileNotFoundError(f"{source}: the Dockerfile copies it, but it is not there")
    for path in found:
        for file in [path] if path.is_file() else path.rglob("*"):
            # A source that names such a folder itself means it: the graph's image copies libraries out of node_modules.
            if file.is_file() and not _SKIP.intersection(file.relative_to(path).parts) and file.suffix != ".pyc":
                yield file


def main(arguments: list[str]) -> int:
    """Print the fingerprints. Returns the exit code."""
    if not arguments:
        print("usage: tools/fingerprint.py DOCKERFILE...", file=sys.stderr)
        return 2
    for dockerfile in arguments:
        try:
            print(fingerprint(Path.cwd(), Path(dockerfile)))
        except (OSError, ValueError) as error:
            print(f"fingerprint.py: {dockerfile}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
