"""The kubelet: gives every pod of the store a worker, and answers who asks about running pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import sqlite3
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from pocket import logtimes, processes, standins
from pocket.api.bootstrap import complete
from pocket.api.contracts import ExecContext, Figures
from pocket.images.store import ImageStore
from pocket.kinds.podspec import GRACE
from pocket.kubelet import events, inject, records, scheduling
from pocket.kubelet.container import Sleep
from pocket.kubelet.events import EventRecorder
from pocket.kubelet.folders import folder_of, remove_folder
from pocket.kubelet.pod import PodWorker, Shared
from pocket.kubelet.proxy import MeshPort
from pocket.kubelet.usage import Meter
from pocket.mesh.model import LOCALHOST, PodEndpoint, Proxy
from pocket.objects import Obj, kind_of, labels_of, matches, name_of, namespace_of, uid_of
from pocket.ports import PortPool
from pocket.settings import NODE, Settings
from pocket.sockets import Address
from pocket.store import Event, NotFound, Store, now

_LOG = logging.getLogger(__name__)

LOG_LIMIT = 8 << 20
"""Bytes of one container's log before it is rotated; one older piece is kept."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ROTATE_EVERY = 10.0  # seconds
_FORGET_EVERY = 300.0  # seconds
_FORCED_GRACE = 2.0  # seconds for a pod whose object was taken away (Kubernetes gives a deleted pod at least 2)


class Kubelet:
    """All pods of one pocket. Construct it, hand it to the mesh, then `run(mesh)`."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        images: ImageStore | None = None,
        *,
        sleep: Sleep = asyncio.sleep,
        names: bool = True,
    ) -> None:
        """`names`: pods without a sidecar find Services by name, as with kube-proxy; each has an Envoy for it."""
        self._store = store
        self._settings = settings
        self._images = images or ImageStore(settings.home / "images")
        ports = settings.pod_ports
        self._ports = PortPool(ports.start, len(ports))
        self._events = EventRecorder(store, "kubelet", NODE)
        self._scheduler = EventRecorder(store, "default-scheduler")
        self._leaving: dict[str, asyncio.TimerHandle] = {}  # pods that a taint drives out, by uid
        self._sleep = sleep
        self._names = names
        self._meter = Meter(f"{settings.home}:pod/")
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._heard: asyncio.Queue[Event] = asyncio.Queue()
        self._shared: Shared | None = None
        store.listen(self._hear)

    # -- for the mesh ---------------------------------------------------------------------------------------------

    def proxies(self) -> list[Proxy]:
        """Every Envoy that runs now."""
        found = [worker.running_proxy() for worker in self._workers.values()]
        return [proxy for proxy in found if proxy is not None]

    def pod_endpoints(self) -> list[PodEndpoint]:
        """Every pod that runs now, ready or not."""
        running = [worker.endpoint() for worker in self._workers.values() if not worker.ended]
        known = [standins.find(self._settings, pod) for pod in self._store.list("Pod", standins.NAMESPACE)]
        return running + [standins.endpoint(entry) for entry in known if entry is not None]

    # -- PodRuntime, for the API server ---------------------------------------------------------------------------

    def log_file(self, pod: Obj, container: str, previous: bool) -> Path:
        """The log of a container's present run, or of the one before; the file need not exist."""
        if other := standins.find(self._settings, pod):
            return other.log
        try:
            return self._worker(pod).container(container).log_file(previous)
        except LookupError:
            return folder_of(self._settings, uid_of(pod)) / container / "0.log"

    def exec_context(self, pod: Obj, container: str) -> ExecContext:
        """Where and how commands run in a container. Raises LookupError where it does not run."""
        found = self._worker(pod).container(container)
        try:
            launch = found.launched()
        except (OSError, ValueError) as error:
            raise LookupError(f'container "{container}" of pod "{name_of(pod)}" has not been started yet') from error
        mark = self._worker(pod).mark(container, max(found.status.restarts, 0))
        return ExecContext(launch.cwd, {**launch.env, processes.MARK: mark}, found.rootfs)

    def port_address(self, pod: Obj, port: int) -> Address:
        """Where what a pod calls its `port` is to be reached. Raises LookupError where it does not run or has none."""
        if other := standins.find(self._settings, pod):
            return other.addresses[port]
        worker = self._worker(pod)
        return worker.network.address(port, worker.folder / inject.PROXY)

    async def usage(self, pods: Sequence[Obj]) -> dict[str, Figures]:
        """What the running containers of these pods use, by the pod's uid."""
        wanted = {uid: worker.marks() for pod in pods if (worker := self._workers.get(uid := uid_of(pod)))}
        return await asyncio.to_thread(self._meter.pods, wanted)

    def machine_usage(self) -> Figures | None:
        """What the whole machine uses, whoever does."""
        return self._meter.machine()

    # -- running --------------------------------------------------------------------------------------------------

    async def run(self, mesh: MeshPort) -> None:
        """Take over what runs, then follow the store, without end. Cancelling leaves all pods running."""
        self._shared = Shared(
            self._store, self._settings, mesh, self._images, self._ports, self._events, self._sleep, self._address,
            self._names,
        )  # fmt: skip
        self._take_over()
        helpers = [asyncio.create_task(helper) for helper in self._helpers()]
        try:
            while True:
                event = await self._heard.get()
                try:
                    self._follow(event)
                except Exception:
                    _LOG.exception("%s %s: cannot be followed", event.type, name_of(event.object))
        finally:
            tasks = [*helpers, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _helpers(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return self._rotate(), self._note_logs(), self._forget(), self._meter.run()

    def _hear(self, event: Event) -> None:
        if kind_of(event.object) in ("Pod", "Secret", "ConfigMap", "Node"):
            self._heard.put_nowait(event)

    def _take_over(self) -> None:
        """Adopt the pods that an earlier control process started; remove what belongs to none."""
        self._settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        pods = {uid_of(pod): pod for pod in self._store.list("Pod")}
        found: dict[str, records.PodRecord] = {}
        root = self._settings.home / "pods"
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            record = records.load(folder)
            if record is not None and folder.name in pods:
                found[folder.name] = record
                self._ports.reserve(record.ports())
        # By mark, not by record: a process may have been started just before the record was to be written.
        short = {f"#{uid[:8]}." for uid in found}
        prefix = f"{self._settings.home}:pod/"
        stray = [mark for _, mark in processes.marked(prefix) if not any(part in mark for part in short)]
        for mark in sorted(set(stray)):
            _LOG.warning("%s: left over from a pod that is gone; killed", mark.removeprefix(prefix))
            processes.kill_marked(mark)
        for folder in sorted(root.iterdir()) if root.is_dir() else ():
            if folder.name not in found:
                remove_folder(folder)
        for uid, pod in pods.items():
            if uid in found:
                self._begin(pod, found[uid])
            else:
                self._schedule(pod)

    def _begin(self, pod: Obj, record: records.PodRecord | None = None) -> None:
        assert self._shared is not None  # noqa: S101  (run() has set it)
        if standins.find(self._settings, pod):
            return  # it runs already
        uid = uid_of(pod)
        worker = PodWorker(self._shared, pod, record)
        self._workers[uid] = worker
        self._tasks[uid] = asyncio.create_task(self._work(uid, worker))
        worker.refresh(pod)  # it may be on its way out already

    async def _work(self, uid: str, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            _LOG.exception("%s: its worker failed; it is started anew", worker.id)
            await asyncio.sleep(_FORCED_GRACE)
            pod = self._store.find("Pod", worker.record.namespace, worker.record.name)
            if pod is not None and uid_of(pod) == uid:
                self._begin(pod, records.load(worker.folder))
                return
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        if self._shared is not None:
            with contextlib.suppress(Exception):  # told by the one that did the pushing
                await self._shared.mesh.sync()

    def _follow(self, event: Event) -> None:
        obj = event.object
        if kind_of(obj) == "Node":
            self._reschedule(obj)
            return
        if kind_of(obj) != "Pod":
            for worker in self._workers.values():
                if worker.record.namespace == namespace_of(obj):
                    worker.config_changed(kind_of(obj), name_of(obj))
            return
        known = self._workers.get(uid_of(obj))
        if event.type == "DELETED":
            if known is not None:
                known.stop(_FORCED_GRACE)
            elif entry := standins.find(self._settings, obj):  # what it stands for goes on
                namespace = self._store.find("Namespace", None, standins.NAMESPACE)
                if namespace is not None and not namespace["metadata"].get("deletionTimestamp"):
                    self._store.create(complete(self._store, standins.pod(entry)))
        elif known is not None:
            known.refresh(obj)
        elif event.type == "ADDED":
            self._schedule(obj)

    def _schedule(self, pod: Obj) -> None:
        """Begin with a pod, or say why it has to wait: the node is cordoned, or has a taint."""
        node = self._store.find("Node", None, NODE)
        bound = pod["spec"].get("nodeName")
        if why := "" if bound or node is None else scheduling.objection(node, pod):
            self._scheduler.event(pod, "Warning", "FailedScheduling", why)
            with contextlib.suppress(NotFound):
                self._store.modify("Pod", namespace_of(pod), name_of(pod), lambda stored: _wait(stored, why))
            return
        self._begin(pod)

    def _reschedule(self, node: Obj) -> None:
        """The node has changed: who waited for it begins, and who must not stay (NoExecute) goes."""
        for pod in self._store.list("Pod"):
            uid = uid_of(pod)
            if uid not in self._workers:
                if not pod["spec"].get("nodeName") and not scheduling.objection(node, pod):
                    self._begin(pod)
                continue
            left = scheduling.stay(node, pod)
            if left is None and uid in self._leaving:
                self._leaving.pop(uid).cancel()
            elif left is not None and uid not in self._leaving and not pod["metadata"].get("deletionTimestamp"):
                self._leaving[uid] = asyncio.get_running_loop().call_later(left, self._evict, pod)

    def _evict(self, pod: Obj) -> None:
        self._leaving.pop(uid_of(pod), None)
        self._scheduler.event(pod, "Normal", "TaintManagerEviction", "Marking for deletion Pod " + name_of(pod))
        grace = int(pod["spec"].get("terminationGracePeriodSeconds", GRACE))

        def mark(stored: Obj) -> None:
            stored["metadata"].setdefault("deletionTimestamp", now())
            stored["metadata"].setdefault("deletionGracePeriodSeconds", grace)

        with contextlib.suppress(NotFound):
            self._store.modify("Pod", namespace_of(pod), name_of(pod), mark)

    def _worker(self, pod: Obj) -> PodWorker:
        worker = self._workers.get(uid_of(pod))
        if worker is None:
            raise LookupError(f'pod "{name_of(pod)}" does not run')
        return worker

    def _address(self, service: Obj, port: int) -> tuple[str, int] | None:
        """Where a pod without sidecar reaches a Service's port: there is no kube-proxy, so at an endpoint."""
        entry = next(item for item in service["spec"]["ports"] if int(item["port"]) == port)
        if entry.get("nodePort"):
            return LOCALHOST, int(entry["nodePort"])
        selector = service["spec"].get("selector")
        if not selector:
            manual = self._store.find("Endpoints", namespace_of(service), name_of(service))
            return manual_address(manual, entry.get("name")) if manual else None
        target = entry.get("targetPort") or port
        for worker in self._workers.values():
            endpoint = worker.endpoint()
            if endpoint.namespace != namespace_of(service) or not matches(selector, labels_of(worker.pod)):
                continue
            number = endpoint.port_names.get(target) if isinstance(target, str) else int(target)
            if number is not None and number in endpoint.ports and number not in endpoint.sockets:
                return endpoint.address, endpoint.ports[number]
        return None

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_EVERY)
            self.rotate_logs()

    def rotate_logs(self, limit: int = LOG_LIMIT) -> None:
        """Shorten the containers' logs that are longer than `limit` bytes."""
        for worker in self._workers.values():
            for log in worker.folder.glob("*/*.log"):
                try:
                    if processes.rotate(log, limit):
                        logtimes.begin(log)
                except OSError as error:
                    _LOG.warning("%s: cannot be rotated: %s", log, error)

    async def _note_logs(self) -> None:
        """Note how the logs grow, so that their lines have times."""
        failing = False
        while True:
            before, failing = failing, False
            for worker in list(self._workers.values()):
                for container in worker.containers():
                    try:
                        container.note_log()
                    except OSError as error:  # a full disk: the next look notes it
                        failing = True
                        if not before:
                            _LOG.warning("%s: the times of log lines cannot be noted: %s", worker.id, error)
            await asyncio.sleep(logtimes.LOOK)

    async def _forget(self) -> None:
        while True:
            try:
                events.forget_old(self._store)
                await asyncio.to_thread(self._images.prune, self._images_in_use())
            except (sqlite3.Error, OSError) as error:
                _LOG.error("old events and images cannot be removed: %s", error)
            await asyncio.sleep(_FORGET_EVERY)

    def _images_in_use(self) -> set[str]:
        """Digests that a pod runs, or that an object names: a rollback may come back to those."""
        used = {
            container.digest for worker in self._workers.values() for container in worker.record.containers.values()
        }
        for kind in ("Deployment", "ReplicaSet", "Job", "Pod"):
            used.update(_DIGEST.findall(json.dumps([obj["spec"] for obj in self._store.list(kind)])))
        return used


def _wait(pod: Obj, why: str) -> None:
    """Write into its status why a pod is not scheduled."""
    entry = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
    status = pod.setdefault("status", {})
    status["phase"] = "Pending"
    before = status.get("conditions") or []
    if not any(old["type"] == "PodScheduled" and old.get("message") == why for old in before):
        others = [old for old in before if old["type"] != "PodScheduled"]
        status["conditions"] = [*others, {**entry, "lastTransitionTime": now()}]


def manual_address(endpoints: Obj, port_name: str | None) -> tuple[str, int] | None:
    """The first address of an Endpoints object that somebody wrote."""
    for subset in endpoints.get("subsets") or ():
        for address in subset.get("addresses") or ():
            for port in subset.get("ports") or ():
                if port_name in (None, port.get("name")):
                    return str(address["ip"]), int(port["port"])
    return None
