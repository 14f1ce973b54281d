"""Loopback ports for the containers: which are free, which are taken.

Who gets a port writes it down in its own record (the pod's), so that a new control process can `reserve` it again.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

HOST = "127.0.0.1"


class NoFreePort(Exception):
    """Every port of the range is taken."""


class PortPool:
    """The ports `base` up to, but not including, `base + size`.

    Ports are handed out in turn, so that one that was just released is the last to come back: a client may still
    hold connections to the pod that had it.
    """

    def __init__(self, base: int, size: int) -> None:
        if not (base > 0 and size > 0 and base + size <= 65536):
            raise ValueError(f"ports {base} to {base + size - 1} are not a range of TCP ports")
        self._base = base
        self._size = size
        self._next = 0
        self._taken: set[int] = set()

    def allocate(self, count: int = 1) -> list[int]:
        """`count` different ports that nobody listens on now. Raises NoFreePort, and then takes none."""
        found: list[int] = []
        for _ in range(self._size):
            if len(found) == count:
                break
            port = self._base + self._next
            self._next = (self._next + 1) % self._size
            if port not in self._taken and is_free(port):
                found.append(port)
        if len(found) < count:
            raise NoFreePort(
                f"{count} free ports are needed, {len(found)} of {self._base}-{self._base + self._size - 1} are left:"
                " scale something down, or start pocket with another POCKET_PORT_BASE"
            )
        self._taken.update(found)
        return found

    def reserve(self, ports: Iterable[int]) -> None:
        """Mark ports as taken that a pod found again on start already has; ports outside the range do not matter."""
        self._taken.update(ports)

    def release(self, ports: Iterable[int]) -> None:
        """Give ports back; ones that were not taken do not matter."""
        self._taken.difference_update(ports)


def is_free(port: int) -> bool:
    """Can a server listen on 127.0.0.1:`port` now?

    SO_REUSEADDR as servers set it, so that connections in TIME_WAIT do not count; a listener still does.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
