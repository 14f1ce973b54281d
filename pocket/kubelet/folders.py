"""Where a pod's files are, and how its processes are marked."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
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
    """Remove a pod's folder, whatever modes its programs have set."""

    def again(function: Callable[[str], object], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            os.chmod(os.path.dirname(path), 0o700)
            function(path)

    shutil.rmtree(folder, onerror=again)


