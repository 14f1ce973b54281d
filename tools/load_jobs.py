"""Load jobs: one folder each, a JVM and a supervisor that outlive the terminal, and what can be told about them.

A job's folder, gatling/results/NAME, has job.json (what was asked, the JVM's pid and when it began), console.log
(Gatling's output), exit (its exit code, once it has ended) and the folder of the report. A job whose process is gone
without an exit code was killed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

JAVA_FLAGS = "-Xms64m -Xmx256m -XX:+UseSerialGC"
"""Modest, since the cluster runs on the same machine. The environment variable LOAD_JAVA_FLAGS replaces them."""

ROOT = Path(__file__).resolve().parents[1]

_GLOBAL = re.compile(rb"^> Global +\| *([0-9][0-9.,]*) *\| *([0-9][0-9.,]*|-) *\| *([0-9][0-9.,]*|-)", re.MULTILINE)
_TAIL = 64 * 1024


@dataclass(frozen=True)
class Job:
    """What is known of a job from its folder."""

    folder: Path
    simulation: str
    users: int
    base_url: str
    duration: str
    max_errors: str
    since: str
    """Local time, ISO 8601."""
    pid: int = 0
    """Of the JVM; 0 before it has started."""
    started: str = ""
    """When the process with this pid began, as start_of says: tells it from a later one with the same number."""
    supervisor: int = 0
    """Pid of the supervisor, which writes the exit code a moment after the JVM's end."""
    supervised: str = ""
    """When the supervisor began."""

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def exit_code(self) -> int | None:
        """Of the JVM; None while it runs, or if nobody saw it end."""
        try:
            return int((self.folder / "exit").read_text())
        except FileNotFoundError:
            return None

    @property
    def alive(self) -> bool:
        """Does it run, or is its exit code still to come?"""
        return self.exit_code is None and (self.jvm_runs or _runs(self.supervisor, self.supervised))

    @property
    def jvm_runs(self) -> bool:
        """Is there something to stop?"""
        return _runs(self.pid, self.started)

    @property
    def report(self) -> Path | None:
        """Its HTML report, once written."""
        return next(iter(sorted(self.folder.glob("*/index.html"))), None)


def _runs(pid: int, started: str) -> bool:
    return pid > 0 and start_of(pid) == started


def start_of(pid: int) -> str | None:
    """When the process began, in whatever unit the system has; None if there is none (or only a zombie)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in ("Z", "X") else fields[19]  # proc(5): starttime is the 22nd field
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, begun = answer.stdout.strip().partition(" ")
    return begun.strip() if begun and not state.startswith("Z") else None


def create(results: Path, simulation: str, users: int, base_url: str, duration: str, max_errors: str) -> Job:
    """A new job's folder, with a name that no other has."""
    results.mkdir(parents=True, exist_ok=True)
    now = datetime.now().astimezone()
    name = f"{now:%Y%m%d-%H%M%S}-{simulation}-{users}"
    for attempt in range(1, 1000):
        folder = results / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        job = Job(folder, simulation, users, base_url, duration, max_errors, now.isoformat(timespec="seconds"))
        save(job)
        return job
    raise FileExistsError(f"{results / name} and 998 more are there already")


def save(job: Job) -> None:
    """Writes job.json, whole or not at all."""
    record = {key: value for key, value in asdict(job).items() if key != "folder"}
    new = job.folder / "job.json.new"
    new.write_text(json.dumps(record, indent=1) + "\n")
    new.rename(job.folder / "job.json")


def load(folder: Path) -> Job:
    """The job of a folder. Raises FileNotFoundError if it is none."""
    return Job(folder=folder, **json.loads((folder / "job.json").read_text()))


def running(results: Path) -> list[Job]:
    """The jobs that run, oldest first."""
    jobs = [load(path.parent) for path in sorted(results.glob("*/job.json"))]
    return [job for job in jobs if job.alive]


def command(java: str, flags: str, classes: Path, lib: Path) -> list[str]:
    """The JVM's command line."""
    return [
        java, *flags.split(), "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",  # or it warns of Netty and Scala
        "-cp", f"{classes}{os.pathsep}{lib}/*", "c756.Load",
    ]  # fmt: skip


def spawn(job: Job, java: str, target: Path, token: str) -> Job:
    """Starts the job in a session of its own and returns it with its pid. Raises RuntimeError if it doesn't start."""
    # Its own classes: a simulation that is edited and compiled meanwhile must not change under a running job.
    shutil.copytree(target / "classes", job.folder / "classes")
    flags = os.environ.get("LOAD_JAVA_FLAGS", JAVA_FLAGS)
    environment = {
        **os.environ,
        "SIM": job.simulation,
        "USERS": str(job.users),
        "BASE_URL": job.base_url,
        "TOKEN": token,
        "DURATION": job.duration,
        "MAX_ERRORS": job.max_errors,
        "RESULTS": str(job.folder),
    }
    for alone in ("PODS", "JOB_COMPLETION_INDEX"):
        environment.pop(alone, None)
    arguments = [str(job.folder), *command(java, flags, job.folder / "classes", target / "lib")]
    with job.console.open("wb") as console:
        subprocess.Popen(
            [sys.executable, "-m", "tools.load_jobs", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=console, stderr=console, start_new_session=True, env=environment,
        )  # fmt: skip
    if not wait_for(lambda: load(job.folder).pid > 0, 20.0):
        raise RuntimeError(f"the job did not start within 20 s: see {job.console}")
    return load(job.folder)


def supervise(folder: Path, command: list[str]) -> int:
    """Runs the JVM as a child and leaves its pid and, at its end, its exit code. Returns that."""
    job = load(folder)
    with subprocess.Popen(command) as process:
        own = os.getpid()
        save(
            replace(
                job,
                pid=process.pid,
                started=start_of(process.pid) or "",
                supervisor=own,
                supervised=start_of(own) or "",
            )
        )
        code = process.wait()
    shutil.rmtree(folder / "classes", ignore_errors=True)
    new = folder / "exit.new"
    new.write_text(f"{code}\n")
    new.rename(folder / "exit")
    return code


def counts(console: bytes) -> tuple[int, int] | None:
    """Requests and failures so far, from the latest block in Gatling's output; None before the first."""
    found = _GLOBAL.findall(console)
    if not found:
        return None
    total, _, failed = (0 if text == b"-" else int(re.sub(rb"[.,]", b"", text)) for text in found[-1])
    return total, failed


def counts_of(job: Job) -> tuple[int, int] | None:
    """The same for a job, from the end of its console.log."""
    with job.console.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return counts(file.read())


def follow(job: Job, write: Callable[[bytes], object]) -> None:
    """Passes the job's output on until the job has ended."""
    with job.console.open("rb") as file:
        while True:
            over = not job.alive
            chunk = file.read(_TAIL)
            if chunk:
                write(chunk)
            elif over:
                return
            else:
                time.sleep(0.2)


def stop(jobs: list[Job], seconds: float) -> Iterator[Job]:
    """Asks all of them to end in order (SIGTERM), and yields those that have ended within the time, reports written."""
    for job in jobs:
        if job.jvm_runs:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(job.pid, signal.SIGTERM)
    end = time.monotonic() + seconds
    for job in jobs:
        if wait_for(lambda job=job: not job.alive, end - time.monotonic()):  # type: ignore[misc]
            yield job


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition has come true within the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


def table(rows: list[Mapping[str, str]]) -> str:
    """Rows as columns, as kubectl prints them."""
    lines = [list(rows[0]), *([*row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ([text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("   ".join(line).rstrip() for line in padded)


if __name__ == "__main__":
    # The supervisor of one job: FOLDER COMMAND..., started by spawn.
    sys.exit(supervise(Path(sys.argv[1]), sys.argv[2:]))
