"""Writing a file in one piece, and only where it belongs."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read; a reader sees the old content or the new one, never half.

    What cannot be written (a full disk) leaves the old file, and nothing beside it. Raises OSError, which names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


class Outside(Exception):
    """A path leads out of the folder that it is to stay in; the message says which."""


def within(folder: Path, path: Path) -> Path:
    """Where `path` really is, links followed; it need not be there yet. Raises Outside unless it is in `folder`."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise Outside(f"{path} leads out of {folder}")
    return real
