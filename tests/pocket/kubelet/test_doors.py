from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pocket.kubelet.doors import refuse_new, shut

# Listens on a shared port; accepts one connection for each line on standard input, and answers it.
SERVER = """\
import socket, sys
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(128)
print(server.getsockname()[1], flush=True)
kept = []
for line in sys.stdin:
    connection, _ = server.accept()
    connection.sendall(sys.argv[2].encode())
    kept.append(connection)
server.close()
print("closed", flush=True)
sys.stdout.close()
import time; time.sleep(60)
"""


class Server:
    def __init__(self, word: str, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port), word], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def accept(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.stdout.readline() == "closed\n"


@pytest.fixture
def old() -> Iterator[Server]:
    with socket.socket() as ours:
        try:
            refuse_new(ours)
        except PermissionError:
            pytest.skip("this kernel lets nobody but root put a filter on a TCP socket")
    server = Server("old")
    yield server
    server.process.kill()
    server.process.wait()


def test_what_waits_is_accepted_and_nobody_new_comes_in(old: Server) -> None:
    async def run() -> None:
        with socket.create_connection(("127.0.0.1", old.port), timeout=20) as waiting:
            shutting = asyncio.create_task(shut(old.process.pid, {old.port}, 20))
            await asyncio.sleep(0)  # the door is shut
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(socket.create_connection, ("127.0.0.1", old.port), 0.3)
            assert not shutting.done(), "somebody waits in the queue"
            old.accept()
            assert await shutting
            assert waiting.recv(3) == b"old"

    asyncio.run(asyncio.wait_for(run(), 30))


def test_who_was_not_let_in_gets_to_the_other_one(old: Server) -> None:
    async def run() -> None:
        assert await shut(old.process.pid, {old.port})
        new = Server("new", old.port)
        try:
            # Half of them, by the kernel's choice, come to the old one's closed door and try again.
            clients = [
                asyncio.create_task(asyncio.to_thread(socket.create_connection, ("127.0.0.1", old.port), 20))
                for _ in range(8)
            ]
            old.close()
            for _ in clients:  # all of them, for nobody knows whose turn it is
                new.accept()
            for client in clients:
                with await client as connection:
                    assert await asyncio.to_thread(connection.recv, 3) == b"new"
        finally:
            new.process.kill()
            new.process.wait()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_process_without_such_a_socket(old: Server) -> None:
    assert not asyncio.run(shut(old.process.pid, {1}))
    assert not asyncio.run(shut(os.getpid(), {old.port + 1}))
