"""Takes a process' listening sockets out of the kernel's list without losing a connection.

Where several processes share a port (SO_REUSEPORT), the kernel gives each new connection to one of them. When one
closes its socket, what waits in its queue is reset: those clients had connected already. So no new connection may begin
there first: a socket filter drops what asks for one (SYN), and the client's system asks again by itself after a second,
when another process has the port alone. What has begun is accepted; once the queue is empty the socket can be closed.

The filter is put on from outside, with a copy of the socket (pidfd_getfd, Linux 5.6). Where that is not possible
(another system, a kernel that allows it to ancestors only or, as Linux 6.18 was seen to for TCP, to root only), nothing
is done: what waits in the queue is lost then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Set
from pathlib import Path

import psutil

_PIDFD_GETFD = 438  # the same number on all of Linux' architectures
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_LISTEN = "0A"  # state, https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
_POLL = 0.005  # seconds

# Classic BPF over the TCP header (https://www.kernel.org/doc/html/latest/networking/filter.html):
# the flags; only SYN and ACK of them; SYN alone: drop; anything else: pass.
_FILTER = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 1 << 31))
_NO_NEW_ONES = b"".join(struct.pack("HBBI", *instruction) for instruction in _FILTER)


async def shut(pid: int, ports: Set[int], within: float = 5.0) -> bool:
    """No new connections to a process and its children on these TCP ports, and none in the queue.

    It may then close its sockets. Returns whether that was possible within `within` seconds.
    """
    wanted = {inode for inode, port, _ in _listening(pid) if port in ports}
    found = set()
    try:
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            for descriptor, inode in _sockets(process.pid):
                if inode in wanted:
                    _drop_new(process.pid, descriptor)
                    found.add(inode)
    except (OSError, psutil.Error):
        return False
    end = time.monotonic() + within
    while any(count for inode, _, count in _listening(pid) if inode in found):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_POLL)
    return bool(found)


def _listening(pid: int) -> Iterator[tuple[str, int, int]]:
    """Of each listening socket where the process lives: inode, port, and how many connections wait in its queue."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    yield fields[9], int(fields[1].rpartition(":")[2], 16), int(fields[4].partition(":")[2], 16)


def _sockets(pid: int) -> Iterator[tuple[int, str]]:
    """The process' descriptors that are sockets, with their inodes. Raises OSError."""
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found = re.fullmatch(r"socket:\[(\d+)]", os.readlink(f"/proc/{pid}/fd/{entry}"))
            if found:
                yield int(entry), found[1]


def _drop_new(pid: int, descriptor: int) -> None:
    """Raises OSError."""
    if not hasattr(os, "pidfd_open"):
        raise OSError("there is no pidfd here")
    process = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(process)
    with socket.socket(fileno=copy) as listening:  # closed again, or it would stay when the process closes its own
        refuse_new(listening)


def refuse_new(listening: socket.socket) -> None:
    """From now on, what asks for a connection gets no answer here. Raises OSError where the kernel does not let us."""
    program = ctypes.create_string_buffer(_NO_NEW_ONES)
    described = struct.pack("HxxxxxxP", len(_FILTER), ctypes.addressof(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
