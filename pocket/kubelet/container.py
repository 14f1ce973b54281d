"""One container: its own copy of the image, its process, its probes, its restarts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from c756 import symptoms
from pocket import logtimes, processes
from pocket.files import Outside, within, write_private
from pocket.images.store import Config, ImageStore, ImageUnknown
from pocket.kubelet import probes, times, volumes
from pocket.kubelet.environment import ConfigError, command_of
from pocket.kubelet.events import EventRecorder
from pocket.kubelet.records import ContainerRecord, PodRecord
from pocket.kubelet.restart import RESET_AFTER, BackOff, starts_again
from pocket.kubelet.status import ContainerStatus, waiting
from pocket.objects import Obj, name_of, namespace_of, uid_of
from pocket.ports import NoFreePort
from pocket.processes import ProcessError
from pocket.rootfs import inside
from pocket.sockets import Address
from pocket.store import now

_LOG = logging.getLogger(__name__)

_CONFIG_RETRY = 10.0  # seconds; sooner when a Secret or ConfigMap changes
_IMAGE_LOOK = 1.0  # seconds between looks whether a missing image has been built
_LAST_WORDS = 2048  # bytes of log in a termination message
_LOG_END = 64 << 10  # bytes of log in which the reason of a crash is looked for
_AFTER_PRESTOP = 2.0  # seconds that a container gets for SIGTERM even if preStop took all the time (as Kubernetes)
_START_ERROR = 128  # exit code of a container that could not be started (as containerd)

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Launch:
    """What to start."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


class Host(Protocol):
    """The pod, as its containers see it."""

    folder: Path
    record: PodRecord
    events: EventRecorder
    images: ImageStore
    sleep: Sleep
    changed: asyncio.Event  # something that a container waits for (Secret, ConfigMap) may be there now

    @property
    def pod(self) -> Obj: ...

    def save(self) -> None:
        """Write the record; a failure is told, not raised."""

    def touch(self) -> None:
        """The pod's status is to be published."""

    def mark(self, container: str, attempt: int) -> str: ...

    def place(self, container: Obj, name_or_number: str | int) -> Address:
        """Where a port of the container really is. Raises ValueError."""

    def environment(self, container: Obj, image: Config, workdir: Path) -> dict[str, str]:
        """For a start in the folder `workdir`. Raises ConfigError."""


class Container:
    """Runs one container of a pod until it has ended for good."""

    reset_after = RESET_AFTER

    def __init__(self, host: Host, spec: Obj, policy: str, *, init: bool = False) -> None:
        self.spec = spec
        self.name = str(spec["name"])
        self.init = init
        self.stopping = False
        self._host = host
        self._policy = policy
        self._record = host.record.containers.setdefault(self.name, ContainerRecord())
        self._noter: logtimes.Noter | None = None
        self._killer: asyncio.Task[None] | None = None
        self._monotonic = time.monotonic()
        self.running = asyncio.Event()  # up, and past its startup probe
        self.status = ContainerStatus(self.name, str(spec.get("image") or ""))
        self._restore()

    # -- what the pod does with it --------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self._host.folder / self.name

    @property
    def rootfs(self) -> Path:
        return self.folder / "rootfs"

    @property
    def finished(self) -> bool:
        return self._record.finished

    @property
    def begun(self) -> bool:
        """Has it been started at least once?"""
        return self._record.attempt >= 0

    @property
    def helper(self) -> bool:
        """A native sidecar: an init container that runs along
        (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/)."""
        return self.init and self._policy == "Always"

    @property
    def exit_code(self) -> int:
        return int((self._record.terminated or {}).get("exitCode", 0))

    @property
    def grace(self) -> float:
        return self._host.record.grace

    def log_file(self, previous: bool = False) -> Path:
        """The log of the present start, or of the one before."""
        return self.folder / f"{max(self._record.attempt, 0) - (1 if previous else 0)}.log"

    def note_log(self) -> None:
        """Note how far the log has come by now, for `kubectl logs --since`. Raises OSError."""
        if not self.begun:
            return
        log = self.log_file()
        if self._noter is None or self._noter.log != log:
            self._noter = logtimes.Noter(log)
        self._noter.look()

    def alive(self) -> bool:
        process = self._record.process
        return process is not None and processes.is_alive(process)

    async def run(self) -> int:
        """Until it will not be started again; the last exit code. Cancelling leaves the process running."""
        back_off = BackOff(self.reset_after)
        while not self._record.finished:
            if self._record.process is None and not self.stopping:
                await self._start()
            ran = await self._until_end()
            if self.stopping or not starts_again(self._policy, self.exit_code):
                self._record.finished = True
                self._host.save()
                break
            delay = back_off.after(ran)
            if delay > 0:
                self._wait_state(
                    "CrashLoopBackOff",
                    f"back-off {_minutes(delay)} restarting failed container={self.name} pod={self._pod_name()}",
                )
                self._event(
                    "Warning",
                    "BackOff",
                    f"Back-off restarting failed container {self.name} in pod {self._pod_name()}",
                )
                await self._host.sleep(delay)
        return self.exit_code

    async def stop(self, deadline: float) -> None:
        """preStop, SIGTERM, and at `deadline` (time.monotonic) SIGKILL; not started again."""
        self.stopping = True
        process = self._record.process
        if process is None or not processes.is_alive(process):
            return
        self._event("Normal", "Killing", f"Stopping container {self.name}")
        await self._end(deadline)

    def kill(self) -> None:
        """At once."""
        self.stopping = True
        if self._record.process is not None:
            processes.kill(self._record.process)

    def launched(self) -> Launch:
        """How the running process was started. Raises FileNotFoundError where there was no start."""
        data = json.loads((self.folder / "launch.json").read_text())
        return Launch(data["argv"], Path(data["cwd"]), data["env"])

    # -- Target of probes -----------------------------------------------------------------------------------------

    def place(self, name_or_number: str | int) -> Address:
        return self._host.place(self.spec, name_or_number)

    async def execute(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command beside the container's process; its exit code and output (both streams)."""
        launch = self.launched()
        argv = [inside(self.rootfs, word) for word in command]
        if not argv:
            raise ValueError("the command is empty")
        mark = self._host.mark(self.name, self._record.attempt)
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=launch.cwd,
            env={**launch.env, processes.MARK: mark},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await child.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # what it left behind; at a timeout, the command itself
        return child.returncode or 0, output.decode(errors="replace").strip()

    # -- starting -------------------------------------------------------------------------------------------------

    async def _prepare(self) -> Launch:
        """The copy of the image and all that belongs to it. Raises ImageUnknown, ConfigError, OSError."""
        host, record = self._host, self._record
        image = str(self.spec.get("image") or "")
        if not record.digest or self.spec.get("imagePullPolicy") == "Always":
            record.digest = host.images.resolve(image)
        try:
            config = host.images.config(record.digest)
        except ImageUnknown:
            record.digest = host.images.resolve(image)
            config = host.images.config(record.digest)
        self.status.digest = record.digest
        self._event("Normal", "Pulled", f'Container image "{image}" already present on machine')
        await asyncio.to_thread(self._checkout, record.digest)
        volumes.mount(host.pod, self.spec, host.folder / ".volumes", self.rootfs)
        workdir = self._workdir(str(self.spec.get("workingDir") or config.workdir))
        env = host.environment(self.spec, config, workdir)
        env.update(self._own_folders())
        argv = command_of(self.spec, config.entrypoint, config.cmd, env)
        env = {name: inside(self.rootfs, value) for name, value in env.items()}
        return Launch([inside(self.rootfs, word) for word in argv], workdir, env)

    def _workdir(self, asked: str) -> Path:
        """The folder in which the process starts, made if it is not there. Raises ConfigError and OSError."""
        path = Path(f"{self.rootfs}{os.path.normpath(f'/{asked}')}")  # `..` ends at the root, as in a container
        try:
            within(self._host.folder, path).mkdir(parents=True, exist_ok=True)
        except Outside:
            raise ConfigError(f"workingDir {asked}: leads out of the pod") from None
        return path

    def _checkout(self, digest: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.folder / "rootfs.new"
        for old in (fresh, self.rootfs):
            if old.exists():
                shutil.rmtree(old)
        self._host.images.checkout(digest, fresh)
        fresh.rename(self.rootfs)

    def _own_folders(self) -> dict[str, str]:
        mounted = volumes.mounted_at(self.spec, "/tmp")  # noqa: S108  (the container's own)
        temporary = self._host.folder / ".volumes" / mounted["name"] if mounted else self.folder / "tmp"
        home = self.folder / "home"
        for folder in (temporary, home):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return {"TMPDIR": str(temporary), "HOME": str(home)}

    async def _start(self) -> None:
        """Have a process running, or a start that failed on record; waits as long as something is missing."""
        pulls = BackOff()
        pulls.after(0)
        while True:
            try:
                launch = await self._prepare()
                break
            except ImageUnknown as error:
                await self._without_image(error, pulls.after(0))
            except ConfigError as error:
                await self._missing("CreateContainerConfigError", error)
            except (OSError, NoFreePort) as error:
                await self._missing("CreateContainerError", error)
        if self.stopping:
            return
        record, host = self._record, self._host
        record.attempt += 1
        record.last, record.terminated = record.terminated or record.last, None
        record.started_at = now()
        host.save()  # before the process: if we die in between, its mark leads to it
        self._event("Normal", "Created", f"Created container: {self.name}")
        try:
            self._drop_old_logs()
            write_private(
                self.folder / "launch.json",
                json.dumps({"argv": list(launch.argv), "cwd": str(launch.cwd), "env": dict(launch.env)}).encode(),
            )
            logtimes.begin(self.log_file())
            record.process = processes.spawn(
                launch.argv,
                cwd=launch.cwd,
                env=launch.env,
                log=self.log_file(),
                name=host.mark(self.name, record.attempt),
                exit_file=self.folder / f"{record.attempt}.exit",
            )
        except (ProcessError, OSError) as error:
            self._event("Warning", "Failed", symptoms.with_cure(f"Error: {error}"))
            self._ended(_START_ERROR, "StartError", str(error))
            return
        host.save()
        self._event("Normal", "Started", f"Started container {self.name}")

    async def _without_image(self, error: ImageUnknown, delay: float) -> None:
        if self.spec.get("imagePullPolicy") == "Never":
            await self._missing("ErrImageNeverPull", error)
            return
        image = self.spec.get("image")
        self._event("Warning", "Failed", f'Failed to pull image "{image}": {error}')
        self._wait_state("ErrImagePull", str(error))
        self._event("Normal", "BackOff", f'Back-off pulling image "{image}"')
        end = time.monotonic() + delay
        while time.monotonic() < end:
            await self._host.sleep(_IMAGE_LOOK)
            try:
                self._host.images.resolve(str(image))
                return
            except ImageUnknown:
                self._wait_state("ImagePullBackOff", f'Back-off pulling image "{image}": {error}')

    async def _missing(self, reason: str, error: Exception) -> None:
        self._event("Warning", "Failed", symptoms.with_cure(f"Error: {error}"))
        self._wait_state(reason, str(error))
        self._host.changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._host.changed.wait(), _CONFIG_RETRY)

    def _drop_old_logs(self) -> None:
        """Of the starts before, only the last one's log is kept."""
        for path in self.folder.glob("[0-9]*.log*"):
            if int(path.name.partition(".")[0]) < self._record.attempt - 1:
                path.unlink()
        for path in self.folder.glob("*.exit"):
            if int(path.stem) < self._record.attempt:
                path.unlink()

    # -- running --------------------------------------------------------------------------------------------------

    async def _until_end(self) -> float:
        """Wait for the process, with its probes; note how it ended; returns for how many seconds it ran."""
        process = self._record.process
        if process is None:
            return 0.0
        self._monotonic = time.monotonic() - times.age(self._record.started_at)
        self._restore_states()
        self.status.container_id = f"pocket://{uid_of(self._host.pod)}/{self.name}/{self._record.attempt}"
        self.status.restarts = self._record.attempt
        self._host.touch()
        watching = asyncio.create_task(self._watch())
        try:
            code = await processes.wait(process)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        if self._killer is not None:
            self._killer.cancel()
            self._killer = None
        self._set_ready(False)  # first of all: until every Envoy knows, requests are sent to it in vain
        # What the main process left behind, as when its pid namespace ends. Looking for it takes a while.
        await asyncio.to_thread(processes.kill, process)
        self._ended(code, "Completed" if code == 0 else "Error", self._last_words(code))
        if code != 0 and not self.stopping:
            said = symptoms.reason_in(self._end_of_log())
            how = symptoms.crash(self._record.terminated or {}, 1, said)
            self._event("Warning", "Failed", symptoms.with_cure(f"Error: {how}"))
        return times.age(self._record.started_at)

    def _ended(self, code: int, reason: str, message: str = "") -> None:
        record = self._record
        try:
            self.note_log()
        except OSError as error:
            _LOG.warning("%s: the times of its last lines cannot be noted: %s", self._pod_name(), error)
        record.process = None
        record.terminated = {
            "exitCode": code,
            "reason": reason,
            "startedAt": record.started_at,
            "finishedAt": self._finished_at(),
            **({"message": message} if message else {}),
        }
        self._host.save()
        self.running.clear()
        self.status.ready = self.status.started = False
        self.status.restarts = max(record.attempt, 0)
        self._restore_states()
        self._host.touch()

    def _finished_at(self) -> str:
        """When the exit code was written: we may have been dead at that time."""
        try:
            stamp = (self.folder / f"{self._record.attempt}.exit").stat().st_mtime
        except OSError:
            return now()
        return times.at(stamp)

    def _last_words(self, code: int) -> str:
        if code == 0 or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        return self._end_of_log()[-_LAST_WORDS:]

    def _end_of_log(self) -> str:
        try:
            with self.log_file().open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_END))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    async def _watch(self) -> None:
        """postStart, then the probes, until cancelled."""
        try:
            if not self.status.started:
                await self._post_start()
                await self._startup()
            self._is_up()
            async with asyncio.TaskGroup() as group:
                if self.spec.get("readinessProbe"):
                    group.create_task(self._probe("Readiness", self.spec["readinessProbe"], self._set_ready))
                else:
                    self._set_ready(True)
                if self.spec.get("livenessProbe"):
                    group.create_task(self._probe("Liveness", self.spec["livenessProbe"], self._set_alive))
        except Exception:
            _LOG.exception("%s, container %s: its probes failed", self._pod_name(), self.name)
            raise

    def _is_up(self) -> None:
        self.status.started = True
        self.running.set()
        self._host.touch()

    async def _post_start(self) -> None:
        hook = (self.spec.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        result = await probes.ask({**hook, "timeoutSeconds": 3600}, self)
        if not result.ok:
            self._event("Warning", "FailedPostStartHook", f"PostStartHook failed: {result.message}")
            self._kill_soon(f"FailedPostStartHook: container {self.name} will be restarted", self.grace)

    async def _startup(self) -> None:
        probe = self.spec.get("startupProbe")
        if not probe:
            return
        passed = asyncio.Event()

        def verdict(ok: bool) -> None:
            if ok:
                passed.set()
            else:
                self._kill_soon(f"Container {self.name} failed startup probe, will be restarted", self._grace_of(probe))

        asking = asyncio.create_task(self._probe("Startup", probe, verdict))
        try:
            await passed.wait()
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _probe(self, what: str, probe: Obj, verdict: Callable[[bool], object]) -> None:
        def failed(result: probes.Result) -> None:
            if not self.stopping:
                self._event("Warning", "Unhealthy", f"{what} probe failed: {result.message}")

        async def once() -> probes.Result:
            return await probes.ask(probe, self)

        await probes.watch(
            probe, once, verdict, failed, since=self._monotonic, eager=what != "Liveness" and not self.status.ready
        )

    def _set_ready(self, ready: bool) -> None:
        if self.status.ready != ready:
            self.status.ready = ready
            self._host.touch()

    def _set_alive(self, alive: bool) -> None:
        if not alive:
            grace = self._grace_of(self.spec["livenessProbe"])
            self._kill_soon(f"Container {self.name} failed liveness probe, will be restarted", grace)

    def _grace_of(self, probe: Obj) -> float:
        own = probe.get("terminationGracePeriodSeconds")
        return self.grace if own is None else float(own)

    def _kill_soon(self, message: str, grace: float) -> None:
        if self._killer is None and not self.stopping:
            self._event("Normal", "Killing", message)
            self._set_ready(False)
            self._killer = asyncio.create_task(self._end(time.monotonic() + grace))

    async def _end(self, deadline: float) -> None:
        process = self._record.process
        if process is None:
            return
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and deadline > time.monotonic():
            result = await probes.ask({**hook, "timeoutSeconds": max(deadline - time.monotonic(), 0.1)}, self)
            if not result.ok:
                self._event("Warning", "FailedPreStopHook", f"PreStopHook failed: {result.message}")
            deadline = max(deadline, time.monotonic() + _AFTER_PRESTOP)
        await processes.terminate(process, max(deadline - time.monotonic(), 0.0))

    # -- states ---------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Take over what the record says: after a start of the control process."""
        record = self._record
        if record.attempt >= 0 and record.process is None and record.terminated is None:
            # We died between noting the start and having started: begin that start again.
            processes.kill_marked(self._host.mark(self.name, record.attempt))
            record.attempt -= 1
            record.terminated, record.last = record.last, None
        self.status.digest = record.digest
        self.status.restarts = max(record.attempt, 0)
        if record.process is not None and processes.is_alive(record.process):
            self._take_over_readiness()
        self._restore_states()

    def _take_over_readiness(self) -> None:
        field = "initContainerStatuses" if self.init else "containerStatuses"
        for entry in (self._host.pod.get("status") or {}).get(field) or ():
            if entry["name"] == self.name and entry.get("restartCount") == max(self._record.attempt, 0):
                self.status.ready, self.status.started = bool(entry.get("ready")), bool(entry.get("started"))
                if self.status.started:
                    self.running.set()

    def _restore_states(self) -> None:
        record = self._record
        self.status.last_state = {"terminated": record.last} if record.last else {}
        if record.process is not None:
            self.status.state = {"running": {"startedAt": record.started_at}}
        elif record.terminated is not None:
            self.status.state = {"terminated": record.terminated}

    def _wait_state(self, reason: str, message: str) -> None:
        record = self._record
        before = record.terminated or record.last
        self.status.state = waiting(reason, message)
        self.status.last_state = {"terminated": before} if before else {}
        self._host.touch()

    def _event(self, kind: str, reason: str, message: str) -> None:
        field = "initContainers" if self.init else "containers"
        self._host.events.event(
            self._host.pod,
            "Warning" if kind == "Warning" else "Normal",
            reason,
            message,
            field_path=f"spec.{field}{{{self.name}}}",
        )

    def _pod_name(self) -> str:
        pod = self._host.pod
        return f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"


def _minutes(seconds: float) -> str:
    """`10s`, `2m40s`, as Go prints a duration."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
