"""Releases by the controllers that people run in production: `make -f k8s.mak flagger` or `argo-rollouts`, VERSION=v2.

The first time, the controller and its objects (cluster/canary-flagger.yaml, cluster/rollout-argo.yaml) come into the
cluster, with version v1 where none is named, and take the music service's traffic over. After that, a version is built
and released, and this ends when the controller has promoted it or rolled it back.

Both watch the Deployment cmpt756s2: that of the version, under a name without it. On a real cluster the controller runs
there, from its owners (cluster/addons/controllers.txt). pocket has no image of it: the program on this machine runs
while this does. What is under way stands in the objects, so that the next run goes on with it.

Exit codes, as those of tools/canary.sh: 0 it serves everybody, 1 rolled back, 2 wrong arguments, 3 could not be told.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c756 import kubectl
from c756.canary import prometheus, underway
from c756.trouble import Trouble
from tools import addons, render

Json = dict[str, Any]

ROOT = kubectl.ROOT
TABLE = ROOT / "cluster/addons/controllers.txt"
CACHE = ROOT / ".cache/controllers"
NAME = "cmpt756s2"
"""Of the Deployment, and of the controller's object."""
LABEL = "app.kubernetes.io/name"
"""Tells the Deployment's pods from those of cmpt756s2-v1 and -v2. Flagger takes the labels app, name and this one."""
PROMETHEUS = "http://prometheus.istio-system:9090"
PATIENCE = 1800.0
"""Seconds: for a release."""
PROMOTED, ROLLED_BACK, WRONG, NOT_TOLD = range(4)


@dataclass(frozen=True)
class Progress:
    """What the controller says. `revision` names the pods that it is at, `code` is one of the exit codes at the end."""

    line: str
    revision: str
    code: int | None = None


@dataclass(frozen=True)
class Controller:
    """One of the two."""

    name: str  # of its program, too
    kind: str
    objects: str
    definition: str  # of the kind


FLAGGER = Controller("flagger", "canary.flagger.app", "cluster/canary-flagger.yaml", "canaries.flagger.app")
ARGO = Controller("argo-rollouts", "rollout.argoproj.io", "cluster/rollout-argo.yaml", "rollouts.argoproj.io")
CONTROLLERS = {one.name: one for one in (FLAGGER, ARGO)}


@dataclass(frozen=True)
class Pin:
    """One line of controllers.txt."""

    version: str
    url: str
    sha256: str


# -- pure -------------------------------------------------------------------------------------------------------------


def pins(text: str) -> dict[str, Pin]:
    """The lines of controllers.txt by controller."""
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {name: Pin(*others) for name, *others in rows}


def without_version(deployment: Json) -> Json:
    """The Deployment of a version, under the name without it. The labels that Istio and the graph read stay."""
    spec = deployment["spec"]
    template = {**spec["template"]}
    template["metadata"] = {**template["metadata"], "labels": {**template["metadata"]["labels"], LABEL: NAME}}
    return {
        **deployment,
        "metadata": {**deployment["metadata"], "name": NAME, "labels": {"app": NAME}},
        "spec": {**spec, "selector": {"matchLabels": {LABEL: NAME}}, "template": template},
    }


def progress(controller: Controller, found: Mapping[str, Any]) -> Progress:
    """What the controller's object says of itself."""
    return (_of_flagger if controller is FLAGGER else _of_argo)(found.get("status") or {})


def _of_flagger(status: Mapping[str, Any]) -> Progress:
    """https://docs.flagger.app/usage/how-it-works#canary-status"""
    phase = status.get("phase", "")
    ends = {"Initialized": PROMOTED, "Succeeded": PROMOTED, "Failed": ROLLED_BACK}
    line = (
        f"{phase or 'not seen yet'}, {status.get('canaryWeight', 0)} %, {status.get('failedChecks', 0)} failed checks"
    )
    return Progress(line, status.get("lastAppliedSpec", ""), ends.get(phase))


def _of_argo(status: Mapping[str, Any]) -> Progress:
    """https://argo-rollouts.readthedocs.io/en/stable/features/specification/"""
    phase, now = status.get("phase", ""), status.get("currentPodHash", "")
    weight = (((status.get("canary") or {}).get("weights") or {}).get("canary") or {}).get("weight", 0)
    line = f"{phase or 'not seen yet'}, {weight} %" + (f": {status['message']}" if status.get("message") else "")
    if status.get("abort"):
        return Progress(line, now, ROLLED_BACK if not weight else None)
    done = phase == "Healthy" and now == status.get("stableRS")
    return Progress(line, now, PROMOTED if done else None)


# -- the cluster ------------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _ours(*arguments: str, piped: str | None = None) -> str:
    return kubectl.ask("-n", kubectl.NAMESPACE, *arguments, piped=piped)


def _found(kind: str) -> Json | None:
    text = _ours("get", kind, NAME, "--ignore-not-found", "-o", "json")
    found: Json | None = json.loads(text) if text.strip() else None
    return found


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise Trouble(f"{' '.join(command)} ended with {done.returncode} (see above)")


def _file(name: str, pin: Pin) -> Path:
    """The owners' file, from the cache or from where they keep it. Raises Trouble where it is not what was pinned."""
    path = CACHE / f"{name}-{pin.version}.yaml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with urllib.request.urlopen(pin.url, timeout=60) as answer:  # noqa: S310  the table has https only
                content = answer.read()
        except OSError as error:
            raise Trouble(f"{pin.url} cannot be read: {error}", f"Or put that file there: {path}") from error
        path.write_bytes(content)
    if hashlib.sha256(path.read_bytes()).hexdigest() != pin.sha256:
        raise Trouble(f"{path} is not the file of {TABLE.name}: another SHA-256", "Remove it; it is fetched again")
    return path


def _install(controller: Controller, pin: Pin) -> None:
    """The controller itself, and the definitions of its kinds, in a real cluster."""
    if controller is FLAGGER:
        chart = addons.Chart("flagger", "flagger", pin.version, "https://flagger.app")
        if shutil.which("helm") is None:
            raise Trouble(f"helm is not installed, and this cluster lacks Flagger: {addons.HELM}")
        _run("helm", *addons.install(chart, addons.value_files(chart, "")))
        return
    _define(controller, pin, everything=True)
    there = ("-n", controller.name)
    kubectl.ask(*there, "set", "env", f"deployment/{controller.name}", f"ARGO_ROLLOUTS_PROMETHEUS_ADDRESS={PROMETHEUS}")
    kubectl.ask(*there, "rollout", "status", f"deployment/{controller.name}", f"--timeout={addons.PATIENCE}s")


def _define(controller: Controller, pin: Pin, *, everything: bool) -> None:
    """The owners' file, or its definitions alone. Some are too large for an apply that notes what it applied."""
    import yaml

    objects = [one for one in yaml.safe_load_all(_file(controller.name, pin).read_text()) if one]
    if everything:
        objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": controller.name}})
    else:
        objects = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    text = text.replace(f"{controller.name}:latest", f"{controller.name}:v{pin.version}")
    kubectl.ask("-n", controller.name, "apply", "--server-side", "-f", "-", piped=text)
    kubectl.ask("wait", "--for=condition=Established", f"crd/{controller.definition}", "--timeout=60s")


@contextmanager
def _here(controller: Controller) -> Iterator[subprocess.Popen[bytes]]:
    """The controller's program on this machine, for pocket, as long as the block runs. Raises Trouble without one."""
    variable = f"C756_{controller.name.upper().replace('-', '_')}"
    program = os.environ.get(variable) or shutil.which(controller.name)
    if not program:
        raise Trouble(
            f"pocket runs {controller.name} as a program of this machine, and there is none on the PATH",
            f"Install it, or name its file: {variable}=/path/to/{controller.name}",
        )
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kubeconfig"
        config.touch(mode=0o600)
        config.write_text(kubectl.ask("config", "view", "--raw", "--minify", "--flatten"))
        where, ports = os.environ.get("PROMETHEUS_URL") or prometheus.find().where, _free_ports(2)
        arguments = {
            FLAGGER: ("--mesh-provider=istio", f"--metrics-server={where}", f"--port={ports[0]}"),
            ARGO: (f"--healthzPort={ports[0]}", f"--metricsPort={ports[1]}", "--leader-elect=false", "--namespaced"),
        }[controller]
        command = [program, f"--kubeconfig={config}", f"--namespace={kubectl.NAMESPACE}", *arguments]
        log = CACHE / f"{controller.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        _say(f"{controller.name} runs on this machine while this does; its log: {log.relative_to(ROOT)}")
        with log.open("wb") as output, subprocess.Popen(
            command,
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={**os.environ, "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS": where},
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def _free_ports(number: int) -> list[int]:
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    found = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return found


@contextmanager
def _installed(controller: Controller, on_pocket: bool) -> Iterator[subprocess.Popen[bytes] | None]:
    """The controller at work. Yields its process where that is on this machine."""
    pin = pins(TABLE.read_text())[controller.name]
    defined = kubectl.ask("get", "crd", controller.definition, "--ignore-not-found", "-o", "name").strip()
    if on_pocket:
        if not defined:
            _define(controller, pin, everything=False)
        with _here(controller) as process:
            yield process
    else:
        if not defined:
            _install(controller, pin)
        yield None


# -- a release --------------------------------------------------------------------------------------------------------


def _deploy(version: str) -> bool:
    """Build the version and give its pods to the Deployment. Returns whether it has other pods than before."""
    import yaml

    file = f"cluster/s2-dpl-{version}.yaml"
    _run("tools/image.sh", "build", f"s2-{version}")
    pinned = subprocess.run(["tools/image.sh", "env"], cwd=ROOT, text=True, capture_output=True, check=True).stdout
    values = {**os.environ, **dict(word.split("=", 1) for word in pinned.split())}
    text = render.render((ROOT / file).read_text(encoding="utf-8"), file, values)
    before = _found("deployment")
    _ours("apply", "-f", "-", piped=json.dumps(without_version(yaml.safe_load(text))))
    after = _found("deployment")
    return before is None or after is None or before["spec"]["template"] != after["spec"]["template"]


def _followed(controller: Controller, process: subprocess.Popen[bytes] | None, before: str) -> int:
    """Says what the controller does until it has ended with pods that are not `before`."""
    end, last = time.monotonic() + PATIENCE, ""
    while True:
        if process is not None and process.poll() is not None:
            raise Trouble(f"{controller.name} ended with {process.returncode}: its log says why")
        now = progress(controller, _found(controller.kind) or {})
        if now.line != last:
            _say(now.line)
        if now.code is not None and now.revision != before:
            return now.code
        if time.monotonic() > end:
            raise Trouble(f"{controller.name} has not come to an end within {PATIENCE:.0f} s; it last said: {now.line}")
        last = now.line
        time.sleep(1)


def release(controller: Controller, version: str) -> int:
    """One release; the exit code. Raises Trouble."""
    on_pocket = kubectl.require() == kubectl.POCKET
    if version and not (ROOT / f"cluster/s2-dpl-{version}.yaml").exists():
        print(f'controllers: unknown version "{version}": there is no cluster/s2-dpl-{version}.yaml', file=sys.stderr)
        return WRONG
    for other in CONTROLLERS.values():
        known = other is not controller and kubectl.run("-n", kubectl.NAMESPACE, "get", other.kind, NAME)
        if known and known.returncode == 0:
            raise Trouble(f"{other.name} releases the music service already", "First away with it: docs/canary.md")
    if underway.refuse():
        raise Trouble("two at once would fight over the weights")
    with _installed(controller, on_pocket) as process:
        found = _found(controller.kind)
        before = progress(controller, found or {}).revision
        changed = _deploy(version or "v1") if version or not found else False
        if found is None:
            _run("tools/wait.sh", NAME)  # its pods serve until the controller has its own
            _run("tools/apply.sh", controller.objects)
        elif not changed and progress(controller, found).code is not None:
            _say("nothing to release: " + progress(controller, found).line)
            return progress(controller, found).code or PROMOTED
        code = _followed(controller, process, before if changed else "")
    why = f"kubectl -n {kubectl.NAMESPACE} describe {controller.kind.partition('.')[0]} {NAME}"
    ends = {PROMOTED: "promoted: it has all of the traffic", ROLLED_BACK: f"rolled back, nobody is on it. Why: {why}"}
    _say(f"{version or 'v1'} {ends[code]}")
    return code


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    if len(arguments) not in (1, 2) or arguments[0] not in CONTROLLERS:
        print(f"usage: python -m tools.controllers {'|'.join(CONTROLLERS)} [VERSION]", file=sys.stderr)
        return WRONG
    try:
        return release(CONTROLLERS[arguments[0]], arguments[1] if len(arguments) == 2 else "")
    except (Trouble, render.RenderError) as trouble:
        print(f"controllers: {trouble}", file=sys.stderr)
        return NOT_TOLD


def _ended(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _ended)
    try:
        sys.exit(main([word for word in sys.argv[1:] if word]))
    except KeyboardInterrupt:
        print("controllers: interrupted; what is under way goes on where the controller does", file=sys.stderr)
        sys.exit(NOT_TOLD)
