"""Processes that outlive the control process and can be found again: pods, Envoys, Prometheus, the emulator.

Each runs in a session of its own under a four-line shell shim that waits for it and writes its exit code to a file,
so whoever looks later, even a new control process, learns how it ended. A process is known by its pid together with
the moment it started, because pids are used again; and by a mark in its environment that all its children inherit,
so that nothing it left behind is overlooked.

Works as an ordinary user. Waiting costs nothing: it is a pidfd on Linux, a slow poll elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

MARK = "POCKET_PROCESS"
"""Environment variable that says to which process of pocket a process belongs."""

# The traps are reset in the child; they keep the shim alive when somebody signals the whole group. The shell's standard
# error is /dev/null, so that its remarks ("Killed") stay out of the log. Only builtins: PATH is the container's.
_SHIM = 'trap : HUP INT QUIT TERM USR1 USR2; f=$1; shift; (exec "$@" 2>&1); echo $? >"$f"'

_POLL = 0.2  # seconds between looks where there is no pidfd
_KILLED = 128 + signal.SIGKILL
_LOOKS = 200  # rounds of killing before we give up: what is stuck in the kernel dies when it comes back
_LOADING = 5  # milliseconds
_CHUNK = 1 << 20

_children: dict[int, subprocess.Popen[bytes]] = {}  # ours until we die; then init reaps them


class ProcessError(Exception):
    """A process cannot be started; the message says which and why."""


@dataclass(frozen=True)
class ProcessId:
    """One process of pocket: the shim's pid, when it started, and where its exit code will stand."""

    pid: int
    started: float  # seconds since boot on Linux, since the epoch elsewhere
    mark: str
    exit_file: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProcessId:
        return cls(int(data["pid"]), float(data["started"]), str(data["mark"]), str(data["exit_file"]))


def spawn(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, name: str, exit_file: Path | None = None
) -> ProcessId:
    """Start `argv` in `cwd` with exactly `env`, its output appended to `log`.

    `name` is the mark: unique among what runs at a time; begin it with something that belongs to one POCKET_HOME.
    The exit code goes to `exit_file`, by default beside the log. Raises ProcessError.
    """
    reap()
    if not argv:
        raise ProcessError(f"{name}: there is no command to start")
    if not cwd.is_dir():
        raise ProcessError(f"{name}: the working directory {cwd} does not exist")
    program = resolve(argv[0], cwd, env)
    if program is None:
        raise ProcessError(f'exec: "{argv[0]}": executable file not found in $PATH')
    exit_file = exit_file or log.with_name(log.name + ".exit")
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        exit_file.unlink(missing_ok=True)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _SHIM, "pocket", str(exit_file.absolute()), program, *argv[1:]],
                cwd=cwd,
                env={**env, MARK: name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(output)
    except (OSError, ValueError) as error:
        raise ProcessError(f"{name}: cannot start {argv[0]}: {error}") from error
    _children[child.pid] = child
    return ProcessId(child.pid, _started(child.pid) or 0.0, name, str(exit_file.absolute()))


def resolve(program: str, cwd: Path, env: Mapping[str, str]) -> str | None:
    """Where the kernel would find `program`: relative to `cwd` if it has a slash, else on the PATH of `env`."""
    if "/" in program:
        path = cwd / program
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    directories = [str(cwd / entry) for entry in env.get("PATH", os.defpath).split(os.pathsep) if entry]
    return shutil.which(program, path=os.pathsep.join(directories))


def is_alive(process: ProcessId) -> bool:
    """Is this very process still running? One that used its pid later is another one; a zombie is dead."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        _children.pop(process.pid, None)  # another thread may have been quicker
        return False
    return _started(process.pid) == process.started


def exit_code(process: ProcessId) -> int | None:
    """The exit code as a shell gives it (128 + signal for a kill); None while it runs, or when nobody saw it end."""
    if is_alive(process):
        return None
    try:
        return int(Path(process.exit_file).read_text())
    except (OSError, ValueError):
        return None


async def wait(process: ProcessId) -> int:
    """Wait until it has ended; its exit code, or 137 where nobody could record it (the shim was killed as well)."""
    try:
        watch = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        watch = -1
    try:
        if watch < 0:
            while is_alive(process):
                await asyncio.sleep(_POLL)
        elif is_alive(process):  # after opening: so the pidfd is of this very process
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            loop.add_reader(watch, ended.set)
            try:
                while is_alive(process):
                    await ended.wait()
            finally:
                loop.remove_reader(watch)
    finally:
        if watch >= 0:
            os.close(watch)
    code = exit_code(process)
    return _KILLED if code is None else code


async def terminate(process: ProcessId, grace: float) -> int:
    """Ask it to stop, give it `grace` seconds, then kill whatever is left of it. Returns the exit code.

    SIGTERM goes to the main process alone, as to a container's; SIGKILL to all, as when its pid namespace ends.
    """
    if grace > 0:
        try:
            async with asyncio.timeout(grace):
                while not send(process, signal.SIGTERM) and is_alive(process):
                    await asyncio.sleep(0.01)  # the shim has not yet started it, and nothing tells us when
                await wait(process)
        except TimeoutError:
            pass  # this is what the grace period is for: it is killed now
    kill(process)
    return await wait(process)


def send(process: ProcessId, number: int) -> bool:
    """Send a signal to the main process. False where there is none (not yet, or no more)."""
    if not is_alive(process):
        return False
    sent = False
    with _gone_is_fine():
        for main in psutil.Process(process.pid).children():
            if _SHIM not in main.cmdline():  # else it is not yet the program itself, and would lose the signal
                os.kill(main.pid, number)
                sent = True
    return sent


def kill(process: ProcessId) -> None:
    """SIGKILL everything that belongs to it: its session, and what carries its mark. Nothing left is no error."""
    for _ in range(_LOOKS):
        pids = _members(process)
        if not pids:
            return
        _kill_pids(pids)


def marked(prefix: str) -> list[tuple[int, str]]:
    """Pid and mark of every living process whose mark begins with `prefix`."""
    found = []
    for pid in psutil.pids():
        mark = _mark(pid)
        if mark is not None and mark.startswith(prefix) and _started(pid) is not None:
            found.append((pid, mark))
    return found


def kill_marked(prefix: str, keep: frozenset[str] = frozenset()) -> list[str]:
    """SIGKILL every process whose mark begins with `prefix` and is not in `keep`. Returns the marks of the killed."""
    killed: set[str] = set()
    for _ in range(_LOOKS):
        found = {pid: mark for pid, mark in marked(prefix) if mark not in keep}
        if not found:
            break
        killed.update(found.values())
        _kill_pids(found)
    return sorted(killed)


def reap() -> None:
    """Collect our children that have ended, so that they do not stay zombies."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def rotate(log: Path, limit: int, keep: int = 1) -> bool:
    """Where `log` is longer than `limit` bytes, move its content to `log.1` (`.1` to `.2`, up to `keep`) and empty it.

    The writer keeps its open file (it appends, so it goes on at the new end), as with logrotate's copytruncate.
    Returns whether it did.
    """
    try:
        if log.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for index in range(keep - 1, 0, -1):
        older = log.with_name(f"{log.name}.{index}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{index + 1}"))
    if keep:
        with log.open("rb") as source, log.with_name(f"{log.name}.1").open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    os.truncate(log, 0)
    return True


def _members(process: ProcessId) -> list[int]:
    """Living processes with its mark, or in its session (a program may overwrite its environment with a title)."""
    pids = {pid for pid, mark in marked(process.mark) if mark == process.mark}
    if _started(process.pid) in (None, process.started):  # else the pid is another session's by now
        for pid in psutil.pids():
            with _gone_is_fine():
                if os.getsid(pid) == process.pid and (_started(pid) or 0.0) >= process.started:
                    pids.add(pid)
    return sorted(pids)


def _kill_pids(pids: Iterable[int]) -> None:
    for pid in pids:
        with _gone_is_fine():
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.002)  # dying takes a moment; then the caller looks again, as something may have forked meanwhile
    reap()


class _gone_is_fine:
    """The process ended between looking and signalling, or is somebody else's by now."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, ProcessLookupError | PermissionError | psutil.Error)


def _started(pid: int) -> float | None:
    """When the process started; None for one that is no more, a zombie included."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if os.path.exists("/proc/self/stat") else _started_elsewhere(pid)
    # Fields after the name, which may contain anything: state is the first, starttime the 20th (man 5 proc).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZXx" else int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _started_elsewhere(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _environ(pid: int) -> bytes:
    """The environment as it was at the start. Raises OSError.

    While a program is being loaded, the kernel shows an empty one for some microseconds.
    """
    path = Path(f"/proc/{pid}/environ")
    for _ in range(_LOADING):
        content = path.read_bytes()
        if content or _is_kernel_thread(pid):
            return content
        time.sleep(0.001)
    return b""


def _is_kernel_thread(pid: int) -> bool:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return bool(int(fields[6]) & 0x00200000)  # PF_KTHREAD of linux/sched.h in the field `flags`


def _mark(pid: int) -> str | None:
    try:
        if os.path.exists("/proc/self/environ"):
            wanted = MARK.encode() + b"="
            for entry in _environ(pid).split(b"\0"):
                if entry.startswith(wanted):
                    return entry[len(wanted):].decode(errors="replace")
            return None
        return psutil.Process(pid).environ().get(MARK)
    except (OSError, psutil.Error):
        return None
