"""A kubectl that runs on while the test goes on."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.pocket.api.live import KUBECTL, Cluster


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait, with a bound."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Running:
    """A kubectl that runs on, and its output line by line."""

    def __init__(self, command: list[str], env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        self._seen = b""

    def line(self) -> str:
        """The next line, within a bound."""
        assert self.process.stdout is not None
        while b"\n" not in self._seen:
            ready, _, _ = select.select([self.process.stdout], [], [], 20)
            assert ready, f"no further line after {self._seen!r}"
            chunk = os.read(self.process.stdout.fileno(), 65536)
            assert chunk, f"the output ended after {self._seen!r}"
            self._seen += chunk
        line, _, self._seen = self._seen.partition(b"\n")
        return line.decode()

    def wait(self) -> int:
        """The exit code, within a bound."""
        return self.process.wait(20)


@contextmanager
def running(
    cluster: Cluster, *arguments: str, kubectl: Path = KUBECTL, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    command = Running(cluster.command(*arguments, kubectl=kubectl), env)
    try:
        yield command
    finally:
        command.process.kill()
        command.process.communicate()


def kubectls() -> list[Path]:
    """The project's own and, where there is another one, the system's."""
    found = shutil.which("kubectl", path=os.pathsep.join(["/usr/local/bin", "/usr/bin", "/snap/bin"]))
    return [KUBECTL, Path(found)] if found and Path(found) != KUBECTL else [KUBECTL]
