"""The two stacks in pockets of their own: through the gateway and the sidecars, as they are deployed.

Each is a copy of the checkout. In the plain one the two apps are the yardstick, and their images run it as it is; all
else is the same: the objects in cluster/, Envoys, probes, scrapes. Both call the DynamoDB stand-in without an Envoy.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import psutil

from bench.stacks import HERE, Stack
from tests.e2e.cluster import Cluster, copy_of_checkout, environment, free_port_base
from tests.realservices import SUFFIX

_ROLES = {"s2": "s2/v1", "db": "db"}


def stack(started: ExitStack, folder: Path, name: str, dynamodb_url: str) -> Stack:
    """Starts `plain` or `ours` in a pocket, which takes a minute or so."""
    folder.mkdir()
    checkout = copy_of_checkout(folder / "checkout")
    objects = checkout / "cluster/db-dpl.yaml"
    setting = f'          env:\n            - {{name: DYNAMODB_URL, value: "{dynamodb_url}"}}\n'
    objects.write_text(objects.read_text().replace("          env:\n", setting, 1))
    if name == "plain":
        _make_plain(checkout)
    base, gateway = free_port_base()
    cluster = Cluster(checkout, {**environment(folder, base, gateway), "TABLE_SUFFIX": SUFFIX}, base, gateway)
    started.callback(cluster.run, "make", "down", check=False)
    cluster.run("make", "-f", "pocket.mak", "start", timeout=600)
    cluster.run("make", "-f", "k8s.mak", "db", "s2", "gw", timeout=600)
    return Stack(
        name, int(cluster.base.rpartition(":")[2]), cluster.token, _processes(Path(cluster.env["POCKET_HOME"]))
    )


def _make_plain(checkout: Path) -> None:
    for role, place in _ROLES.items():
        (checkout / place / "app.py").write_text((HERE / "yardstick.py").read_text())
        dockerfile = checkout / place / "Dockerfile"
        text, count = re.subn(r"(?m)^CMD .*$", f'CMD ["python", "app.py", "{role}"]', dockerfile.read_text())
        if count != 1:
            raise SystemExit(f"{dockerfile} has {count} CMDs, not one")
        dockerfile.write_text(text)


def _processes(home: Path) -> dict[str, list[int]]:
    """The processes of s2, of db and of all Envoys: their folders are pods/UID/CONTAINER."""
    found: dict[str, list[int]] = {"s2": [], "db": [], "envoys": []}
    containers = {"cmpt756s2": "s2", "cmpt756db": "db", "istio-proxy": "envoys"}
    for process in psutil.process_iter():
        try:
            folder = Path(process.cwd())
        except (psutil.Error, OSError):
            continue  # ended, or another user's
        if folder.is_relative_to(home / "pods"):
            container = folder.relative_to(home / "pods").parts[1:2]
            if container and container[0] in containers and process.pid not in _all_children(found):
                found[containers[container[0]]].append(process.pid)
    return found


def _all_children(found: dict[str, list[int]]) -> set[int]:
    roots = [psutil.Process(pid) for pids in found.values() for pid in pids]
    return {child.pid for root in roots for child in root.children(recursive=True)}
