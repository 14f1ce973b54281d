"""Who calls, for the matrix of callers and targets: pods, another user of the machine, a web page of another origin.

Every caller is given targets by name and gives back what each of them said: a status, or `no` where nothing came back.
"""

from __future__ import annotations

import http.server
import json
import multiprocessing
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
import urllib3

from tests.e2e.cluster import Cluster
from tests.graph.page.browsing import chromium

PATIENCE = 10.0  # seconds for one answer
NOBODY = 12345
"""A user of the machine who owns nothing."""

# In a pod: with what Python has, and by the proxy that the pod was given.
_ASK = """
import json, ssl, sys, urllib.error, urllib.request
lax = ssl._create_unverified_context()
said = {}
for name, target in json.load(sys.stdin).items():
    data = target["body"].encode() if target["body"] else None
    request = urllib.request.Request(target["url"], data, target["headers"], method=target["method"])
    try:
        with urllib.request.urlopen(request, timeout=10, context=lax) as answer:
            said[name] = str(answer.status)
    except urllib.error.HTTPError as error:
        refused = error.status == 503 and b"upstream connect error" in error.read()
        said[name] = "no" if refused else str(error.code)
    except OSError as error:
        said[name] = "no"
print(json.dumps(said))
"""


@dataclass(frozen=True)
class Target:
    """One request."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


Targets = Mapping[str, Target]
Answers = dict[str, str]


def from_pod(cluster: Cluster, namespace: str, pod: str, container: str, targets: Targets) -> Answers:
    """What the application of a pod gets."""
    listed = {name: vars(target) for name, target in targets.items()}
    done = subprocess.run(
        ["kubectl", "-n", namespace, "exec", "-i", pod, "-c", container, "--", "python", "-c", _ASK],
        cwd=cluster.root, env=cluster.env, input=json.dumps(listed), capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, f"{namespace}/{pod}: {done.stderr}"
    found: Answers = json.loads(done.stdout)
    return found


def from_here(targets: Targets) -> Answers:
    """What a program on this machine gets, without a proxy."""
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    session = requests.Session()
    session.trust_env = False
    said = {}
    for name, target in targets.items():
        try:
            answer = session.request(
                target.method, target.url, headers=target.headers, data=target.body or None, timeout=PATIENCE,
                verify=False, allow_redirects=False,
            )  # fmt: skip
            said[name] = str(answer.status_code)
        except requests.RequestException:
            said[name] = "no"
    return said


def _as_nobody(targets: Targets, paths: list[str], result: str) -> None:
    with Path(result).open("w") as file:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        said: Answers = from_here(targets)
        for path in paths:
            said[path] = "yes" if _opens(Path(path)) else "no"
        json.dump(said, file)


def _opens(path: Path) -> bool:
    """A file to read, or a socket to connect to."""
    try:
        if path.is_socket():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        else:
            path.read_bytes()
    except OSError:
        return False
    return True


def from_another_user(targets: Targets, paths: list[Path], scratch: Path) -> Answers:
    """What a user of the machine gets who has nothing to do with us. Only root can try that."""
    result = scratch / "said.json"
    child = multiprocessing.get_context("fork").Process(
        target=_as_nobody, args=(targets, [str(path) for path in paths], str(result))
    )
    child.start()
    child.join(180)
    assert child.exitcode == 0, f"asking as user {NOBODY} ended with {child.exitcode}"
    found: Answers = json.loads(result.read_text())
    return found


@contextmanager
def _another_origin() -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *words: object) -> None:
            del words

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join(10)


def from_a_web_page(targets: Targets) -> Answers:
    """What the script of a page of another origin can read, in a real browser."""
    script = """async ({url, method, headers, body}) => {
        try {
            const signal = AbortSignal.timeout(10000)
            const answer = await fetch(url, {method, headers, body: body || undefined, signal})
            await answer.text()
            return String(answer.status)
        } catch { return "no" }
    }"""
    with _another_origin() as origin, chromium() as browser:
        page = browser.new_page()
        page.goto(origin)
        return {name: page.evaluate(script, vars(target)) for name, target in targets.items()}
