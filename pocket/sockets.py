"""Unix sockets in folders whose path is too long for them: the kernel allows a socket's path 107 bytes, macOS 103."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def place(socket: Path) -> Iterator[str]:
    """Another path to where a socket is to be, a short one; what is there goes. Raises OSError."""
    socket.unlink(missing_ok=True)
    with short(socket.parent) as folder:
        yield f"{folder}/{socket.name}"


@contextmanager
def short(folder: Path) -> Iterator[str]:
    """Another path to the folder, a short one, for as long as the block runs. Raises OSError where there is none."""
    if hasattr(os, "O_PATH"):
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    folder.stat()  # a link to nothing would be no error
    with tempfile.TemporaryDirectory(prefix="p", dir="/tmp") as private:
        link = Path(private, "s")
        link.symlink_to(folder)
        yield str(link)
