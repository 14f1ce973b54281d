"""What containers and the machine use, for `kubectl top`: CPU over a window, memory now.

As metrics-server does: the processor time that was used between two looks, by the time between them; there are figures
only for what was there both times. Memory is the proportional set size, as `make -f pocket.mak status` says it: pages
that several processes share count once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from pocket import processes
from pocket.api.contracts import Figures, Usage

EVERY = 10.0
"""Seconds between two looks (metrics-server: --metric-resolution, 15 s, and at least 10 s)."""


@dataclass(frozen=True)
class Look:
    """Processor time in seconds, at one moment."""

    taken: datetime
    monotonic: float
    machine: float
    containers: Mapping[str, float]  # by mark


class Meter:
    """Looks at all containers whose marks begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._looks: tuple[Look | None, Look | None] = (None, None)  # one value: other threads read it

    async def run(self) -> None:
        """Without end."""
        while True:
            self.add(await asyncio.to_thread(look, self._prefix))
            await asyncio.sleep(EVERY)

    def add(self, taken: Look) -> None:
        """The next look."""
        self._looks = self._looks[1], taken

    def pods(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, Figures]:
        """Figures of pods `uid -> (container -> mark)`; those that have none yet are left out. Takes some ms."""
        before, last = self._looks
        if before is None or last is None:
            return {}
        used = cores(before, last)
        known = {
            uid: marks for uid, marks in wanted.items() if marks and all(mark in used for mark in marks.values())
        }
        memory = _memory(self._prefix, {mark for marks in known.values() for mark in marks.values()})
        return {
            uid: Figures(
                last.taken,
                last.monotonic - before.monotonic,
                {name: Usage(used[mark], memory[mark]) for name, mark in marks.items()},
            )
            for uid, marks in known.items()
            if all(mark in memory for mark in marks.values())  # else a container has ended since
        }

    def machine(self) -> Figures | None:
        """Of the whole machine, as its only "container" `node`; None until there are any."""
        before, last = self._looks
        if before is None or last is None:
            return None
        window = last.monotonic - before.monotonic
        busy = max(last.machine - before.machine, 0.0) / window
        memory = psutil.virtual_memory()
        return Figures(last.taken, window, {"node": Usage(busy, memory.total - memory.available)})


def cores(before: Look, after: Look) -> dict[str, float]:
    """Processors used on average between two looks, by mark."""
    window = after.monotonic - before.monotonic
    return {
        # What was started from outside (kubectl exec) takes its time along when it ends.
        mark: max(used - before.containers[mark], 0.0) / window
        for mark, used in after.containers.items()
        if mark in before.containers
    }


def look(prefix: str) -> Look:
    """Look at the processes; takes some milliseconds."""
    containers: dict[str, float] = {}
    moment = time.monotonic()
    for pid, mark in processes_of(prefix):
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue  # it has ended since
        # Children that have ended go on in their parent's figures.
        containers[mark] = containers.get(mark, 0.0) + sum(times[:4])
    whole = psutil.cpu_times()
    idle = whole.idle + getattr(whole, "iowait", 0.0)
    guest = getattr(whole, "guest", 0.0) + getattr(whole, "guest_nice", 0.0)  # is in user and nice as well
    return Look(datetime.now(UTC), moment, sum(whole) - idle - guest, containers)


def processes_of(prefix: str) -> list[tuple[int, str]]:
    """Pid and mark of every process of a container: what carries a mark, and what is in the session of one that does.

    A program may overwrite its environment with a title (gunicorn's workers with setproctitle).
    """
    marks = dict(processes.marked(prefix))
    found = list(marks.items())
    for pid in psutil.pids():
        if pid not in marks:
            try:
                leader = os.getsid(pid)
            except OSError:
                continue  # it has ended since
            if leader in marks:
                found.append((pid, marks[leader]))
    return found


def _memory(prefix: str, marks: set[str]) -> dict[str, int]:
    """Bytes, by mark."""
    sizes: dict[str, int] = {}
    for pid, mark in processes_of(prefix):
        if mark not in marks:
            continue
        try:
            info = psutil.Process(pid).memory_full_info()
        except psutil.Error:
            continue  # it has ended since
        sizes[mark] = sizes.get(mark, 0) + getattr(info, "pss", info.rss)
    return sizes
