"""Where the CPU of s2 and db goes: the report of `bench/read_path.py --profile`."""

from __future__ import annotations

import json
from pathlib import Path

LINES = 60


def report(name: str, file: Path) -> list[str]:
    """The functions in which most of the CPU of the service `name` goes, with their shares in percent."""
    itself, within = json.loads(file.read_text())
    total = sum(itself.values())
    lines = [f"{name}: {total} samples", "  within  itself  function"]
    for function, count in sorted(within.items(), key=lambda entry: -entry[1])[:LINES]:
        lines.append(f"  {count * 100 / total:5.1f}%  {itself.get(function, 0) * 100 / total:5.1f}%  {function}")
    return lines
