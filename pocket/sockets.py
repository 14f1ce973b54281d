"""Unix sockets in folders whose path is too long for them (the kernel allows a socket's path 107 bytes, macOS 103), and
what connects to them or to a port.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

Address = tuple[str, int] | Path
"""Where something listens: host and port, or a Unix socket."""


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


async def dial(address: Address, limit: int = 1 << 16) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, which reads `limit` bytes ahead. Raises OSError."""
    if isinstance(address, Path):
        with short(address.parent) as folder:
            return await asyncio.open_unix_connection(f"{folder}/{address.name}", limit=limit)
    return await asyncio.open_connection(*address, limit=limit)


@asynccontextmanager
async def client(address: Address, patience: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of what listens there; at a Unix socket whatever host its URLs name. Raises OSError."""
    with ExitStack() as stack:
        connector: aiohttp.BaseConnector = aiohttp.TCPConnector()
        if isinstance(address, Path):
            connector = aiohttp.UnixConnector(f"{stack.enter_context(short(address.parent))}/{address.name}")
        async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
            yield session
