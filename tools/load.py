"""What tools/gatling.sh, tools/list-gatling.sh and tools/kill-gatling.sh do:
`python -m tools.load start|check|list|kill ARGUMENTS`, in the repository's root.

Exit codes: 0 all right, 1 the load failed (too many errors, or Gatling itself), 2 wrong arguments, 3 what
Gatling needs cannot be fetched, 4 there is nothing to send load to (no gateway, service or data),
130 given up with ^C before the end of a --duration.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tools import load_args, load_build, load_checks, load_jobs
from tools.load_jobs import Job

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "gatling"

FAILED, USAGE, MISSING, NOT_READY, INTERRUPTED = 1, 2, 3, 4, 130
TOO_MANY_ERRORS = 2
"""Exit code of the JVM when an assertion failed (io.gatling.app.cli.StatusCode)."""
STOP_SECONDS = 90.0
"""How long a job may take to end: its longest request (requestTimeout in gatling.conf), then its report."""


def results() -> Path:
    """Where the jobs are. GATLING_RESULTS moves it, for tests."""
    return Path(os.environ.get("GATLING_RESULTS", PROJECT / "results")).resolve()


@dataclass(frozen=True)
class Ready:
    """All that a run needs."""

    request: load_args.Request
    java: str
    target: Path
    base_url: str
    token: str


def check(arguments: list[str]) -> int:
    """What start does before it starts something; for tools/load-job.sh. Returns the exit code."""
    ready = _ready(arguments)
    return ready if isinstance(ready, int) else 0


def _ready(arguments: list[str]) -> Ready | int:
    """Arguments, gateway, programs, services, token and data, checked in this order; or an exit code."""
    known = load_args.simulations(PROJECT / "src")
    try:
        request = load_args.parse(arguments, known)
        base = f"http://{request.gateway or _gateway()}"  # before anything is fetched in vain
        target = load_build.prepare(PROJECT)
        load_checks.check_services(base, request.simulation, load_checks.ask)
        token = os.environ.get("TOKEN") or _output("token.sh", "There is no token")
        load_checks.check_data(base, request.simulation, PROJECT / "resources", token, load_checks.ask)
    except load_args.UsageError as error:
        return _complain(f"{error}\n{load_args.USAGE.format(simulations=', '.join(known))}", USAGE)
    except load_build.Missing as error:
        return _complain(str(error), MISSING)
    except load_build.BuildError as error:
        return _complain(str(error), FAILED)
    except load_checks.NotReady as error:
        return _complain(str(error), NOT_READY)
    return Ready(request, load_build.java(), target, base, token)


def start(arguments: list[str]) -> int:
    """tools/gatling.sh: start a job and follow its output. Returns the exit code."""
    ready = _ready(arguments)
    if isinstance(ready, int):
        return ready
    request = ready.request
    job = load_jobs.create(
        results(), request.simulation.name, request.users, ready.base_url, request.duration, request.max_errors
    )
    try:
        job = load_jobs.spawn(job, ready.java, ready.target, ready.token)
    except RuntimeError as error:
        return _complain(str(error), FAILED)
    bound = f" for {request.duration}" if request.duration else ""
    print(f"{job.simulation}, {job.users} users{bound}, runs in the background as job {job.pid}.")
    print("^C ends this output, not the job.")
    print(f"  tools/kill-gatling.sh {job.pid}   stops it and writes its report")
    print("  tools/list-gatling.sh         shows all jobs\n", flush=True)
    try:
        load_jobs.follow(job, _pass_on)
    except KeyboardInterrupt:
        print(f"\nThe job goes on. To stop it: tools/kill-gatling.sh {job.pid}")
        return INTERRUPTED if request.duration else 0
    return _ended(job)


def show(arguments: list[str]) -> int:
    """tools/list-gatling.sh: the jobs that run. Returns the exit code."""
    if arguments:
        return _complain("usage: tools/list-gatling.sh", USAGE)
    jobs = load_jobs.running(results())
    if not jobs:
        print("No load job runs. To start one: tools/gatling.sh USERS SIMULATION")
        return 0
    now = datetime.now().astimezone()
    print(load_jobs.table([row(job, load_jobs.counts_of(job), now) for job in jobs]))
    return 0


def row(job: Job, counts: tuple[int, int] | None, now: datetime) -> dict[str, str]:
    """One line of the list."""
    since = datetime.fromisoformat(job.since)
    seconds = int((now - since).total_seconds())
    minutes, second = divmod(seconds, 60)
    return {
        "PID": str(job.pid),
        "SIMULATION": job.simulation,
        "USERS": str(job.users),
        "SINCE": f"{since:%H:%M:%S}" if since.date() == now.date() else f"{since:%Y-%m-%d %H:%M}",
        "RUNS FOR": f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m{second:02}s",
        "REQUESTS": str(counts[0]) if counts else "-",
        "FAILED": str(counts[1]) if counts else "-",
    }


def kill(arguments: list[str]) -> int:
    """tools/kill-gatling.sh [PID|all]: stop jobs in order, all without an argument. Returns the exit code."""
    usage = "usage: tools/kill-gatling.sh [PID|all]"
    jobs = load_jobs.running(results())
    if len(arguments) > 1 or not all(word == "all" or word.isdecimal() for word in arguments):
        return _complain(usage, USAGE)
    chosen = jobs
    if arguments and arguments[0] != "all":
        chosen = [job for job in jobs if job.pid == int(arguments[0])]
        if not chosen:
            pids = ", ".join(str(job.pid) for job in jobs) or "none"
            return _complain(f"{arguments[0]} is no load job of this checkout that runs; running: {pids}", USAGE)
    if not chosen:
        print("No load job runs.")
        return 0
    left = {job.folder for job in chosen}
    names = ", ".join(f"{job.simulation} ({job.pid})" for job in chosen)
    print(f"Stopping {names}: the users finish, then the report is written", flush=True)
    for job in load_jobs.stop(chosen, STOP_SECONDS):
        left.remove(job.folder)
        counts = load_jobs.counts_of(job)
        what = f"{counts[0]} requests, {counts[1]} failed" if counts else "no request"
        print(f"{job.simulation} ({job.pid}): {what}; {_where(job)}", flush=True)
    for job in chosen:
        if job.folder in left:
            _complain(
                f"{job.simulation} ({job.pid}) has not ended within {STOP_SECONDS:.0f} s: see {job.console}. "
                f"Without a report: kill -9 {job.pid}",
                FAILED,
            )
    return FAILED if left else 0


def _ended(job: Job) -> int:
    code = job.exit_code
    if code is None:
        return _complain(f"the job was killed from outside, without a report; its output: {job.console}", FAILED)
    print(f"\n{_where(job)[0].upper()}{_where(job)[1:]}", flush=True)
    if code == TOO_MANY_ERRORS:
        return _complain(f"failed: more than {job.max_errors} % of the requests failed", FAILED)
    return _complain(f"failed: Gatling exited with {code}, see above", FAILED) if code else 0


def _where(job: Job) -> str:
    return f"report: file://{job.report}" if job.report else f"no report; output: {job.console}"


def _gateway() -> str:
    return _output("getip.sh", "The gateway's address is not known")


def _output(script: str, what: str) -> str:
    done = subprocess.run([str(ROOT / "tools" / script)], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip() or f"tools/{script} printed nothing"
        raise load_checks.NotReady(f"{what}: {said}")
    return done.stdout.strip()


def _pass_on(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _complain(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def main(arguments: list[str]) -> int:
    """Dispatch. Returns the exit code."""
    commands = {"start": start, "check": check, "list": show, "kill": kill}
    if not arguments or arguments[0] not in commands:
        return _complain("usage: python -m tools.load start|check|list|kill ARGUMENTS", USAGE)
    try:
        return commands[arguments[0]](arguments[1:])
    except KeyboardInterrupt:
        return _complain("\ninterrupted: nothing was started", INTERRUPTED)


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stdout.flush()
    if ended == INTERRUPTED:
        os._exit(ended)  # a download under way is not waited for
    sys.exit(ended)
