import asyncio
import http.server
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pocket.kubelet import probes
from pocket.objects import Obj
from pocket.ports import PortPool
from pocket.sockets import Address


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))  # type: ignore[attr-defined]
        self.send_response(int(self.path.rsplit("/", 1)[-1]))
        self.end_headers()
        if "204" not in self.path:
            self.wfile.write(b"body")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Target:
    def __init__(self, port: int | Path = 0, code: int = 0) -> None:
        self._place: Address = port if isinstance(port, Path) else ("127.0.0.1", port)
        self._code = code

    def place(self, name_or_number: str | int) -> Address:
        if name_or_number != "http":
            raise ValueError(f"port {name_or_number}: no such port")
        return self._place

    async def execute(self, command: Sequence[str]) -> tuple[int, str]:
        if command == ["hang"]:
            await asyncio.Event().wait()
        return self._code, "output"


def ask(probe: Obj, target: Target) -> probes.Result:
    return asyncio.run(probes.ask(probe, target))


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (302, True), (399, True), (404, False), (503, False)]
)
def test_http(server: http.server.ThreadingHTTPServer, status: int, ok: bool) -> None:
    get = {"path": f"/health/{status}", "port": "http", "httpHeaders": [{"name": "X-A", "value": "b"}]}
    result = ask({"httpGet": get}, Target(server.server_port))
    assert result.ok is ok
    assert ok or f"statuscode: {status}" in result.message
    ((path, headers),) = server.seen  # type: ignore[attr-defined]
    assert path == f"/health/{status}"
    assert headers["X-A"] == "b"
    assert headers["User-Agent"].startswith("kube-probe/")


def test_tcp(server: http.server.ThreadingHTTPServer) -> None:
    assert ask({"tcpSocket": {"port": "http"}}, Target(server.server_port)).ok
    free = PortPool(21000, 5000).allocate()[0]
    for kind in ("tcpSocket", "httpGet"):
        result = ask({kind: {"port": "http"}}, Target(free))
        assert not result.ok
        assert "refused" in result.message.lower()


def test_a_unix_socket_in_a_deep_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    path = folder / "80.sock"
    monkeypatch.chdir(folder)
    with socketserver.ThreadingUnixStreamServer("80.sock", Handler) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            assert ask({"tcpSocket": {"port": "http"}}, Target(path)).ok
            assert ask({"httpGet": {"path": "/200", "port": "http"}}, Target(path)).ok
            assert "503" in ask({"httpGet": {"path": "/503", "port": "http"}}, Target(path)).message
        finally:
            server.shutdown()
            thread.join()
        assert server.seen[0][1]["Host"] == "127.0.0.1"  # type: ignore[attr-defined]
    for kind in ("tcpSocket", "httpGet"):
        assert "refused" in ask({kind: {"port": "http"}}, Target(path)).message
        assert "No such file" in ask({kind: {"port": "http"}}, Target(tmp_path / "none")).message


def test_exec() -> None:
    assert ask({"exec": {"command": ["x"]}}, Target(code=0)) == probes.Result(True, "output")
    assert ask({"exec": {"command": ["x"]}}, Target(code=1)) == probes.Result(False, "output")
    late = ask({"exec": {"command": ["hang"]}, "timeoutSeconds": 0.05}, Target())
    assert late == probes.Result(False, "no answer within 0.05 s")


def test_sleep_and_nonsense() -> None:
    assert ask({"sleep": {"seconds": 0}}, Target()).ok
    assert ask({"tcpSocket": {"port": "other"}}, Target()) == probes.Result(False, "port other: no such port")
    assert not ask({"grpc": {"port": 1}}, Target()).ok


def test_verdicts_need_a_row_of_answers() -> None:
    streak = probes.Streak({"successThreshold": 2, "failureThreshold": 3})
    answers = [True, True, True, False, False, True, False, False, False, False]
    verdicts = [None, True, True, None, None, None, None, None, False, False]
    assert [streak.add(answer) for answer in answers] == verdicts


class Script:
    """A container that answers as written, and a watch over it."""

    def __init__(self, answers: str) -> None:
        self.answers = list(answers)
        self.verdicts: list[bool] = []
        self.failures = 0
        self.done = asyncio.Event()

    async def once(self) -> probes.Result:
        if not self.answers:
            self.done.set()
            await asyncio.Event().wait()
        return probes.Result(self.answers.pop(0) == "+")

    def failed(self, _: probes.Result) -> None:
        self.failures += 1

    async def run(self, probe: Obj, *, eager: bool) -> None:
        since = asyncio.get_running_loop().time()
        watch = asyncio.create_task(
            probes.watch(probe, self.once, self.verdicts.append, self.failed, since=since, eager=eager)
        )
        await asyncio.wait_for(self.done.wait(), 20)
        watch.cancel()


def test_watch_tells_verdicts_and_failures() -> None:
    async def run() -> Script:
        script = Script("+---+")
        await script.run({"httpGet": {}, "periodSeconds": 0.01, "failureThreshold": 2}, eager=False)
        return script

    script = asyncio.run(run())
    assert script.verdicts == [True, False, False, True]
    assert script.failures == 3


def test_an_eager_watch_looks_often_but_counts_failures_in_the_probes_rhythm() -> None:
    async def first_verdict() -> Script:
        script = Script("---+")
        told = asyncio.Event()
        probe = {"httpGet": {}, "periodSeconds": 3600}

        def verdict(ok: bool) -> None:
            script.verdicts.append(ok)
            told.set()

        since = asyncio.get_running_loop().time()
        watch = asyncio.create_task(probes.watch(probe, script.once, verdict, script.failed, since=since, eager=True))
        await asyncio.wait_for(told.wait(), 20)
        watch.cancel()
        return script

    script = asyncio.run(first_verdict())
    assert script.verdicts == [True]
    assert script.failures == 0


def test_a_timeout_is_counted_in_turns_that_we_were_awake_in() -> None:
    patience = probes.Patience(1.0)
    turns = list(iter(patience.next, None))
    assert sum(turns) == pytest.approx(1.0)
    assert len(turns) == 10
    assert len(list(iter(probes.Patience(0.05).next, None))) == 10
    assert max(iter(probes.Patience(60).next, None)) == pytest.approx(0.1)


def test_a_busy_loop_of_ours_is_no_failure_of_theirs(server: http.server.ThreadingHTTPServer) -> None:
    """The answer is there in time; only we, busy for ten times the timeout, do not look at it."""

    async def run() -> list[probes.Result]:
        async def busy() -> None:
            while True:
                time.sleep(1.0)  # noqa: ASYNC251  (this is the fault)
                await asyncio.sleep(0)

        nuisance = asyncio.create_task(busy())
        probe = {"httpGet": {"path": "/health/200", "port": "http"}, "timeoutSeconds": 0.1}
        answers = [await probes.ask(probe, Target(server.server_port)) for _ in range(2)]
        nuisance.cancel()
        return answers

    assert asyncio.run(run()) == [probes.Result(True)] * 2


def test_who_does_not_answer_has_failed_whether_we_are_busy_or_not() -> None:
    async def run() -> probes.Result:
        async def busy() -> None:
            while True:
                time.sleep(0.02)  # noqa: ASYNC251  (this is the fault)
                await asyncio.sleep(0)

        nuisance = asyncio.create_task(busy())
        async with asyncio.timeout(60):
            result = await probes.ask({"exec": {"command": ["hang"]}, "timeoutSeconds": 0.1}, Target())
        nuisance.cancel()
        return result

    assert asyncio.run(run()) == probes.Result(False, "no answer within 0.1 s")
