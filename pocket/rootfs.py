"""Paths of a container: there are no containers here, so what a container calls `/code` lies somewhere else."""

from __future__ import annotations

import os
from pathlib import Path


def inside(rootfs: Path, text: str) -> str:
    """A path that exists in the container's own tree leads there; lists of paths (`a:b`) part by part.

    Everything else stays as it is: `/bin/sh` is the machine's, `/code/app.py` the container's.
    """
    return os.pathsep.join(_one(rootfs, part) for part in text.split(os.pathsep))


def _one(rootfs: Path, path: str) -> str:
    if not path.startswith("/") or not path.strip("/"):
        return path
    own = os.path.normpath(rootfs / path.lstrip("/"))
    is_inside = own.startswith(f"{rootfs}{os.sep}") and os.path.lexists(own)
    return own + ("/" if path.endswith("/") else "") if is_inside else path
