"""The real gunicorn: how it listens, counts with several workers, and ends."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from servicekit.gunicorn_conf import worker_count
from servicekit.worker import json_error
from tests.realservices import ROOT, Process, answers, base_env, free_port, wait_for

APP = """
import time
from servicekit.body import json_object
from servicekit.config import BaseConfig
from servicekit.service import new_app

def create_app():
    app = new_app(service="svc", version="v1", prefix="/p", config=BaseConfig(), check_ready=lambda: None, document={})
    app.add_url_rule("/p/sleep/<seconds>", "sleep", lambda seconds: time.sleep(float(seconds)) or "slept")
    app.add_url_rule("/p/echo", "echo", lambda: str(len(json_object())), methods=["POST"])
    return app
"""


class Small:
    """A small service of ours under gunicorn."""

    def __init__(self, folder: Path) -> None:
        (folder / "app.py").write_text(APP)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/p"
        own = {"PYTHONPATH": str(ROOT), "HOST": "127.0.0.1", "PORT": str(self.port), "DRAIN_SECONDS": "0"}
        self.env = base_env(folder) | own
        argv = ["gunicorn", "-c", "python:servicekit.gunicorn_conf", "app:create_app()"]
        self.process = Process(argv, folder, self.env, folder / "log")

    def start(self, **env: str) -> None:
        self.process.env = self.env | env
        self.process.start()
        wait_for(lambda: answers(f"{self.url}/health"), f"gunicorn; it says: {self.process.output}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    service = Small(tmp_path)
    yield service
    service.process.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """One for all tests that change nothing about it."""
    service = Small(tmp_path_factory.mktemp("small"))
    service.start()
    yield service
    service.process.stop()


def raw(port: int, data: bytes) -> bytes:
    """What the server says to `data` until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(data)
        connection.settimeout(10)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_on_sigterm_it_drains_and_ends_with_0(small: Small) -> None:
    """Unready at once; what it has accepted it answers; idle connections do not hold it up."""
    small.start(DRAIN_SECONDS="1.5", GRACEFUL_SECONDS="20")
    idle = requests.Session()
    assert idle.get(f"{small.url}/health", timeout=5).headers.get("Connection", "").lower() != "close"
    silent = socket.create_connection(("127.0.0.1", small.port))  # connected, and never asks anything

    outcomes: list[str] = []
    unready, begun = threading.Event(), threading.Event()

    def long_request() -> None:
        begun.set()
        outcomes.append(requests.get(f"{small.url}/sleep/3", timeout=30).text)

    def caller(kept: bool) -> None:
        """Calls without a pause until it learns that the service is not ready, as a load balancer does."""
        session = requests.Session()
        while not unready.is_set():
            try:
                outcomes.append((session if kept else requests).get(f"{small.url}/sleep/0.01", timeout=30).text)
            except requests.RequestException as error:
                outcomes.append(repr(error))

    threads = [threading.Thread(target=long_request)]
    threads += [threading.Thread(target=caller, args=(kept,)) for kept in (True, False) * 4]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    wait_for(lambda: len(outcomes) > 50, "some requests")
    small.process.signal(signal.SIGTERM)
    wait_for(lambda: answers(f"{small.url}/readiness", 503), "unreadiness")
    after = requests.get(f"{small.url}/health", timeout=5)
    assert (after.status_code, after.headers["Connection"].lower()) == (200, "close")
    unready.set()
    assert small.process.wait(19) == 0, small.process.output
    for thread in threads:
        thread.join(30)
    silent.close()
    assert set(outcomes) == {"slept"}
    assert "Traceback" not in small.process.output


class AtSocket(HTTPAdapter):
    """requests, by way of a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()

        class Connection(urllib3.connection.HTTPConnection):
            def _new_conn(self) -> socket.socket:
                made = socket.socket(socket.AF_UNIX)
                made.settimeout(10)
                made.connect(str(path))
                return made

        class Pool(urllib3.HTTPConnectionPool):
            ConnectionCls = Connection

        self._pool = Pool("localhost")

    def get_connection_with_tls_context(self, *_: object, **more: object) -> urllib3.HTTPConnectionPool:
        return self._pool


def test_on_a_unix_socket_it_drains_as_on_a_port(small: Small, tmp_path: Path) -> None:
    """After SIGTERM new connections are still taken until it has drained: the socket's path stays."""
    path = tmp_path / "own.sock"
    small.process.env = small.env | {"HOST": "unix:own.sock", "DRAIN_SECONDS": "2"}

    def ask(what: str) -> tuple[int, str]:
        with requests.Session() as session:
            session.mount("http://", AtSocket(path))
            answer = session.get(f"http://localhost/p/{what}", timeout=10)
            return answer.status_code, answer.headers.get("Connection", "").lower()

    for _ in range(2):  # the second time the path is there already
        small.process.start()
        wait_for(path.is_socket, f"the socket; it says: {small.process.output}")
        wait_for(lambda: _works(ask), f"gunicorn; it says: {small.process.output}")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{small.url}/health", timeout=5)
        small.process.signal(signal.SIGTERM)
        wait_for(lambda: ask("readiness")[0] == 503, "unreadiness")
        assert ask("health") == (200, "close")
        assert small.process.wait(19) == 0, small.process.output
    assert "Traceback" not in small.process.output


def _works(ask: Callable[[str], tuple[int, str]]) -> bool:
    try:
        return ask("health")[0] == 200
    except requests.ConnectionError:
        return False


def test_requests_beyond_the_grace_period_do_not_keep_it(small: Small) -> None:
    small.start(DRAIN_SECONDS="0", GRACEFUL_SECONDS="1")
    # Two requests on one connection: once the first is in the log, the second is in flight.
    two = b"GET /p/sleep/0 HTTP/1.1\r\nHost: x\r\n\r\nGET /p/sleep/60 HTTP/1.1\r\nHost: x\r\n\r\n"
    thread = threading.Thread(target=raw, args=(small.port, two))
    thread.start()
    wait_for(lambda: "/p/sleep/0" in small.process.output, "the request before it")
    small.process.signal(signal.SIGTERM)
    assert small.process.wait(20) == 0
    thread.join(20)


def test_metrics_add_up_over_workers(small: Small) -> None:
    small.start(WORKERS="2")
    for _ in range(30):
        assert requests.get(f"{small.url}/sleep/0", timeout=5).status_code == 200
    text = requests.get(f"http://127.0.0.1:{small.port}/metrics?name[]=x", timeout=5).text
    assert 'flask_http_request_total{method="GET",status="200"} 30.0' in text


def test_nothing_is_written_under_home(small: Small, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    small.start(HOME=str(home))
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /p/health HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n", b"400"),
        (b"GET /p/health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n", b"400"),
        (b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (
            b"POST /p/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
            b"400",
        ),
    ],
)
def test_what_the_parser_refuses_is_json_too(running: Small, request_bytes: bytes, status: bytes) -> None:
    head, _, body = raw(running.port, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status), head
    assert b"application/json" in head
    assert body.startswith(b'{"error":')


def test_a_chunked_body_is_read(running: Small) -> None:
    answer = requests.post(
        f"{running.url}/echo", data=iter([b'{"a":', b"1}"]), headers={"Content-Type": "application/json"}, timeout=5
    )
    assert answer.text == "1"


@pytest.mark.parametrize(("wanted", "count"), [("1", 1), ("64", 64), ("auto", 3)])
def test_worker_count(wanted: str, count: int) -> None:
    assert worker_count(wanted, 3) == count


@pytest.mark.parametrize("name", ["WORKERS", "PORT", "LOG_LEVEL", "DRAIN_SECONDS"])
def test_wrong_settings_end_it_with_their_name(small: Small, name: str) -> None:
    small.process.env = small.env | {name: "many"}
    small.process.start()
    assert small.process.wait(30) != 0
    assert f"{name}=" in small.process.output
    assert "Traceback" not in small.process.output


def test_json_error_keeps_the_status_and_hides_what_went_wrong_here() -> None:
    page = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\n\r\n<html>"
    answer = json_error(page, "a secret detail")
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"secret" not in answer


def test_the_python_of_the_tests_runs_the_services() -> None:
    assert (Path(sys.executable).parent / "gunicorn").exists()
