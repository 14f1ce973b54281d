"""What runs where, and stop it all: `python -m tools.allclouds ls|stop`, in the repository's root, called through make.

Every part is looked at by a command of its own, all at the same time, each with a bound. A part that fails, or does not
answer, is named at the end, and does not keep the others from being shown.

Exit codes: 0 done (ls: also when something could not be seen), 1 something could not be stopped or, before stopping,
seen, 2 wrong arguments or the question was not answered with yes, 130 ^C.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from c756 import question, tables
from c756.trouble import Trouble

ROOT = Path(__file__).resolve().parents[1]
USAGE = "usage: make -f allclouds.mak ls | stop"
SECONDS = 120.0
"""How long one part may take to answer, in seconds."""
NO_CLI = 4
"""The exit code of tools/vendor.sh where the vendor's CLI is not installed."""
NOT_OURS = "not ours "
"""What `tools/vendor.sh VENDOR ls` begins the line of a cluster with that is somebody else's, or has another name."""


@dataclass(frozen=True)
class Part:
    """A part of the world: how to look at it, and how to stop what is there."""

    title: str
    look: tuple[str, ...]
    stop: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What there is of one part: lines; why it, or the rest of it, could not be seen; which CLI is missing."""

    part: Part
    lines: tuple[str, ...] = ()
    problem: str = ""
    absent: str = ""


def parts(env: Mapping[str, str]) -> list[Part]:
    """All parts, in the order in which they are shown; what is stopped first stands first."""
    suffix, region = env.get("TABLE_SUFFIX", ""), env.get("REGION", "")
    tables = {"AWS_REGION": region, "TABLE_SUFFIX": suffix, "DYNAMODB_URL": ""}
    python = sys.executable
    vendors = (("eks", "Amazon EKS"), ("az", "Azure AKS"), ("gcp", "Google GKE"), ("mk", "minikube"))
    return [
        Part("load jobs on this machine", ("tools/list-gatling.sh",), ("tools/kill-gatling.sh", "all")),
        *(Part(title, ("tools/vendor.sh", name, "ls"), ("tools/vendor.sh", name, "stop")) for name, title in vendors),
        Part("pocket", (python, "-m", "pocket", "ls"), ("make", "-f", "pocket.mak", "stop")),
        Part("tables of pocket's DynamoDB emulator", ("tools/pocket-tables.sh",)),
        Part(
            f"DynamoDB tables in {region}",
            (python, "-m", "db.tables", "list"),
            (python, "-m", "db.tables", "clean", "--yes"),
            tables,
        ),
        Part("contexts of kubectl", ("kubectl", "config", "get-contexts")),
    ]


def last_line(text: str) -> str:
    """The last line with something in it: there a program says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


class Looks:
    """Runs commands that look at things, and can end all of them at once, with whatever they have started."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()

    def look(self, part: Part, env: Mapping[str, str], seconds: float = SECONDS) -> Seen:
        """Runs the part's command; never raises for what goes wrong in it."""
        try:
            # A process group of its own: a CLI that hangs is a grandchild, and has to go with the script that calls it.
            process = subprocess.Popen(
                part.look, cwd=ROOT, env={**env, **part.env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Seen(part, problem=f"{part.look[0]}: {error.strerror}")
        self._running.add(process)
        try:
            output, errors = process.communicate(timeout=seconds)
            problem = last_line(errors) if process.returncode else ""
        except subprocess.TimeoutExpired:
            self._end(process)
            output, problem = process.communicate()[0], f"no answer within {seconds:.0f} s"
        finally:
            self._running.discard(process)
        if process.returncode == NO_CLI:
            return Seen(part, absent=problem)
        # What was said before something failed is there all the same, and can be stopped.
        return Seen(part, tuple(line.rstrip() for line in output.splitlines() if line.strip()), problem)

    def look_at(self, everything: Sequence[Part], env: Mapping[str, str], seconds: float = SECONDS) -> list[Seen]:
        """Looks at all parts at the same time."""
        with ThreadPoolExecutor(len(everything)) as pool:
            try:
                return list(pool.map(lambda part: self.look(part, env, seconds), everything))
            except BaseException:
                # ^C: the commands do not get it, being in groups of their own, and the pool waits for them.
                for process in list(self._running):
                    self._end(process)
                raise

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):  # it may just have ended by itself
            os.killpg(process.pid, signal.SIGKILL)


def look_at_all(env: Mapping[str, str], seconds: float = SECONDS) -> list[Seen]:
    """Looks at every part, and says so first, because it takes a while."""
    print(f"Looking everywhere, for {seconds:.0f} s at most ...", file=sys.stderr, flush=True)
    return Looks().look_at(parts(env), env, seconds)


def running(seen: Seen, suffix: str) -> tuple[str, ...]:
    """The lines that stand for something of ours to stop."""
    if seen.part.title == "pocket":
        return tuple(line for line in seen.lines[1:] if line.split()[1:2] != ["stopped"])
    if seen.part.title.startswith("load jobs"):
        return tuple(line for line in seen.lines[1:] if line.split()[0].isdigit())
    if seen.part.title.startswith("DynamoDB"):
        return tuple(line for line in seen.lines if line.split()[0].endswith(f"-{suffix}"))
    return tuple(line for line in seen.lines if not line.startswith(NOT_OURS)) if seen.part.stop else ()


def whose(part: Part) -> str:
    """The account that tables at AWS belong to, as an addition to the title. Raises Trouble where AWS does not say."""
    return f", AWS account {tables.account(part.env['AWS_REGION'])}" if part.title.startswith("DynamoDB") else ""


def report(all_seen: Sequence[Seen]) -> str:
    """What `ls` prints."""
    lines: list[str] = []
    for seen in all_seen:
        lines.append(seen.part.title)
        lines += [f"  {line}" for line in seen.lines] or [f"  {seen.absent or 'nothing'}"] * (not seen.problem)
        if seen.problem:
            lines.append(f"  {'the rest ' * bool(seen.lines)}could not be seen: {seen.problem}")
    blind = [seen.part.title for seen in all_seen if seen.problem]
    if blind:
        lines += ["", f"Not seen, so nothing is known about: {', '.join(blind)}"]
    return "\n".join(lines)


def stop(env: Mapping[str, str]) -> int:
    """Stops what runs, after asking; goes on with the others where one fails."""
    all_seen = look_at_all(env)
    suffix = env.get("TABLE_SUFFIX", "")
    keep = env.get("KEEP_TABLES") == "1"
    found = [(seen, lines) for seen in all_seen if (lines := running(seen, suffix))]
    found = [(seen, lines) for seen, lines in found if not (keep and seen.part.title.startswith("DynamoDB"))]
    # The contexts hold nothing that runs: not to see them is no reason to worry.
    unseen = [seen for seen in all_seen if seen.problem and seen.part.stop]
    blind = [f"{seen.part.title} could not be seen: {seen.problem}" for seen in unseen]
    for seen, lines in tuple(found):
        try:
            print("\n".join([seen.part.title + whose(seen.part), *(f"  {line}" for line in lines)]), flush=True)
        except Trouble as trouble:
            found.remove((seen, lines))
            blind.append(f"{seen.part.title} are left alone: {trouble}")
    failed: list[str] = []
    if found and not question.confirmed("Stop and delete all this?", env):
        print("nothing was stopped", file=sys.stderr)
        return 2
    for number, (seen, _) in enumerate(found):
        print(f"--- stopping: {seen.part.title}", flush=True)
        try:
            done = subprocess.run(seen.part.stop, cwd=ROOT, env={**env, **seen.part.env}, stdin=subprocess.DEVNULL)
        except KeyboardInterrupt:
            left = ", ".join(seen.part.title for seen, _ in found[number:])
            print(f"\ninterrupted. Not all stopped: {left}. Run it again", file=sys.stderr)
            raise
        if done.returncode != 0:
            failed.append(f"{seen.part.title} could not be stopped (exit code {done.returncode}, see above)")
    for line in failed + blind:
        print(line, file=sys.stderr)
    if failed or blind:
        return 1
    print("everything is stopped" if found else "nothing runs")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Runs ls or stop; returns the exit code."""
    env = dict(os.environ)
    try:
        if list(arguments) == ["ls"]:
            print(report(look_at_all(env)))
            return 0
        if list(arguments) == ["stop"]:
            return stop(env)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
