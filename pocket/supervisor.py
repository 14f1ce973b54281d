"""Keeps pocket's system processes running: starts them, finds them again, starts them anew when they die."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path

from pocket import processes
from pocket.files import write_private
from pocket.parts import Part
from pocket.processes import ProcessError, ProcessId
from pocket.settings import Settings

_LOG = logging.getLogger(__name__)
_LOG_LIMIT = 8 << 20  # bytes of one log file before it is rotated
_LONG_ENOUGH = 30.0  # seconds: what ran that long and died is started again at once
_BACK_OFF = (0.0, 1.0, 2.0, 5.0, 10.0)  # seconds before the next start of what dies sooner, once, twice ...


def mark_of(settings: Settings, name: str) -> str:
    """The mark that processes of this pocket carry in their environment."""
    return f"{settings.home}:{name}"


def record_file(settings: Settings, name: str) -> Path:
    return settings.run / f"{name}.json"


def log_file(settings: Settings, name: str) -> Path:
    return settings.logs / f"{name}.log"


def recorded(settings: Settings, name: str) -> ProcessId | None:
    """The process that was last started under that name, if its record is there and it still runs."""
    try:
        process = ProcessId.from_json(json.loads(record_file(settings, name).read_text()))
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return process if processes.is_alive(process) else None


def is_outdated(settings: Settings, part: Part) -> bool:
    """Does it run, but was it started otherwise than it would be now (by an earlier pocket)?"""
    if recorded(settings, part.name) is None:
        return False
    record = json.loads(record_file(settings, part.name).read_text())
    return bool(record.get("fingerprint") != part.fingerprint)


def start(settings: Settings, part: Part) -> ProcessId:
    """Start it and write down that we did. Raises ProcessError, and OSError where it cannot be written down; it does
    not run then."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes.kill_marked(mark_of(settings, part.name))  # what is left of an earlier one has its port
    process = processes.spawn(
        part.argv, cwd=part.cwd, env=part.env, log=log_file(settings, part.name), name=mark_of(settings, part.name)
    )
    try:
        record = {**process.to_json(), "fingerprint": part.fingerprint}
        write_private(record_file(settings, part.name), json.dumps(record).encode())
    except OSError:
        processes.kill(process)  # nobody would find it again
        raise
    return process


async def stop(settings: Settings, name: str, grace: float) -> bool:
    """Stop what was started under that name; says whether there was anything to stop."""
    process = recorded(settings, name)
    if process is not None:
        await processes.terminate(process, grace)
    left = processes.kill_marked(mark_of(settings, name))  # whose record or shell was lost
    record_file(settings, name).unlink(missing_ok=True)
    return process is not None or bool(left)


async def renew(settings: Settings, name: str, grace: float) -> None:
    """End what was started under that name; whoever keeps it running starts it again, as it is to be started now."""
    process = recorded(settings, name)
    if process is not None:
        await processes.terminate(process, grace)


async def keep_running(settings: Settings, part: Part) -> None:
    """Have the part running for as long as this coroutine runs; leaves it running when cancelled."""
    quick_deaths = 0
    while True:
        process = recorded(settings, part.name)
        if process is None:
            try:
                process = start(settings, part)
            except (OSError, ProcessError) as error:
                if not isinstance(error.__cause__ or error, OSError):
                    raise  # this will not get better by itself
                # A full disk, say. The other parts are not to end with this one.
                _LOG.error("%s: cannot be started: %s; again in %.0f s", part.name, error, _BACK_OFF[-1])
                await asyncio.sleep(_BACK_OFF[-1])
                continue
            _LOG.info("%s: started, pid %d", part.name, process.pid)
        else:
            _LOG.info("%s: found running, pid %d", part.name, process.pid)
        began = time.monotonic()
        code = await processes.wait(process)
        quick_deaths = 0 if time.monotonic() - began > _LONG_ENOUGH else quick_deaths + 1
        pause = _BACK_OFF[min(quick_deaths, len(_BACK_OFF)) - 1] if quick_deaths else 0.0
        _LOG.warning("%s: ended with %d; starting it again in %.0f s", part.name, code, pause)
        await asyncio.sleep(pause)


async def rotate_logs(settings: Settings, every: float = 60.0) -> None:
    """Keep the system processes' logs from filling the disk."""
    while True:
        for log in settings.logs.glob("*.log"):
            try:
                processes.rotate(log, _LOG_LIMIT)
            except OSError as error:
                _LOG.error("%s is not shortened: %s", log, error)
        await asyncio.sleep(every)
