"""What `bench/read_path.py` loads: services without sidecars, each stack with its own processes, before one DynamoDB.

A stack knows where it is called and which of its processes are whose, so that the CPU of each can be told.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.realservices import LOADER_TOKEN, SECRET, SUFFIX, Process, base_env, free_port, wait_for
from tests.realservices import answers as responds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
START_SECONDS = 300.0  # under valgrind all takes 50 times as long


@dataclass
class Stack:
    """One of the things compared."""

    name: str
    port: int  # on 127.0.0.1
    token: str
    processes: Mapping[str, list[int]] = field(default_factory=dict)  # name -> roots of process trees

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each has used so far, with all its children."""
        return {name: sum(map(_tree_seconds, pids)) for name, pids in self.processes.items()}


def _tree_seconds(pid: int) -> float:
    root = psutil.Process(pid)
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        used = process.cpu_times()
        seconds += used.user + used.system
    return seconds


def dynamodb(started: ExitStack, folder: Path) -> tuple[str, int]:
    """Starts the stand-in; its URL and process id."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    pid = _start(started, folder, "dynamodb", [sys.executable, str(HERE / "dynamodb.py"), str(port)], ROOT, {}, url)
    return url, pid


def plain(started: ExitStack, folder: Path, dynamodb_url: str, before: Sequence[str] = ()) -> Stack:
    """The yardstick; `before` are words before its command."""

    def command(role: str) -> list[str]:
        return [*before, sys.executable, str(HERE / "yardstick.py"), role]

    return _services(started, folder, "plain", dynamodb_url, ROOT, command)


def ours(
    started: ExitStack,
    folder: Path,
    dynamodb_url: str,
    checkout: Path = ROOT,
    name: str = "ours",
    settings: str = "servicekit.gunicorn_conf",
    before: Sequence[str] = (),
) -> Stack:
    """The services of `checkout` with the command of their images, and gunicorn's `settings`."""

    def command(role: str) -> list[str]:
        app = {"s2": "s2.v1.app", "db": "db.app"}[role]
        return [*before, sys.executable, "-m", "gunicorn", "-c", f"python:{settings}", f"{app}:create_app()"]

    return _services(started, folder, name, dynamodb_url, checkout, command)


def _services(
    started: ExitStack, folder: Path, name: str, dynamodb_url: str, checkout: Path, command: Callable[[str], list[str]]
) -> Stack:
    db_port, s2_port = free_port(), free_port()
    common = {"AWS_REGION": "us-west-2", "TABLE_SUFFIX": SUFFIX, "DYNAMODB_URL": dynamodb_url}
    db_env = {"PORT": str(db_port), "LOADER_TOKEN": LOADER_TOKEN, **common}
    s2_env = {"PORT": str(s2_port), "JWT_SECRET": SECRET, "DB_URL": f"http://127.0.0.1:{db_port}"}
    db_health = f"{s2_env['DB_URL']}/api/v1/datastore/readiness"
    s2_health = f"http://127.0.0.1:{s2_port}/api/v1/music/health"  # readiness asks db, in time or not
    db = _start(started, folder, f"{name}-db", command("db"), checkout, db_env, db_health)
    s2 = _start(started, folder, f"{name}-s2", command("s2"), checkout, s2_env, s2_health)
    issue = [sys.executable, "-m", "servicekit.token"]  # the checkout's own
    token = subprocess.check_output(issue, cwd=checkout, env=base_env(folder) | s2_env, text=True, timeout=60)
    return Stack(name, s2_port, token.strip(), {"s2": [s2], "db": [db]})


def _start(
    started: ExitStack, folder: Path, name: str, argv: list[str], cwd: Path, env: Mapping[str, str], url: str
) -> int:
    own = {"HOST": "127.0.0.1", "PYTHONPATH": str(cwd), "PYTHONUNBUFFERED": "1"}
    own["PYTHONHASHSEED"] = "0"  # every run executes the same
    own["PROFILE_FILE"] = str(folder / f"{name}.json")
    process = Process(argv, cwd, {**base_env(folder), **own, **env}, folder / f"{name}.log")
    process.start()
    started.callback(process.stop)
    wait_for(lambda: responds(url), f"{name} at {url}; it says: {process.output}", START_SECONDS)
    return process.pid


def settle(seconds: float = 0.2) -> None:
    """Lets what the last load left (closing connections, log lines) pass."""
    time.sleep(seconds)
