import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from pocket.kubelet import pilot_agent


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.command} {self.path}".encode()
        self.send_response(404 if "nothing" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ("x" * 100)  # longer than the path of a Unix socket may be
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    server = socketserver.ThreadingUnixStreamServer("admin.sock", Handler)
    os.chdir(before)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield folder / "admin.sock"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*argv: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-IS", str(pilot_agent.__file__), *argv]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_answers_are_printed(admin: Path) -> None:
    assert run(str(admin), "GET", "config_dump?mask=x").stdout == "GET /config_dump?mask=x"
    assert run(str(admin), "post", "/drain").stdout == "POST /drain"


def test_errors(admin: Path, tmp_path: Path) -> None:
    missing = run(str(admin), "GET", "nothing")
    assert (missing.returncode, missing.stdout) == (1, "GET /nothing")
    silent = run(str(tmp_path / "admin.sock"), "GET", "x")
    assert silent.returncode == 1
    assert "does not answer" in silent.stderr
    for wrong in ((), (str(admin), "DELETE", "x")):
        assert "usage" in run(*wrong).stderr
