import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pocket import processes
from pocket.processes import ProcessError, ProcessId


@pytest.fixture
def mark() -> Iterator[str]:
    mark = f"test-{uuid.uuid4()}"
    yield mark
    processes.kill_marked(mark)
    assert processes.marked(mark) == []


@pytest.fixture
def start(tmp_path: Path, mark: str) -> Callable[..., ProcessId]:
    def start(*argv: str, name: str = "a", **env: str) -> ProcessId:
        environment = {"PATH": os.environ["PATH"], **env}
        return processes.spawn(argv, cwd=tmp_path, env=environment, log=tmp_path / f"{name}.log", name=f"{mark}:{name}")

    return start


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


Start = Callable[..., ProcessId]


def test_output_and_exit_code_are_kept(start: Start, tmp_path: Path) -> None:
    process = start("sh", "-c", "echo out; echo err >&2; exit 7")
    assert asyncio.run(processes.wait(process)) == 7
    assert processes.exit_code(process) == 7
    assert not processes.is_alive(process)
    assert (tmp_path / "a.log").read_text() == "out\nerr\n"


def test_environment_is_exactly_what_was_given(start: Start, tmp_path: Path) -> None:
    asyncio.run(processes.wait(start("env", COLOUR="blue")))
    names = {line.partition("=")[0] for line in (tmp_path / "a.log").read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"PATH", "COLOUR", processes.MARK}


def test_log_is_appended(start: Start, tmp_path: Path) -> None:
    for word in ("one", "two"):
        asyncio.run(processes.wait(start("echo", word)))
    assert (tmp_path / "a.log").read_text() == "one\ntwo\n"


def test_signals_have_their_default_meaning_in_the_child(start: Start) -> None:
    process = start(sys.executable, "-c", "import signal; exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)")
    assert asyncio.run(processes.wait(process)) == 0


def test_nothing_but_the_program_writes_to_the_log(start: Start, tmp_path: Path) -> None:
    assert asyncio.run(processes.wait(start("sh", "-c", "echo last words >&2; kill -9 $$"))) == 137
    assert (tmp_path / "a.log").read_text() == "last words\n"


def test_missing_program_and_directory_are_named(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match='"no-such-program": executable file not found'):
        start("no-such-program")
    with pytest.raises(ProcessError, match="there is no command"):
        start()
    with pytest.raises(ProcessError, match=r"working directory .*nowhere does not exist"):
        processes.spawn(["true"], cwd=tmp_path / "nowhere", env={}, log=tmp_path / "log", name="x")


def test_program_is_found_as_the_kernel_would(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    assert processes.resolve("bin/tool", tmp_path, {}) is None
    tool.chmod(0o755)
    assert processes.resolve("bin/tool", tmp_path, {}) == str(tool)
    assert processes.resolve("tool", tmp_path, {"PATH": "bin"}) == str(tool)
    assert processes.resolve("tool", tmp_path, {"PATH": "/usr/bin"}) is None


def test_terminate_lets_it_finish_in_its_own_way(start: Start, tmp_path: Path) -> None:
    process = start("sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: "ready" in (tmp_path / "a.log").read_text())
    assert asyncio.run(processes.terminate(process, grace=20)) == 3
    assert (tmp_path / "a.log").read_text() == "ready\nbye\n"


def test_terminate_right_after_the_start_is_not_lost(start: Start) -> None:
    for number in range(10):
        process = start("sleep", "60", name=str(number))
        assert asyncio.run(processes.terminate(process, grace=20)) == 128 + signal.SIGTERM


def test_terminate_kills_what_does_not_listen_with_all_its_children(start: Start, mark: str, tmp_path: Path) -> None:
    deaf = "trap '' TERM; sleep 60 & setsid sleep 60 & echo ready; sleep 60; sleep 60"
    process = start("sh", "-c", deaf)
    until(lambda: "ready" in (tmp_path / "a.log").read_text())
    assert asyncio.run(processes.terminate(process, grace=0.2)) == 137
    assert processes.marked(mark) == []


def test_what_the_main_process_leaves_behind_is_killed(start: Start, mark: str, tmp_path: Path) -> None:
    process = start("sh", "-c", "sleep 60 & env -u POCKET_PROCESS sleep 61 & echo ready; exec sleep 62")
    until(lambda: "ready" in (tmp_path / "a.log").read_text())
    until(lambda: len(psutil.Process(process.pid).children(recursive=True)) == 3)
    session = psutil.Process(process.pid).children(recursive=True)
    assert asyncio.run(processes.terminate(process, grace=0)) == 137
    until(lambda: not any(child.is_running() and child.status() != "zombie" for child in session))


def test_a_killed_shim_leaves_no_code_but_an_end(start: Start, mark: str) -> None:
    process = start("sleep", "60")
    until(lambda: len(psutil.Process(process.pid).children()) == 1)
    os.kill(process.pid, signal.SIGKILL)
    assert asyncio.run(processes.wait(process)) == 137
    assert processes.exit_code(process) is None
    processes.kill(process)
    assert processes.marked(mark) == []


def test_another_process_with_the_same_pid_is_another_one(start: Start, tmp_path: Path) -> None:
    process = start("sleep", "60")
    stale = replace(process, started=process.started - 5, mark="test-somebody-else")
    assert processes.is_alive(process)
    assert not processes.is_alive(stale)
    assert not processes.send(stale, signal.SIGTERM)
    processes.kill(stale)
    asyncio.run(processes.wait(stale))
    assert processes.is_alive(process)


def test_no_zombie_stays(start: Start) -> None:
    process = start("true")
    until(lambda: not processes.is_alive(process))
    assert not psutil.pid_exists(process.pid)


def test_json_round_trip(start: Start) -> None:
    process = start("true")
    assert ProcessId.from_json(process.to_json()) == process


def test_it_outlives_its_parent_and_is_found_again(tmp_path: Path, mark: str) -> None:
    parent = textwrap.dedent(f"""
        import json, os, signal
        from pathlib import Path
        from pocket import processes
        here = Path({str(tmp_path)!r})
        process = processes.spawn(["sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; exit 5"],
                                  cwd=here, env={{"PATH": os.environ["PATH"]}}, log=here / "log", name={mark!r})
        print(json.dumps(process.to_json()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    process = ProcessId.from_json(json.loads(done.stdout))
    assert processes.is_alive(process)
    assert {found for _, found in processes.marked(mark)} == {mark}
    (tmp_path / "go").touch()
    assert asyncio.run(processes.wait(process)) == 5


def test_kill_marked_spares_what_is_kept(start: Start, mark: str) -> None:
    kept, other = start("sleep", "60", name="kept"), start("sleep", "60", name="other")
    assert processes.kill_marked(f"{mark}:", keep=frozenset([f"{mark}:kept"])) == [f"{mark}:other"]
    assert processes.is_alive(kept)
    assert not processes.is_alive(other)


def test_rotation_keeps_the_writer_writing(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    process = start("sh", "-c", "echo 0123456789; while [ ! -e go ]; do sleep 0.05; done; echo end")
    until(lambda: log.exists() and log.stat().st_size > 5)
    assert not processes.rotate(log, limit=100)
    assert processes.rotate(log, limit=5, keep=2)
    assert log.read_text() == ""
    (tmp_path / "go").touch()
    asyncio.run(processes.wait(process))
    assert log.read_text() == "end\n"
    assert processes.rotate(log, limit=2, keep=2)
    assert (tmp_path / "a.log.1").read_text() == "end\n"
    assert (tmp_path / "a.log.2").read_text() == "0123456789\n"
    assert not processes.rotate(tmp_path / "none", limit=1)
