"""Sockets behind long paths; and macOS, as far as can be told here: nothing that only Linux has is used unguarded."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
from pathlib import Path

import pytest

from pocket import processes, sockets

ROOT = Path(__file__).resolve().parents[2]
GUARDED = {
    ("pocket/sockets.py", "O_PATH"),
    ("pocket/processes.py", "pidfd_open"),
    ("pocket/kubelet/doors.py", "pidfd_open"),
    ("servicekit/gunicorn_conf.py", "sched_getaffinity"),
}
"""What is used only where it is there (`hasattr`, `except AttributeError`)."""
LINUX_ONLY = {
    "os": "O_PATH O_TMPFILE O_DIRECT O_NOATIME pidfd_open sched_getaffinity sched_setaffinity memfd_create eventfd "
    "timerfd_create splice copy_file_range getrandom setns unshare pipe2 getxattr setxattr listxattr posix_fadvise",
    "socket": "SO_PEERCRED SO_BINDTODEVICE SO_DOMAIN SO_PROTOCOL AF_PACKET AF_NETLINK AF_VSOCK SOCK_CLOEXEC "
    "SOCK_NONBLOCK MSG_NOSIGNAL TCP_USER_TIMEOUT TCP_QUICKACK",
    "signal": "SIGPOLL SIGPWR SIGSTKFLT SIGRTMIN SIGRTMAX sigtimedwait sigwaitinfo pidfd_send_signal",
    "select": "epoll",
}
"""By the "Availability" lines of Python's documentation."""


def used() -> set[tuple[str, str]]:
    """Which of those names which file of ours uses."""
    names = {(module, name) for module, text in LINUX_ONLY.items() for name in text.split()}
    found = set()
    for folder in ("pocket", "graph", "servicekit", "c756", "tools", "db", "s1", "s2", "loader"):
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
                    continue
                if (node.value.id, node.attr) in names:
                    found.add((str(path.relative_to(ROOT)), node.attr))
    return found


def test_every_use_of_what_only_linux_has_is_known() -> None:
    assert used() == GUARDED


@pytest.mark.parametrize("linux", [True, False])
def test_a_socket_behind_a_path_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linux: bool) -> None:
    if not linux:
        monkeypatch.delattr(os, "O_PATH", raising=False)
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with (
        sockets.short(folder) as short,
        socket.socket(socket.AF_UNIX) as server,
        socket.socket(socket.AF_UNIX) as client,
    ):
        server.bind(f"{short}/the.sock")
        server.listen()
        client.connect(f"{short}/the.sock")
    assert (folder / "the.sock").is_socket()
    assert not os.path.lexists(short), "nothing is left behind"
    with pytest.raises(OSError, match="No such file"), sockets.short(tmp_path / "gone"):
        pass


def test_waiting_for_a_process_without_pidfd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    process = processes.spawn(
        ["/bin/sh", "-c", "exit 7"], cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log", name=f"{tmp_path}:x"
    )
    assert asyncio.run(processes.wait(process)) == 7
