"""Patterns of files: .dockerignore, and the wildcards of COPY. Pure.

The rules are those of https://docs.docker.com/build/concepts/context/#dockerignore-files and of Go's
`filepath.Match`, plus `**` in .dockerignore.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from functools import cache


class Ignore:
    """Which paths of a context are left out."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in lines:
            pattern = line.strip()
            if not pattern or line.startswith("#"):
                continue
            back_in = pattern.startswith("!")
            pattern = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
            if pattern not in ("", "."):
                self._rules.append((back_in, _compiled(pattern, deep=True)))
        self.has_exceptions = any(back_in for back_in, _ in self._rules)

    def ignores(self, path: str) -> bool:
        """Is this path (relative to the context) left out? The last rule that it or a parent matches decides."""
        parts = path.split("/")
        family = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        ignored = False
        for back_in, pattern in self._rules:
            if back_in == ignored and any(pattern.fullmatch(member) for member in family):
                ignored = not back_in
        return ignored


def has_wildcard(pattern: str) -> bool:
    return any(char in pattern for char in "*?[")


def matches(pattern: str, path: str) -> bool:
    """Does a COPY source with wildcards name this path? `*` and `?` stop at a slash."""
    return _compiled(pattern, deep=False).fullmatch(path) is not None


@cache
def _compiled(pattern: str, deep: bool) -> re.Pattern[str]:
    out, index = [], 0
    while index < len(pattern):
        char = pattern[index]
        if deep and pattern.startswith("**", index):
            index += 2
            if pattern.startswith("/", index):
                out.append("(?:.*/)?")  # any number of folders, none too
                index += 1
            else:
                out.append(".*")
            continue
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[" and (end := pattern.find("]", index + 2)) > 0:
            inner = pattern[index + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            out.append(f"(?!/)[{inner}]")
            index = end
        elif char == "\\" and index + 1 < len(pattern):
            index += 1
            out.append(re.escape(pattern[index]))
        else:
            out.append(re.escape(char))
        index += 1
    return re.compile("".join(out), re.DOTALL)
