"""Finds the real Prometheus for tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def find(name: str) -> Path:
    """The path of `prometheus` or `promtool`: on PATH, or where tools/setup.sh puts them."""
    found = shutil.which(name)
    if found:
        return Path(found)
    for candidate in sorted((ROOT / ".cache").glob(f"prometheus*/**/{name}")):
        # A Debian package also brings etc/default/prometheus and etc/init.d/prometheus.
        if candidate.is_file() and os.access(candidate, os.X_OK) and "etc" not in candidate.relative_to(ROOT).parts:
            return candidate
    raise FileNotFoundError(f"{name} is neither on PATH nor under .cache/prometheus*: run tools/setup.sh")
