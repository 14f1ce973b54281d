"""Where a pod's files are, and how its processes are marked."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from pocket.kubelet.records import PodRecord
from pocket.settings import Settings


def folder_of(settings: Settings, uid: str) -> Path:
    """A pod's folder."""
    return settings.home / "pods" / uid


def mark_of(settings: Settings, record: PodRecord, container: str, attempt: int) -> str:
    """The mark of a container's process: what people see in `status`, and unique."""
    return f"{settings.home}:pod/{record.namespace}/{record.name}/{container}#{record.uid[:8]}.{attempt}"


def remove_folder(folder: Path) -> None:
    """Remove a pod's folder, whatever modes its programs have set. What is somebody else's stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        with contextlib.suppress(OSError):
            _unlock(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _unlock(folder: Path) -> None:
    """Its owner may enter and change every folder of the tree. Links are not followed. Raises OSError."""
    folder.chmod(0o700)
    for at, names, _ in os.walk(folder):  # from above: what is inside a folder is read after its mode was set
        for inside in (Path(at, name) for name in names):
            if not inside.is_symlink():
                inside.chmod(0o700)
