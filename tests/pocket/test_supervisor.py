"""System processes are started once, found again, started anew when they die, and stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pocket import processes, supervisor
from pocket.parts import Part
from pocket.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    made = Settings(home=tmp_path / "home", port_base=20000, gateway_port=8080)
    yield made
    processes.kill_marked(f"{made.home}:")


def sleeper(settings: Settings, code: str = "import time; print('up', flush=True); time.sleep(600)") -> Part:
    return Part("sleeper", [sys.executable, "-c", code], settings.home, dict(os.environ), "http://127.0.0.1:1")


def test_started_found_again_and_stopped(settings: Settings) -> None:
    process = supervisor.start(settings, sleeper(settings))
    assert supervisor.recorded(settings, "sleeper") == process
    assert asyncio.run(supervisor.stop(settings, "sleeper", grace=5))
    assert supervisor.recorded(settings, "sleeper") is None
    assert not asyncio.run(supervisor.stop(settings, "sleeper", grace=5)), "there was nothing left to stop"


def test_what_would_be_started_otherwise_today_is_outdated(settings: Settings) -> None:
    part = replace(sleeper(settings), fingerprint="one")
    assert not supervisor.is_outdated(settings, part), "it does not run"
    supervisor.start(settings, part)
    assert not supervisor.is_outdated(settings, part)
    assert supervisor.is_outdated(settings, replace(part, fingerprint="two"))


def test_what_an_earlier_one_left_behind_goes_first(settings: Settings) -> None:
    first = supervisor.start(settings, sleeper(settings))
    mark = supervisor.mark_of(settings, "sleeper")
    wait_for(lambda: len(processes.marked(mark)) == 2)
    os.kill(first.pid, signal.SIGKILL)  # the shell that waits for it: the program itself runs on
    wait_for(lambda: len(processes.marked(mark)) == 1)
    ((left, _),) = processes.marked(mark)
    assert supervisor.recorded(settings, "sleeper") is None
    supervisor.start(settings, sleeper(settings))
    assert left not in {pid for pid, _ in processes.marked(mark)}


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_torn_record_is_no_process(settings: Settings) -> None:
    supervisor.record_file(settings, "sleeper").parent.mkdir(parents=True)
    supervisor.record_file(settings, "sleeper").write_text('{"pid": 1')
    assert supervisor.recorded(settings, "sleeper") is None


def test_what_dies_is_started_again_and_cancelling_leaves_it_running(settings: Settings) -> None:
    async def story() -> None:
        keeper = asyncio.create_task(supervisor.keep_running(settings, sleeper(settings)))
        first = await appears(settings)
        while not processes.send(first, signal.SIGKILL):
            await asyncio.sleep(0.02)
        second = await appears(settings, other_than=first)
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        assert processes.is_alive(second)

    asyncio.run(asyncio.wait_for(story(), 30))


def test_what_runs_is_adopted(settings: Settings) -> None:
    process = supervisor.start(settings, sleeper(settings))

    async def story() -> None:
        keeper = asyncio.create_task(supervisor.keep_running(settings, sleeper(settings)))
        await asyncio.sleep(0.2)
        assert supervisor.recorded(settings, "sleeper") == process
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    asyncio.run(story())


async def appears(settings: Settings, other_than: processes.ProcessId | None = None) -> processes.ProcessId:
    while True:
        process = supervisor.recorded(settings, "sleeper")
        if process is not None and process != other_than:
            return process
        await asyncio.sleep(0.02)


def test_what_cannot_be_written_down_does_not_run_and_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk: a part that nobody could find again would keep its port for ever."""
    monkeypatch.setattr(supervisor, "_BACK_OFF", (0.05,))
    in_the_way = supervisor.record_file(settings, "sleeper").with_name(f".sleeper.json.{os.getpid()}")
    in_the_way.mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory"):
        supervisor.start(settings, sleeper(settings))

    async def story() -> None:
        keeper = asyncio.create_task(supervisor.keep_running(settings, sleeper(settings)))
        await asyncio.sleep(0.2)
        assert not keeper.done()
        in_the_way.rmdir()
        process = await appears(settings)
        assert [pid for pid, _ in processes.marked(f"{settings.home}:") if pid == process.pid]
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 30))
    ours = {mark for _, mark in processes.marked(f"{settings.home}:")}
    assert len(ours) == 1, "what was started before is gone"
