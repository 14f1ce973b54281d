"""Starting and stopping a whole pocket, part by part: what `python -m pocket start` and `stop` do.

Start is a list of steps, each of which changes nothing when its part already works, so that it can be run again at
any time: after a crash, after a ^C in the middle, or just to be sure.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from c756.symptoms import symptoms
from pocket import builtin, kubeconfig, parts, processes, renew, supervisor, tls
from pocket.client import ApiClient, answers
from pocket.objects import TERMINAL, Obj, name_of, namespace_of, uid_of
from pocket.parts import Part
from pocket.ports import is_free
from pocket.rollouts import is_available, is_rolled_out, with_deployments
from pocket.settings import CONTEXT, ROOT, Settings
from pocket.store import Store, StoreError

_READY_WITHIN = 30.0  # seconds for one part
_PODS_WITHIN = 90.0  # seconds for all Deployments that a restarted pocket finds
_LOG_LINES = 15
_FULL = 1 << 20  # bytes: with less left on the disk, that is probably what is wrong


# A control process that was killed (by a signal: its exit code is 128 or more) is started again, as it starts the other
# parts again; one that ends by itself has said why, and would again. SIGTERM is handed on to it.
_AGAIN = """\
stop= pid=
trap 'stop=yes; kill -TERM $pid 2>/dev/null' TERM
while [ -z "$stop" ]; do
  "$@" & pid=$!
  while wait $pid; code=$?; kill -0 $pid 2>/dev/null; do :; done
  [ $code -lt 128 ] && exit $code
  echo "the control process was killed ($code); it is started again"
  sleep 1
done
"""


class PocketError(Exception):
    """Something that stops pocket from starting or stopping; the message says what, why, and what to do."""


Say = Callable[[str, str], None]
"""Tells a person that a part (first word) is in a state (second)."""


def control(settings: Settings) -> Part:
    """The control process: API server, controllers, kubelet."""
    environ = dict(os.environ)  # it resolves POCKET_* and PATH for the pods
    environ["PYTHONPATH"] = str(ROOT)
    environ["POCKET_HOME"] = str(settings.home)
    argv = [sys.executable, "-m", "pocket.control"]
    fingerprint = parts.fingerprint(argv, _AGAIN.encode(), *_sources())
    loop = ["/bin/sh", "-c", _AGAIN, "pocket", *argv]
    return Part("control", loop, settings.home, environ, f"{settings.api_url}/readyz", fingerprint)


def start(settings: Settings, say: Say) -> None:
    """Have a complete pocket running and its context current. Raises PocketError and what its parts raise."""
    kubeconfig.check_writable(kubeconfig.file_to_write())  # before anything runs
    _private_home(settings)
    with _only_one(settings, say):
        listed = (
            (control(settings), "API server and controllers"),
            (parts.emulator(settings), "DynamoDB emulator"),
            (parts.prometheus(settings), "Prometheus"),
        )
        outdated = [(part, what) for part, what in listed if supervisor.is_outdated(settings, part)]
        if outdated:  # it must know what to start the others with
            say("renewing", "the control process: an earlier pocket has started it, or other parts")
            asyncio.run(supervisor.stop(settings, "control", grace=10))
        if supervisor.recorded(settings, "control") is not None and not tls.is_whole(settings.tls, settings.token_file):
            say("renewing", "the control process: its token or its certificate was damaged, and is made anew")
            asyncio.run(supervisor.stop(settings, "control", grace=10))
        _check_ports(settings)
        token = tls.ensure_token(settings.token_file)
        authority, _, _ = tls.ensure_certificate(settings.tls)
        parts.write_prometheus_config(settings)

        if supervisor.recorded(settings, "control") is None:
            supervisor.start(settings, control(settings))
        for part, what in listed:
            _wait_for_part(settings, part, what, authority)
            say(what, part.ready_url.removesuffix("/readyz").removesuffix("/-/ready"))

        kubeconfig.install(kubeconfig.file_to_write(), settings.api_url, authority.read_bytes(), token)
        say("kubectl's context", f'"{CONTEXT}", current, in {kubeconfig.file_to_write()}')
        api = ApiClient(settings.api_url, authority, token)
        _wait_for_deployments(settings, api, say)
        _renew_envoys(settings, api, say)
        for part, what in outdated:  # last: callers wait for the emulator where their Envoys know how to
            if part.name != "control":
                say("renewing", f"{what}: started by an earlier pocket")
                asyncio.run(supervisor.renew(settings, part.name, grace=10))
                _wait_for_part(settings, part, what, authority)
        say("ingress gateway", f"http://127.0.0.1:{settings.gateway_port}")


async def stop(settings: Settings, say: Say) -> None:
    """Leave no process, no port and no context behind; what was stored stays. Changes nothing when run again.

    Raises StoreError for a broken store, when all is stopped.
    """
    from pocket.kubelet.shutdown import stop_pods

    if not settings.home.exists():
        say("pocket", f"nothing at {settings.home}")
        return
    with _only_one(settings, say):
        # First the control process, so that nobody starts again what is stopped here.
        if await supervisor.stop(settings, "control", grace=10):
            say("API server and controllers", "stopped")
        stopped = await stop_pods(settings)
        say("pods", f"{stopped} stopped")
        for name, what in (("prometheus", "Prometheus"), ("emulator", "DynamoDB emulator")):
            if await supervisor.stop(settings, name, grace=10):
                say(what, "stopped")
        processes.kill_marked(f"{settings.home}:")
        if kubeconfig.remove(kubeconfig.file_to_write(), settings.api_url):
            say("kubectl's context", f'"{CONTEXT}" removed')
        forget_pods(settings)  # last: where the store is broken, all the rest is stopped already


def is_running(settings: Settings) -> bool:
    """Is the control process there?"""
    return settings.home.exists() and supervisor.recorded(settings, "control") is not None


# -- steps of start ---------------------------------------------------------------------------------------------


def _private_home(settings: Settings) -> None:
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.home.chmod(0o700)
        settings.run.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise PocketError(f"{settings.home}: {error.strerror}. Set POCKET_HOME to a folder of yours.") from error


@contextmanager
def _only_one(settings: Settings, say: Say) -> Iterator[None]:
    """Two starts (or a start and a stop) at once would trip over each other: the second one waits."""
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.run / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for", "another start or stop of this pocket, which is under way")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sources() -> Iterator[bytes]:
    """What the control process is made of: its own code, and the versions of what it imports."""
    named = (ROOT / "c756" / "symptoms.py", ROOT / "requirements.lock")
    for path in (*sorted((ROOT / "pocket").rglob("*.py")), *named):
        yield path.read_bytes()


def _check_ports(settings: Settings) -> None:
    """Raises PocketError for a port that somebody else has."""
    marks = [mark for _, mark in processes.marked(f"{settings.home}:")]
    gateway = f"{settings.home}:pod/{builtin.ISTIO_NAMESPACE}/{builtin.GATEWAY}-"
    for port, what, variable, ours in (
        (settings.api_port, "the API server", "POCKET_PORT_BASE", f"{settings.home}:control"),
        (settings.emulator_port, "the DynamoDB emulator", "POCKET_PORT_BASE", f"{settings.home}:emulator"),
        (settings.prometheus_port, "Prometheus", "POCKET_PORT_BASE", f"{settings.home}:prometheus"),
        (settings.gateway_tls_port, "the ingress gateway's TLS", "POCKET_PORT_BASE", gateway),
        (settings.gateway_port, "the ingress gateway", "POCKET_GATEWAY_PORT", gateway),
    ):
        if is_free(port) or any(mark.startswith(ours) for mark in marks):
            continue
        holder = _listener(port)
        by = f" by {holder.name()} (pid {holder.pid})" if holder else ""
        raise PocketError(f"port {port} for {what} is in use{by}. Stop that, or choose another with {variable}=...")


def _listener(port: int) -> psutil.Process | None:
    """The process that listens on the port, as far as we may see it."""
    for process in psutil.process_iter():
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(entry.status == psutil.CONN_LISTEN and entry.laddr.port == port for entry in connections):
            return process
    return None


def _wait_for_part(settings: Settings, part: Part, what: str, authority: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while not _answers(part, what, authority):
        if supervisor.recorded(settings, "control") is None:
            raise PocketError(f"the control process ended.\n{_last_lines(settings, 'control')}")
        if time.monotonic() > deadline:
            raise PocketError(
                f"{what} did not answer at {part.ready_url} within {_READY_WITHIN:.0f} s.\n"
                f"{_last_lines(settings, part.name)}"
            )
        time.sleep(0.05)


def _answers(part: Part, what: str, authority: Path) -> bool:
    try:
        return answers(part.ready_url, authority)
    except ssl.SSLCertVerificationError as error:
        raise PocketError(
            f"{what} answers at {part.ready_url}, with a certificate that this Python refuses: {error.verify_message}. "
            f"Have new ones made: make down, delete {authority.parent}, make up"
        ) from error


def _wait_for_deployments(settings: Settings, api: ApiClient, say: Say) -> None:
    """Wait until every Deployment is available; those of an earlier run come back with the gateway.

    One whose pods cannot start is told and not waited for: without the gateway there is no cluster, but somebody's
    program that crashes is no reason not to start one.
    """
    deadline = time.monotonic() + _PODS_WITHIN
    told = time.monotonic()
    gateway = f"{builtin.ISTIO_NAMESPACE}/{builtin.GATEWAY}"
    while True:
        pods, replica_sets, deployments = _listed(api)
        late = {_full_name(obj) for obj in deployments if not is_available(obj)}
        owners = with_deployments(pods, replica_sets, deployments)
        in_vain = {_full_name(owner) for pod, owner in owners if owner and symptoms(pod)} - {gateway}
        overdue = time.monotonic() > deadline
        if deployments and (not late - in_vain or (overdue and gateway not in late)):
            say("Deployments", f"{len(deployments) - len(late)} available")
            if late:
                say("not available", f"{', '.join(sorted(late))}: see `kubectl get pods -A` and `kubectl describe`")
            return
        if supervisor.recorded(settings, "control") is None:
            raise PocketError(f"the control process ended.\n{_last_lines(settings, 'control')}")
        if overdue:
            raise PocketError(
                f"the ingress gateway is not available after {_PODS_WITHIN:.0f} s. See `kubectl get pods -A` and"
                f" `kubectl describe`.\n{_last_lines(settings, 'control')}"
            )
        if time.monotonic() - told > 2:
            told = time.monotonic()
            say("waiting for", ", ".join(sorted(late - in_vain)) or gateway)
        time.sleep(0.1)


def _listed(api: ApiClient) -> tuple[list[Obj], list[Obj], list[Obj]]:
    """All pods, ReplicaSets and Deployments."""
    return api.list("v1", "pods"), api.list("apps/v1", "replicasets"), api.list("apps/v1", "deployments")


def _full_name(obj: Obj) -> str:
    return f"{namespace_of(obj)}/{name_of(obj)}"


def _renew_envoys(settings: Settings, api: ApiClient, say: Say) -> None:
    """Roll out, one after the other, the Deployments whose Envoys were started by an earlier pocket."""
    outdated = renew.outdated_pods(settings)
    if not outdated:
        return
    work = renew.work(outdated, *_listed(api))
    for deployment in work.restart:
        name = _full_name(deployment)
        say("renewing", f"Deployment {name}: its Envoys were started by an earlier pocket")
        generation = int(api.restart(deployment)["metadata"]["generation"])
        if is_available(deployment) and not _comes_to_be(api, deployment, generation):
            say("not renewed", f"{name}: its new pods do not start; what ran before serves on. See `kubectl describe`")
    if work.left:
        say("not renewed", f"{', '.join(work.left)}: no active Deployment makes them anew; delete and create them")


def _comes_to_be(api: ApiClient, deployment: Obj, generation: int) -> bool:
    """Wait until a change of the Deployment is in force, or is seen not to come."""
    deadline = time.monotonic() + _PODS_WITHIN
    while time.monotonic() < deadline:
        listed = _listed(api)
        now = next((obj for obj in listed[2] if uid_of(obj) == uid_of(deployment)), None)
        if now is None or is_rolled_out(now, generation):  # or somebody has deleted it meanwhile
            return True
        if any(owner is now and symptoms(pod) for pod, owner in with_deployments(*listed)):
            return False
        time.sleep(0.1)
    return False


def _last_lines(settings: Settings, name: str) -> str:
    path = supervisor.log_file(settings, name)
    if not path.exists():
        return f"(it has written no log: {path})"
    lines = path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    free = shutil.disk_usage(settings.home).free
    full = [f"The disk of {settings.home} has {free >> 10} KiB left: make room."] if free < _FULL else []
    return "\n".join([f"The end of {path}:", *(f"  {line}" for line in lines), *full])


# -- steps of stop ----------------------------------------------------------------------------------------------


def forget_pods(settings: Settings) -> None:
    """Take the pods that ran out of the store: their controllers make new ones at the next start. Raises StoreError."""
    if not settings.store_file.exists():
        return
    store = Store(settings.store_file)
    try:
        for pod in store.list("Pod"):
            if (pod.get("status") or {}).get("phase") not in TERMINAL:
                store.delete("Pod", namespace_of(pod), name_of(pod))
    except sqlite3.OperationalError as error:  # a full disk
        raise StoreError(f"{settings.store_file}: {error}. All is stopped. Make room before the next start.") from error
    finally:
        store.close()
