"""Fills the placeholders of cluster/*.yaml: `tools/render.py FILE...` writes the objects to standard output.

A placeholder is `${NAME}`; its value is the environment variable NAME, which make exports from config.mak.
Nothing else is special: no defaults, no conditions, no nesting. An unknown placeholder or a variable that is not set
stops everything with the file and the line, so that no half-filled object reaches a cluster.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

CONFIG = ("REGISTRY", "OWNER", "REGION", "TABLE_SUFFIX")
"""From config.mak."""
LOAD = ("LOAD_DURATION", "LOAD_JOB", "LOAD_PODS", "LOAD_SIM", "LOAD_URL", "LOAD_USERS")
"""From tools/load-job.sh."""
PIN = re.compile("PIN_[A-Z0-9_]+")
"""From tools/image.sh: what follows an image's tag so that the build is named exactly, mostly `@sha256:...`."""

_PLACEHOLDER = re.compile(r"\$\{([^}\n]*)\}?")
# What may stand in a value: anything else could change the structure of the YAML around it.
_SAFE = re.compile(r"[A-Za-z0-9@:._/-]+")


class RenderError(Exception):
    """A placeholder that cannot be filled; the message names file, line and cure."""


def render(text: str, name: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled. Comment lines stay as they are. Raises RenderError."""
    return "".join(
        line if line.lstrip().startswith("#") else _render_line(line, f"{name}:{number}", values)
        for number, line in enumerate(text.splitlines(keepends=True), start=1)
    )


def _render_line(line: str, where: str, values: Mapping[str, str]) -> str:
    def fill(match: re.Match[str]) -> str:
        placeholder, key = match.group(0), match.group(1)
        if PIN.fullmatch(key):
            cure = "build its image: tools/image.sh build"
        elif key in CONFIG:
            cure = "set it in config.mak and use make"
        elif key in LOAD:
            cure = "use make -f k8s.mak load"
        else:
            cure = ""
        if not cure or not placeholder.endswith("}"):
            known = ", ".join(CONFIG + LOAD)
            raise RenderError(f"{where}: unknown placeholder {placeholder}; known are {known}, PIN_IMAGE")
        value = values.get(key, "")
        if not value:
            raise RenderError(f"{where}: {key} is not set ({cure})")
        if not _SAFE.fullmatch(value):
            raise RenderError(f"{where}: {key}={value!r}: only letters, digits and @ : . _ / - may stand here")
        if key == "OWNER" and value != value.lower():
            raise RenderError(f"{where}: OWNER={value}: names of images are in lower case ({value.lower()})")
        return value

    return _PLACEHOLDER.sub(fill, line)


def main(paths: list[str]) -> int:
    """Render the files, one YAML stream. Returns the exit code."""
    if not paths:
        print("usage: tools/render.py FILE...", file=sys.stderr)
        return 2
    try:
        documents = [render(Path(path).read_text(encoding="utf-8"), path, os.environ) for path in paths]
    except (RenderError, OSError) as error:
        print(f"render.py: {error}", file=sys.stderr)
        return 1
    print("\n---\n".join(document.rstrip("\n") for document in documents))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
