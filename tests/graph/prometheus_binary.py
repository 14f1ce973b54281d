"""Finds the real Prometheus for tests."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def find(name: str) -> Path:
    """The path of `prometheus` or `promtool`: on PATH, or where tools/setup.sh puts them."""
    found = shutil.which(name)
    if found:
        return Path(found)
    for candidate in sorted((ROOT / ".cache").glob(f"prometheus*/**/{name}")):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{name} is neither on PATH nor under .cache/prometheus*: run tools/setup.sh")
