"""Keeps the tables of docs/pocket.md true: they are rendered from the tables that the code itself works with.

After a change of one of those: `python -m pocket.docs docs/pocket.md`. A test fails where the page is behind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from pocket.images import dockerfile
from pocket.kubelet import supported as pods
from pocket.mesh import differences
from pocket.mesh import supported as mesh

TABLES: Mapping[str, Callable[[], str]] = {
    "dockerfile": dockerfile.markdown,
    "pods": pods.markdown,
    "mesh": mesh.markdown,
    "differences": differences.markdown,
}
"""What stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`."""


def render_into(page: str) -> str:
    """The page with every table brought up to date. Raises ValueError where a pair of marks is missing."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"the page lacks the lines {begin} and {end}")
        page = f"{before}{begin}\n\n{table().rstrip()}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(render_into(path.read_text()))
