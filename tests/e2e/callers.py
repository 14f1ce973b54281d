"""Who calls, for the matrix of callers and targets: pods, another user of the machine, a web page of another origin.

Every caller is given targets by name and gives back what each of them said: a status, or `no` where nothing came back.
"""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import urllib3

from tests.e2e.cluster import Cluster
from tests.graph.page.browsing import chromium

PATIENCE = 10.0  # seconds for one answer
REBOUND = "evil.example"
"""The name of a page that leads to this machine, once the browser has loaded it."""

# With what Python has; in a pod by the proxy, and signed with the key, that the pod was given.
_ASK = """
import json, os, socket, ssl, stat, sys, urllib.error, urllib.request
lax = ssl._create_unverified_context()
said = {}
asked = json.load(sys.stdin)
for name, target in asked["targets"].items():
    data = target["body"].encode() if target["body"] else None
    url, headers = os.path.expandvars(target["url"]), target["headers"]
    if target["sign"]:
        from botocore import auth, awsrequest, credentials
        key = (os.environ.get(name, "none") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
        signed = awsrequest.AWSRequest(target["method"], url, headers, data)
        auth.SigV4Auth(credentials.Credentials(*key), "dynamodb", "us-west-2").add_auth(signed)
        headers = dict(signed.headers)
    request = urllib.request.Request(url, data, headers, method=target["method"])
    try:
        with urllib.request.urlopen(request, timeout=10, context=lax) as answer:
            said[name] = str(answer.status)
    except urllib.error.HTTPError as error:
        refused = error.status == 503 and b"upstream connect error" in error.read()
        said[name] = "no" if refused else str(error.code)
    except OSError as error:
        said[name] = "no"
for path in asked["paths"]:
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        else:
            open(path, "rb").close()
        said[path] = "yes"
    except OSError:
        said[path] = "no"
print(json.dumps(said))
"""


@dataclass(frozen=True)
class Target:
    """One request."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    sign: bool = False  # with the caller's key of AWS, if it has one


Targets = Mapping[str, Target]
Answers = dict[str, str]


def _asked(targets: Targets, paths: Sequence[Path] = ()) -> str:
    listed = {name: vars(target) for name, target in targets.items()}
    return json.dumps({"targets": listed, "paths": [str(path) for path in paths]})


def from_pod(cluster: Cluster, namespace: str, pod: str, container: str, targets: Targets) -> Answers:
    """What the application of a pod gets."""
    done = subprocess.run(
        ["kubectl", "-n", namespace, "exec", "-i", pod, "-c", container, "--", "python", "-c", _ASK],
        cwd=cluster.root, env=cluster.env, input=_asked(targets), capture_output=True, text=True, timeout=240,
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


def from_another_user(targets: Targets, paths: Sequence[Path]) -> Answers:
    """What a user of the machine gets who has nothing to do with us, and which of the files and sockets he can open.

    The user is made for it, and `su` starts the program: only root can do that. Skips where the machine cannot.
    """
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    missing = [name for name in ("useradd", "userdel", "su") if shutil.which(name) is None]
    if python is None or missing:
        pytest.skip(f"no {', '.join(missing) or 'python3 that another user can run'} on this machine")
    name = f"c756-{os.getpid()}"
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", name], check=True, timeout=60)
    try:
        command = shlex.join(["env", "-i", python, "-I", "-c", _ASK])
        done = subprocess.run(
            ["su", "-s", "/bin/sh", "-c", command, name],
            cwd="/", input=_asked(targets, paths), capture_output=True, text=True, timeout=240,
        )  # fmt: skip
    finally:
        subprocess.run(["userdel", name], check=True, timeout=60)
    assert done.returncode == 0, f"asking as user {name}: {done.stderr}"
    found: Answers = json.loads(done.stdout)
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


_FETCH = """async ({url, method, headers, body}) => {
    try {
        const signal = AbortSignal.timeout(10000)
        const answer = await fetch(url, {method, headers, body: body || undefined, signal})
        await answer.text()
        return String(answer.status)
    } catch { return "no" }
}"""


def from_a_web_page(targets: Targets) -> Answers:
    """What the script of a page of another origin can read, in a real browser."""
    with _another_origin() as origin, chromium() as browser:
        page = browser.new_page()
        page.goto(origin)
        return {name: page.evaluate(_FETCH, vars(target)) for name, target in targets.items()}


def from_a_rebound_page(targets: Targets) -> Answers:
    """What a page can read whose own name leads to 127.0.0.1: for the browser all is of its own origin."""
    said = {}
    # Some browsers ask before a page of elsewhere may ask this machine. What is to be seen here is what ours say.
    asks = "LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights"
    with chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1", f"--disable-features={asks}") as browser:
        page = browser.new_page()
        for name, target in targets.items():
            there = urlsplit(target.url)._replace(netloc=f"{REBOUND}:{urlsplit(target.url).port}")
            own = there._replace(path="/rebound.html", query="").geturl()
            page.route(own, lambda route: route.fulfill(content_type="text/html", body="<title>elsewhere</title>"))
            page.goto(own)  # as it was loaded from its own server, before its name led here
            said[name] = page.evaluate(_FETCH, vars(target) | {"url": there.geturl()})
    return said
