"""A kubelet and controllers over real small processes, in a folder and with ports of the test's own."""

import asyncio
import contextlib
import fcntl
import functools
import os
import tempfile
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from pocket import parts, processes
from pocket.controllers import Controllers
from pocket.images import ImageStore, build
from pocket.kubelet import Kubelet
from pocket.mesh.deliver import Delivery
from pocket.mesh.model import Proxy
from pocket.mesh_sync import MeshSync
from pocket.objects import Obj, is_ready, name_of
from pocket.ports import is_free
from pocket.settings import Settings
from pocket.store import Store

# Answers its WORD; ends in the way that the path says; refuses to be ready as long as a file `unready` is there.
APP = """\
import http.server, os, signal, socketserver, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/exit/"):
            os._exit(int(self.path.rpartition("/")[2]))
        ok = not os.path.exists(self.path.lstrip("/") or "-")
        self.send_response(200 if ok else 503)
        self.end_headers()
        self.wfile.write(os.environ.get("WORD", "").encode())

    def log_message(self, *_):
        pass

def stop(*_):
    print("stopping", flush=True)
    threading.Thread(target=server.shutdown).start()

host = os.environ["HOST"]
if host.startswith("unix:"):
    server = socketserver.ThreadingUnixStreamServer(host.removeprefix("unix:"), Handler)
else:
    server = http.server.ThreadingHTTPServer((host, int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, stop)
print("serving", os.environ.get("WORD"), flush=True)
server.serve_forever(0.02)
"""

DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /code
COPY app.py .
ENV PYTHONDONTWRITEBYTECODE=1
CMD ["python", "-S", "app.py"]
"""

IMAGE = "example.org/app:v1"
NAMESPACE = "test"


@functools.cache
def port_base() -> int:
    """The first of 100 ports that this test process has for itself, while others run at the same time.

    Its tests run one after the other, so they share them; a locked file keeps the other processes away.
    """
    for base in range(11000, 20000, 100):
        lock = os.open(Path(tempfile.gettempdir()) / f"pocket-test-ports-{os.getuid()}-{base}", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if all(is_free(port) for port in range(base, base + 100)):
            return base  # the lock is held until the process ends
        os.close(lock)
    raise AssertionError("no free range of ports")


def node_port() -> int:
    """One that pods do not get to."""
    return port_base() + 99


class Mesh:
    """Remembers what the kubelet asked for; `on_sync` looks at the cluster at that moment."""

    def __init__(self) -> None:
        self.prepared: list[Proxy] = []
        self.syncs = 0
        self.on_sync: Callable[[], Any] = lambda: None

    def prepare(self, proxy: Proxy) -> None:
        self.prepared.append(proxy)

    async def sync(self) -> None:
        self.syncs += 1
        self.on_sync()


class Sleeps:
    """Waits of the back-off: noted, and skipped unless `hold` is set."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.hold = False

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if self.hold:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)


class Cluster:
    """One pocket without API server."""

    def __init__(self, home: Path, base: int | None = None) -> None:
        self.home = home
        self.settings = Settings(home=home, port_base=base or port_base() - 10, gateway_port=9)
        self.images = ImageStore(home / "images")
        self.store = Store(home / "store.sqlite")
        self.mesh = Mesh()
        self.real_mesh: MeshSync | None = None
        self.sleeps = Sleeps()
        self.kubelet = Kubelet(self.store, self.settings, sleep=self.sleeps, names=False)
        self._tasks: list[asyncio.Task[None]] = []

    def build(self, dockerfile: str = DOCKERFILE, tag: str = IMAGE, **files: str) -> str:
        context = self.home / "context"
        context.mkdir(exist_ok=True)
        (context / "app.py").write_text(APP)
        for name, text in files.items():
            (context / name).write_text(textwrap.dedent(text))
        (context / "Dockerfile").write_text(textwrap.dedent(dockerfile))
        return build(self.images, context, context / "Dockerfile", tag)

    def with_envoys(self) -> None:
        """Real Envoys beside the pods of the namespace."""
        parts.write_prometheus_config(self.settings)
        self.kubelet = Kubelet(self.store, self.settings, sleep=self.sleeps)
        self.real_mesh = MeshSync(self.settings, self.store, self.kubelet, Delivery(self.settings.xds_socket))
        if self.store.find("Namespace", None, NAMESPACE) is None:
            labels = {"istio-injection": "enabled"}
            self.create("Namespace", NAMESPACE, namespace=None, metadata={"labels": labels})

    @contextlib.asynccontextmanager
    async def running(self, *, stop: bool = True) -> AsyncIterator["Cluster"]:
        """With kubelet and controllers; at the end all pods are killed, if `stop`."""
        controllers = Controllers(self.store, self.kubelet.pod_endpoints)
        mesh = self.real_mesh or self.mesh
        self._tasks = [asyncio.create_task(self.kubelet.run(mesh)), asyncio.create_task(controllers.run())]
        if self.real_mesh is not None:
            self._tasks.append(asyncio.create_task(self.real_mesh.run()))
        if self.store.find("Namespace", None, NAMESPACE) is None:
            self.create("Namespace", NAMESPACE, version="v1", namespace=None)
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if stop:
                self.kill()
            self.store.close()

    def kill(self) -> None:
        processes.kill_marked(f"{self.home}:")
        assert processes.marked(f"{self.home}:") == []

    # -- objects --------------------------------------------------------------------------------------------------

    def create(
        self, kind: str, name: str, spec: Obj | None = None, *, version: str = "v1", namespace: str | None = NAMESPACE,
        **more: Any,
    ) -> Obj:  # fmt: skip
        meta: Obj = {"name": name, **more.pop("metadata", {})}
        if namespace:
            meta["namespace"] = namespace
        obj: Obj = {"apiVersion": version, "kind": kind, "metadata": meta, **more}
        if spec is not None:
            obj["spec"] = spec
        return self.store.create(obj)

    def pod(self, name: str = "p", *, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
        return self.create("Pod", name, pod_spec(**spec), metadata={"labels": labels or {"app": name}})

    def deployment(self, name: str = "app", replicas: int = 1, **more: Any) -> Obj:
        labels = {"app": name}
        strategy = more.pop("strategy", {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
        template = {"metadata": {"labels": labels}, "spec": pod_spec(**more)}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "strategy": strategy, "template": template}
        return self.create("Deployment", name, spec, version="apps/v1")

    def get(self, kind: str, name: str) -> Obj:
        return self.store.get(kind, NAMESPACE, name)

    def pods(self) -> list[Obj]:
        return self.store.list("Pod", NAMESPACE)

    def status(self, name: str = "p", container: int = 0) -> Obj:
        found = (self.get("Pod", name).get("status") or {}).get("containerStatuses") or [{}] * (container + 1)
        return dict(found[container])

    def delete(self, name: str, grace: int = 20) -> None:
        def mark(pod: Obj) -> None:
            pod["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=grace)

        self.store.modify("Pod", NAMESPACE, name, mark)

    def scale(self, name: str, replicas: int) -> None:
        self.store.modify("Deployment", NAMESPACE, name, lambda obj: obj["spec"].update(replicas=replicas))

    def reasons(self, name: str) -> list[str]:
        events = [event for event in self.store.list("Event", NAMESPACE) if event["involvedObject"]["name"] == name]
        return [event["reason"] for event in events]

    def failures(self, name: str = "p") -> list[str]:
        """What its Failed events say."""
        events = [event for event in self.store.list("Event", NAMESPACE) if event["involvedObject"]["name"] == name]
        return [event["message"] for event in events if event["reason"] == "Failed"]

    def folder(self, name: str = "p") -> Path:
        return self.home / "pods" / str(self.get("Pod", name)["metadata"]["uid"])

    def log(self, name: str = "p", container: str = "app", *, previous: bool = False) -> str:
        return self.kubelet.log_file(self.get("Pod", name), container, previous).read_text()

    # -- waiting --------------------------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], Any], what: str = "", seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                events = [f"{e['involvedObject']['name']}: {e['message']}" for e in self.store.list("Event")]
                raise AssertionError(f"waited in vain for {what}\n{self.pods()}\n" + "\n".join(events))
            await asyncio.sleep(0.01)

    async def until_ready(self, name: str = "p") -> None:
        await self.until(lambda: is_ready(self.get("Pod", name)), f"pod {name} to be ready")

    async def until_restarted(self, count: int, name: str = "p") -> None:
        await self.until(lambda: self.status(name).get("restartCount") == count, f"restart {count} of {name}")

    async def until_waiting(self, reason: str, name: str = "p") -> None:
        await self.until(
            lambda: self.status(name).get("state", {}).get("waiting", {}).get("reason") == reason, f"{name}: {reason}"
        )

    async def until_gone(self, name: str = "p") -> None:
        await self.until(lambda: self.store.find("Pod", NAMESPACE, name) is None, f"pod {name} to be gone")

    async def until_phase(self, phase: str, name: str = "p") -> None:
        await self.until(lambda: self.get("Pod", name).get("status", {}).get("phase") == phase, f"{name} {phase}")

    async def until_rolled_out(self, name: str = "app") -> None:
        def done() -> bool:
            deployment = self.get("Deployment", name)
            status, wanted = deployment.get("status") or {}, deployment["spec"]["replicas"]
            counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
            current = status.get("observedGeneration") == deployment["metadata"]["generation"]
            pods = self.store.list("Pod", NAMESPACE, deployment["spec"]["selector"]["matchLabels"])
            return current and counts == [wanted] * 3 and len(pods) == wanted

        await self.until(done, f"Deployment {name} to be rolled out")

    def port(self, name: str, container_port: int = 8000) -> int:
        return next(entry.ports[container_port] for entry in self.kubelet.pod_endpoints() if entry.name == name)

    async def ask(self, name: str = "p", path: str = "/") -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port(name)}{path}") as response,
        ):
            return response.status, await response.text()

    async def crash(self, name: str = "p", code: int = 1) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            await self.ask(name, f"/exit/{code}")


def pod_spec(**more: Any) -> Obj:
    """One container `app`; keywords that are a container's go there, `env` may be a plain mapping."""
    container: Obj = {
        "name": "app",
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/unready", "port": "http"}, "periodSeconds": 1},
    }
    for field in ("image", "command", "args", "ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle",
                  "volumeMounts", "imagePullPolicy", "envFrom", "workingDir", "terminationMessagePolicy"):  # fmt: skip
        if field in more:
            container[field] = more.pop(field)
    env = more.pop("env", {})
    container["env"] = [{"name": key, "value": value} for key, value in env.items()] if isinstance(env, dict) else env
    more.setdefault("terminationGracePeriodSeconds", 20)
    return {"containers": [container, *more.pop("containers", ())], **more}


def live(test: Callable[[Cluster], Any]) -> Callable[[Cluster], None]:
    """A test as a coroutine, with the cluster running."""

    def run(cluster: Cluster) -> None:
        async def inside() -> None:
            async with cluster.running():
                await test(cluster)

        asyncio.run(inside())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def names(pods: list[Obj]) -> set[str]:
    return {name_of(pod) for pod in pods}
