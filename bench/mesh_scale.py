"""What a large mesh costs on this machine: `.venv/bin/python bench/mesh_scale.py [PODS [SERVICES]]`; 100 and 500.

A pocket of its own with PODS tiny servers, each with its Envoy, and SERVICES Services; each of those has two routes and
a DestinationRule with two subsets, and all of it is in every Envoy. Prints the table of docs/pocket.md. Leaves nothing.
An Envoy with 500 Services takes about 130 MB. On a busy machine timings are worth little: the load average is told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pocket.processes import MARK
from tests.e2e.cluster import Cluster, copy_of_checkout, environment, free_port_base

_NAMESPACE = "scale"
_CHANGES = 9
_IDLE = 30.0  # seconds over which an idle cluster is measured
_WITHIN = 1800.0  # seconds for all pods
_IN_FORCE_WITHIN = 120.0
_IN_FORCE = re.compile(r"in force: a change for (\d+) of (\d+) Envoys, after ([\d.]+) s")

_SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""

_DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /code
COPY server.py .
CMD ["python", "-S", "server.py"]
"""


def service(name: str) -> Iterator[dict[str, Any]]:
    """A Service, its two subsets, and its two routes."""
    meta = {"name": name, "namespace": _NAMESPACE}
    ports = [{"name": "http", "port": 80, "targetPort": 8000}]
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": {"app": name}, "ports": ports}}
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v2")]
    yield {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": meta,
        "spec": {"host": name, "subsets": subsets},
    }
    yield weights(name, 10)


def weights(name: str, second: int) -> dict[str, Any]:
    """Two routes: what begins with /a is shared, the rest is version 1's."""

    def to(version: str, weight: int) -> dict[str, Any]:
        return {"destination": {"host": name, "subset": version}, "weight": weight}

    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": _NAMESPACE},
        "spec": {
            "hosts": [name],
            "http": [
                {"match": [{"uri": {"prefix": "/a"}}], "route": [to("v1", 100 - second), to("v2", second)]},
                {"route": [to("v1", 100)]},
            ],
        },
    }


def deployment(pods: int) -> dict[str, Any]:
    labels = {"app": "svc0", "version": "v1"}
    container = {"name": "server", "image": "example.org/tiny:v1", "ports": [{"containerPort": 8000}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": pods, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": "tiny", "namespace": _NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def apply(cluster: Cluster, folder: Path, objects: list[dict[str, Any]]) -> None:
    file = folder / "objects.yaml"
    file.write_text("".join(f"---\n{json.dumps(obj)}\n" for obj in objects))
    cluster.run("kubectl", "apply", "-f", str(file), timeout=_WITHIN)


def processes(cluster: Cluster) -> list[psutil.Process]:
    """Everything that this pocket runs."""
    home, found = cluster.env["POCKET_HOME"], []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(f"{home}:"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def control(cluster: Cluster) -> psutil.Process:
    return next(process for process in processes(cluster) if process.cmdline()[1:] == ["-m", "pocket.control"])


def cpu(listed: list[psutil.Process]) -> float:
    """Seconds that they have computed."""
    total = 0.0
    for process in listed:
        times = process.cpu_times()
        total += times.user + times.system
    return total


def in_force(cluster: Cluster, pods: int) -> list[float]:
    """Of each change that came to all Envoys of the pods: after how many seconds all had taken it."""
    log = (Path(cluster.env["POCKET_HOME"]) / "logs" / "control.log").read_text()
    return [float(found[3]) for found in _IN_FORCE.finditer(log) if int(found[1]) >= pods]


def measure(cluster: Cluster, folder: Path, pods: int, services: int) -> list[tuple[str, str]]:
    (folder / "server.py").write_text(_SERVER)
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    cluster.run("make", "-f", "pocket.mak", "start")
    cluster.run(sys.executable, "-m", "pocket", "build", "-t", "example.org/tiny:v1", str(folder))
    labels = {"istio-injection": "enabled"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE, "labels": labels}}
    apply(cluster, folder, [namespace])
    began = time.monotonic()
    apply(cluster, folder, [obj for number in range(services) for obj in service(f"svc{number}")])
    applied = time.monotonic() - began
    apply(cluster, folder, [deployment(pods)])
    status = ("kubectl", "-n", _NAMESPACE, "rollout", "status", "deploy/tiny", f"--timeout={_WITHIN:.0f}s")
    cluster.run(*status, timeout=_WITHIN)
    started = time.monotonic() - began - applied
    changes: list[float] = []
    for change in range(_CHANGES):
        taken = in_force(cluster, pods)
        apply(cluster, folder, [weights("svc0", 20 + change)])
        end = time.monotonic() + _IN_FORCE_WITHIN
        while len(in_force(cluster, pods)) == len(taken):
            if time.monotonic() > end:
                raise SystemExit(f"after {_IN_FORCE_WITHIN:.0f} s a change is not in force")
            time.sleep(0.2)
        changes.append(in_force(cluster, pods)[-1])
    everything = processes(cluster)
    memory = control(cluster).memory_info().rss / 2**20
    mine, all_of_it = cpu([control(cluster)]), cpu(everything)
    time.sleep(_IDLE)
    mine, all_of_it = cpu([control(cluster)]) - mine, cpu(everything) - all_of_it
    changes.sort()
    return [
        (f"{pods} pods with Envoys, {services} Services, {2 * services} routes: apply", f"{applied:.0f} s"),
        ("until all pods are ready", f"{started:.0f} s"),
        ("a change of weights is acknowledged by all Envoys: median", f"{changes[len(changes) // 2]:.2f} s"),
        (f"the slowest of {_CHANGES}", f"{changes[-1]:.2f} s"),
        ("memory of the control process", f"{memory:.0f} MiB"),
        ("idle: the control process", f"{mine / _IDLE:.1%} of one CPU"),
        ("idle: everything, Prometheus and all Envoys", f"{all_of_it / _IDLE:.1%} of one CPU"),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    arguments.add_argument("pods", type=int, nargs="?", default=100)
    arguments.add_argument("services", type=int, nargs="?", default=500)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="c756-scale-") as name:
        folder = Path(name)
        base, gateway = free_port_base()
        cluster = Cluster(copy_of_checkout(folder / "checkout"), environment(folder, base, gateway), base, gateway)
        context = folder / "tiny"
        context.mkdir()
        try:
            rows = measure(cluster, context, asked.pods, asked.services)
        finally:
            cluster.run("make", "down", check=False)
    print("| what | measured |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")
    print(f"\nLoad average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
