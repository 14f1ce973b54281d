"""One pod: its ports, volumes and containers, from the first sight of it until nothing is left.

Start: volumes, Envoy (until it has its configuration), init containers, containers; ready when all of them are and
every Envoy of the cluster knows. Stop: out of the endpoints of every Envoy, then preStop, SIGTERM, and the Envoy last.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pocket import kubeconfig
from pocket.files import write_private
from pocket.images.store import Config, ImageStore
from pocket.kubelet import inject, times, volumes
from pocket.kubelet.container import Container, Sleep
from pocket.kubelet.environment import ConfigError
from pocket.kubelet.events import EventRecorder
from pocket.kubelet.folders import folder_of, mark_of, remove_folder
from pocket.kubelet.network import Addresses, Network
from pocket.kubelet.proxy import MeshPort, ProxyContainer, is_proxy
from pocket.kubelet.records import PodRecord
from pocket.kubelet.status import ContainerStatus, pod_status, waiting
from pocket.mesh.model import PodEndpoint, Proxy
from pocket.objects import (
    TERMINAL,
    Obj,
    condition,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from pocket.ports import NoFreePort, PortPool
from pocket.settings import NODE, Settings
from pocket.sockets import Address
from pocket.store import NotFound, Store, now
from pocket.tokens import LONG, Tokens

_LOG = logging.getLogger(__name__)

LISTENS = "io.c756.listens"
"""The label of images whose program can listen on something else than a port: `unix`, where HOST is `unix:PATH`."""

_RETRY = 10.0  # seconds after a failure of our own (a full disk, no port)
_DEFAULT_GRACE = 30.0  # seconds, as Kubernetes
_PROXY_GRACE = 5.0  # seconds for an Envoy, after its application has ended


@dataclass(frozen=True)
class Shared:
    """What all pods of one kubelet have in common."""

    store: Store
    settings: Settings
    mesh: MeshPort
    images: ImageStore
    ports: PortPool
    events: EventRecorder
    sleep: Sleep
    addresses: Addresses
    names: bool  # pods without a sidecar find Services by name


class PodWorker:
    """Runs one pod. `run` ends when the pod is gone; cancelling it leaves the processes running."""

    def __init__(self, shared: Shared, pod: Obj, record: PodRecord | None) -> None:
        self._shared = shared
        self.uid = uid_of(pod)
        self.folder = folder_of(shared.settings, self.uid)
        self.adopted = record is not None
        self.record = record or PodRecord(self.uid, namespace_of(pod) or "", name_of(pod))
        self.network = Network(shared.store, shared.settings, shared.addresses, pod, self.record)
        self.events = shared.events
        self.images = shared.images
        self.sleep = shared.sleep
        self.changed = asyncio.Event()
        ready = condition(pod, "Ready")
        self.serving = self.adopted and ready is not None and ready["status"] == "True"  # others may send to it
        self._ready = self.serving  # ... and know that they may
        self._admitted = self.adopted  # what has a record has been injected, and stays as it is
        self._initialized = False
        self._phase: str | None = None
        self._reason = ("", "")
        self._dirty = asyncio.Event()
        self._stop = asyncio.Event()
        self._deadline = float("inf")
        self._stopping = False
        self.init: list[Container] = []
        self.apps: list[Container] = []
        self.proxy: ProxyContainer | None = None
        # What has ended keeps the status that it ended with.
        self._frozen = (pod.get("status") or {}).get("phase") in TERMINAL
        if self.adopted:
            self._build_containers()

    @property
    def pod(self) -> Obj:
        """Its present object."""
        return self.network.pod

    # -- Host, for the containers ---------------------------------------------------------------------------------

    def save(self) -> None:
        try:
            self.record.save(self.folder)
        except OSError as error:
            _LOG.warning("%s: its record cannot be written: %s", self.id, error)
            self._warn("FailedRecord", f"pocket cannot write down the state of the pod: {error}")

    def touch(self) -> None:
        self._dirty.set()

    def mark(self, container: str, attempt: int) -> str:
        return mark_of(self._shared.settings, self.record, container, attempt)

    def place(self, container: Obj, name_or_number: str | int) -> Address:
        return self.network.place(container, name_or_number)

    def environment(self, container: Obj, image: Config, workdir: Path) -> dict[str, str]:
        config = self.folder / "kubeconfig"
        more = {"KUBECONFIG": str(config)} if config.exists() else {}
        own = container.get("command") or container.get("args")  # then it is not the image's program that runs
        self.network.listen(container, image.labels.get(LISTENS) == "unix" and not own)
        return self.network.environment(container, image.env, more, workdir)

    # -- what others ask ------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Succeeded or failed: it is there to be looked at."""
        return self._frozen or self._phase is not None

    @property
    def id(self) -> str:
        return f"{self.record.namespace}/{self.record.name}"

    def container(self, name: str) -> Container:
        """Raises LookupError."""
        for container in self.containers():
            if container.name == name:
                return container
        raise LookupError(f'pod "{self.record.name}" has no container "{name}" (yet)')

    def containers(self) -> list[Container]:
        """All of them, as far as they have been made."""
        return [*self.apps, *self.init, *([self.proxy] if self.proxy else [])]

    def marks(self) -> dict[str, str]:
        """The marks of the containers that run now, by name."""
        return {
            part.name: self.mark(part.name, max(part.status.restarts, 0))
            for part in self.containers()
            if part.alive() and part.name != inject.SERVICES  # no container of the pod's: its memory is not the pod's
        }

    def endpoint(self) -> PodEndpoint:
        """The pod as others reach it."""
        return self.network.endpoint(self.serving)

    def running_proxy(self) -> Proxy | None:
        """Its Envoy, if it has one that runs."""
        return self._proxy() if self.proxy is not None and self.proxy.serving else None

    def refresh(self, pod: Obj) -> None:
        """The object has changed."""
        if int(pod["metadata"]["resourceVersion"]) >= int(self.pod["metadata"]["resourceVersion"]):
            self.network.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            grace = pod["metadata"].get("deletionGracePeriodSeconds")
            self.stop(_DEFAULT_GRACE if grace is None else float(grace))
        else:
            self._dirty.set()

    def stop(self, grace: float) -> None:
        """Take the pod down; may be called again with less time."""
        deadline = time.monotonic() + grace
        if deadline < self._deadline:
            self._deadline = deadline
            if self._stopping:
                asyncio.get_running_loop().call_later(grace, self._kill_containers)
        self._stop.set()

    def config_changed(self, kind: str, name: str) -> None:
        """A ConfigMap or Secret of the namespace has changed: volumes show it, and who waits for it goes on."""
        self.changed.set()
        if self.apps and volumes.uses(self.pod, kind, name):
            with contextlib.suppress(ConfigError, OSError):  # as Kubernetes: the old content stays
                self._prepare_volumes()

    def _proxy(self) -> Proxy:
        return self.network.proxy(self.folder / (inject.SERVICES if self.record.plain else inject.PROXY))

    # -- the life of a pod ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until the pod is gone."""
        tasks: list[asyncio.Task[None]] = []
        if not self._stop.is_set():  # else it was on its way out when the control process died
            tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._live_and_retry())]
        try:
            await self._stop.wait()
            await self._shut_down(*tasks)
        finally:
            await _cancel(*tasks)

    async def _live_and_retry(self) -> None:
        while True:
            try:
                await self._live()
                return
            except ConfigError as error:
                self._hold("CreateContainerConfigError", str(error))
            except (OSError, NoFreePort, sqlite3.Error) as error:
                self._hold("CreateContainerError", str(error))
            except Exception as error:
                _LOG.exception("%s: cannot be run", self.id)
                self._hold("CreateContainerError", f"{type(error).__name__}: {error}")
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), _RETRY)

    def _hold(self, reason: str, message: str) -> None:
        """It cannot go on for now: say so where people look."""
        self._warn("FailedMount" if reason == "CreateContainerConfigError" else "Failed", message)
        self._reason = (reason, message)
        self._dirty.set()

    async def _live(self) -> None:
        spec = self.pod["spec"]
        if self._frozen:
            return
        self._admit()
        self._take_ports()
        self._prepare_volumes()
        self._build_containers()
        self._reason = ("", "")
        self._dirty.set()
        deadline = spec.get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(self._remaining(float(deadline)) if deadline else None):
                await self._run_containers()
        except TimeoutError:
            self._reason = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            self._warn("DeadlineExceeded", self._reason[1])
            self._phase = "Failed"
            await self._stop_all(time.monotonic() + self.record.grace)
            self._dirty.set()

    async def _run_containers(self) -> None:
        background: list[asyncio.Task[int]] = []
        try:
            if self.proxy is not None:
                background.append(asyncio.create_task(self.proxy.run()))
                if self.network.mode == "gateway":
                    self._initialized = True
                    await asyncio.gather(*background)
                    return
                await self.proxy.running.wait()
            for container in self.init:
                if container.helper:
                    background.append(asyncio.create_task(container.run()))
                    await container.running.wait()
                elif await container.run() != 0:
                    self._phase = "Failed"  # run() gives up only where the pod's policy says Never
                    self._reason = ("", f"init container {container.name} failed")
                    break
            else:
                self._initialized = True
                self._dirty.set()
                codes = await _together([container.run() for container in self.apps])
                if not self._stopping:
                    self._phase = "Failed" if any(codes) else "Succeeded"
            if not self._stopping:
                await self._stop_helpers(time.monotonic() + self.record.grace)
                if background:  # their ends are noted before the pod's is
                    await asyncio.wait(background, timeout=_PROXY_GRACE)
                self._dirty.set()
        finally:
            await _cancel(*background)

    def _admit(self) -> None:
        """First sight: on which node it is, and with an Envoy in it where the namespace says so."""
        if self._admitted:
            return
        namespace = self._shared.store.find("Namespace", None, self.record.namespace)
        mode = inject.mode_of(self.pod, labels_of(namespace) if namespace else {})

        def bind(pod: Obj) -> None:
            changed = inject.injected(pod, mode)
            pod.update(changed)
            pod["spec"]["nodeName"] = NODE

        with contextlib.suppress(NotFound):
            self.network.pod = self._shared.store.modify("Pod", self.record.namespace, self.record.name, bind)
        self._admitted = True
        self.record.plain = self._shared.names and mode is None and self.record.namespace not in inject.NAMES_ONLY
        self.events.event(self.pod, "Normal", "Scheduled", f"Successfully assigned {self.id} to {NODE}")

    def _take_ports(self) -> None:
        """Once, and written down."""
        grace = self.pod["spec"].get("terminationGracePeriodSeconds")
        self.record.grace = _DEFAULT_GRACE if grace is None else float(grace)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.network.allocate(self._shared.ports)
        self.record.save(self.folder)

    def _prepare_volumes(self) -> None:
        account = self._account()
        volumes.prepare(self.pod, self.folder / ".volumes", self._shared.store.find, account)
        if account:
            config = kubeconfig.with_context(
                {}, self._shared.settings.api_url, account["ca.crt"], account["token"].decode()
            )
            config["contexts"][0]["context"]["namespace"] = self.record.namespace
            write_private(self.folder / "kubeconfig", yaml.safe_dump(config, sort_keys=False).encode())

    def _account(self) -> dict[str, bytes]:
        """What a client inside the pod needs to speak with the API; nothing where the pod does not want it."""
        settings = self._shared.settings
        if self.pod["spec"].get("automountServiceAccountToken") is False:
            return {}
        authority = settings.tls / "ca.crt"
        name = self.pod["spec"].get("serviceAccountName") or "default"
        account = self._shared.store.find("ServiceAccount", self.record.namespace, name)
        if account is None or not authority.exists():
            return {}  # a kubelet without API server
        token, _ = Tokens(settings.account_key).issue(account, LONG, pod=(self.record.name, self.record.uid))
        return {
            "token": token.encode(),
            "ca.crt": authority.read_bytes(),
            "namespace": self.record.namespace.encode(),
        }

    def _build_containers(self) -> None:
        if self.apps or self.proxy:
            return
        policy = str(self.pod["spec"].get("restartPolicy") or "Always")
        for spec in self.pod["spec"]["containers"]:
            if inject.is_injected(self.pod) and is_proxy(spec):
                self.proxy = ProxyContainer(self, spec, self._shared.mesh, self._proxy, "Always")
            else:
                self.apps.append(Container(self, spec, policy))
        if self.network.mode == "plain":
            self.proxy = ProxyContainer(self, {"name": inject.SERVICES}, self._shared.mesh, self._proxy, "Always")
        for spec in self.pod["spec"].get("initContainers") or ():
            own = "Always" if spec.get("restartPolicy") == "Always" else "Never" if policy == "Never" else "OnFailure"
            self.init.append(Container(self, spec, own, init=True))
        self._initialized = any(app.begun for app in self.apps)

    def _remaining(self, seconds: float) -> float:
        """Of a time that counts from the pod's start."""
        return max(seconds - times.age((self.pod.get("status") or {}).get("startTime") or ""), 0.1)

    # -- stopping -------------------------------------------------------------------------------------------------

    async def _shut_down(self, publisher: asyncio.Task[None] | None = None, *life: asyncio.Task[None]) -> None:
        self._stopping = True
        self._build_containers()
        if publisher is not None:
            await _cancel(publisher)
        if self.serving:
            self.serving = self._ready = False
            self._announce()
            await self._sync()
        await self._stop_all(self._deadline)
        await _cancel(*life)
        self._kill_containers()
        self._announce()
        await asyncio.to_thread(remove_folder, self.folder)
        self._shared.ports.release(self.record.ports())
        try:
            stored = self._shared.store.get("Pod", self.record.namespace, self.record.name)
            if uid_of(stored) == self.uid:
                self._shared.store.delete("Pod", self.record.namespace, self.record.name)
        except NotFound:
            pass  # it was taken away by force, or with its namespace

    async def _stop_all(self, deadline: float) -> None:
        """The applications, then what helps them."""
        if self.proxy is not None:
            if self.network.mode == "gateway":
                await self.proxy.drain(deadline)
            elif self.network.mode == "sidecar":
                await self.proxy.quiet(max(min(2.0, deadline - time.monotonic()), 0))
        helpers = [container for container in self.init if container.helper]
        first = [container for container in [*self.apps, *self.init] if container not in helpers]
        await asyncio.gather(*(container.stop(deadline) for container in first))
        await self._stop_helpers(deadline)
        self._kill_containers()

    async def _stop_helpers(self, deadline: float) -> None:
        """Native sidecars in reverse order, then the Envoy."""
        for container in reversed(self.init):
            if container.helper:
                await container.stop(deadline)
        if self.proxy is not None:
            await self.proxy.stop(max(deadline, time.monotonic() + _PROXY_GRACE))

    def _kill_containers(self) -> None:
        for container in self.containers():
            container.kill()

    # -- status ---------------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        """Write the status when something has changed; ready only after every Envoy knows the pod."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            want = self._all_ready()
            if want and not self.serving:
                self.serving = True
                self._announce()  # containers are ready, the pod is not yet
                await self._sync()
                self._ready = self._all_ready()
            elif not want and self.serving:
                self.serving = self._ready = False
                self._announce()
                await self._sync()
            self._announce()

    def _all_ready(self) -> bool:
        parts = [*self.apps, *([self.proxy] if self.proxy else [])]
        parts += [container for container in self.init if container.helper]
        return bool(parts) and not self._stopping and self._phase is None and all(part.status.ready for part in parts)

    async def _sync(self) -> None:
        try:
            await self._shared.mesh.sync()
        except Exception as error:
            _LOG.exception("%s: the mesh did not take the change", self.id)
            self._warn("MeshNotInSync", f"not every Envoy has acknowledged the change: {error}")

    def _announce(self) -> None:
        """Write the status, as far as it has changed."""
        if self._frozen:
            return

        def change(pod: Obj) -> None:
            if uid_of(pod) != self.uid:
                raise NotFound("it is another pod of that name")
            pod["status"] = pod_status(
                pod,
                init=self._statuses(pod, "initContainers", self.init),
                containers=self._statuses(pod, "containers", [*self.apps, *([self.proxy] if self.proxy else [])]),
                initialized=self._initialized,
                ready=self._ready,
                phase=self._phase,
                time=now(),
                reason=self._reason[0] if self._phase == "Failed" else "",
                message=self._reason[1] if self._phase == "Failed" else "",
            )

        try:
            self.network.pod = self._shared.store.modify("Pod", self.record.namespace, self.record.name, change)
        except NotFound:
            pass  # gone: the kubelet hears of it and stops this worker
        except sqlite3.Error as error:
            _LOG.error("%s: its status cannot be stored: %s", self.id, error)
            asyncio.get_running_loop().call_later(_RETRY, self._dirty.set)

    def _statuses(self, pod: Obj, field: str, containers: Sequence[Container]) -> list[ContainerStatus]:
        by_name = {container.name: container.status for container in containers}
        found = []
        for spec in pod["spec"].get(field) or ():
            status = by_name.get(spec["name"])
            if status is None:
                status = ContainerStatus(spec["name"], str(spec.get("image") or ""))
            if self._reason[0] and "waiting" in status.state and self._phase is None:
                status.state = waiting(*self._reason)
            elif not self._initialized and field == "containers" and "waiting" in status.state and self.init:
                status.state = waiting("PodInitializing")
            found.append(status)
        return found

    def _warn(self, reason: str, message: str) -> None:
        self.events.event(self.pod, "Warning", reason, message)

async def _together(runs: Sequence[Coroutine[None, None, int]]) -> list[int]:
    """Wait for all; when one fails, the others are cancelled, so that a new attempt does not run beside them."""
    tasks = [asyncio.ensure_future(run) for run in runs]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await _cancel(*tasks)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
