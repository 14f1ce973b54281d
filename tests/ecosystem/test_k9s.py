"""k9s in a terminal (tmux): pods, describe, logs, a shell in a container, a port-forward."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.cluster import NAMESPACE, Cluster, free_port
from tests.ecosystem.programs import each

WITHIN = 60.0  # seconds for a screen to show something


class Terminal:
    """A program in a terminal of its own, by tmux."""

    def __init__(self, tmux: str, folder: Path) -> None:
        self._tmux = [tmux, "-S", str(folder / "tmux.sock")]

    def run(self, *arguments: str) -> str:
        done = subprocess.run([*self._tmux, *arguments], capture_output=True, text=True, timeout=30, check=True)
        return done.stdout

    def keys(self, *keys: str) -> None:
        self.run("send-keys", "-t", "k9s", *keys)

    def until(self, *words: str) -> str:
        """The screen, once it shows these."""
        end = time.monotonic() + WITHIN
        while True:
            screen = self.run("capture-pane", "-p", "-t", "k9s")
            if all(word in screen for word in words):
                return screen
            assert time.monotonic() < end, f"k9s does not show {words}:\n{screen}"
            time.sleep(0.2)


@contextmanager
def k9s(whole: Cluster, program: Path, folder: Path) -> Iterator[Terminal]:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("no tmux, in whose terminal k9s runs")
    terminal = Terminal(tmux, folder)
    settings = [f"HOME={folder}", f"K9S_CONFIG_DIR={folder / 'k9s'}", "TERM=xterm-256color"]
    settings += [f"{name}={whole.env[name]}" for name in ("KUBECONFIG", "PATH")]
    terminal.run(
        "new-session", "-d", "-s", "k9s", "-x", "180", "-y", "45",
        "env", *settings, str(program), "-n", NAMESPACE, "-c", "pods",
    )  # fmt: skip
    try:
        yield terminal
    finally:
        terminal.run("kill-server")


@each("k9s")
def test_k9s(whole: Cluster, program: Path, tmp_path: Path) -> None:
    with k9s(whole, program, tmp_path) as terminal:
        terminal.until("cmpt756db-", "cmpt756s1-", "Running", "2/2")  # the first pod of the list is db's
        terminal.keys("d")
        terminal.until("Name:", f"Namespace:        {NAMESPACE}", "Service Account:  cmpt756db")
        terminal.keys("Escape")
        terminal.until("cmpt756s1-", "Running")
        terminal.keys("l")
        terminal.until("Autoscroll", 'cmpt756db {"time"')
        terminal.keys("Escape")
        terminal.until("cmpt756s1-", "Running")
        terminal.keys("s")
        terminal.until("K9s-Shell")
        terminal.keys("echo in-$((40+2))", "Enter")
        terminal.until("in-42")
        terminal.keys("exit", "Enter")
        terminal.until("cmpt756s1-", "Running")
        port = free_port()
        terminal.keys("F")
        terminal.until("Local Port", "30002")
        terminal.keys("Tab")
        terminal.keys("-N", "6", "BSpace")
        terminal.keys(str(port), "Tab", "Tab")
        terminal.keys("Enter")
        terminal.until("Ⓕ")  # the mark of a pod that a port is forwarded to
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/datastore/health", timeout=30) as answer:
            assert answer.status == 200
