"""How long a pocket takes, and how much memory: `.venv/bin/python bench/lifecycle.py`.

Prints the table of docs/pocket.md.
It uses a copy of the checkout with a folder, ports and a kubeconfig of its own, and leaves nothing. What is to be
downloaded must be there (`make setup`). Timings on a busy machine are worth little: the load average stands below them.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.e2e.cluster import Cluster, copy_of_checkout, environment, free_port_base

_REPEATS = 3


def timed(cluster: Cluster, *command: str) -> float:
    """Seconds that a command takes."""
    start = time.monotonic()
    cluster.run(*command, timeout=600)
    return time.monotonic() - start


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def memory(cluster: Cluster) -> int:
    """MiB of the whole system, shared pages counted once, as `status` says it."""
    status = cluster.output("make", "-f", "pocket.mak", "status")
    found = re.search(r"(?m)^total +(\d+) MiB", status)
    if found is None:
        raise SystemExit(f"no total in:\n{status}")
    return int(found[1])


def measure(cluster: Cluster) -> list[tuple[str, str]]:
    """What is measured and what came out, in the order in which a person meets it."""
    rows = [
        ("`make up`, nothing there yet (images, tables and data are made)", f"{timed(cluster, 'make', 'up'):.1f} s")
    ]
    rows.append(("`make up` again, nothing to do", f"{median([timed(cluster, 'make', 'up') for _ in range(3)]):.1f} s"))
    rows.append(("memory with one pod of each service and the graph", f"{memory(cluster)} MiB"))
    warm = []
    for _ in range(_REPEATS):
        cluster.run("make", "down")
        warm.append(timed(cluster, "make", "up"))
    rows.append(("`make up` after `make down`", f"{median(warm):.1f} s"))
    rows.append(
        ("`tools/s2ver.sh v2`, the first time (image, pod, routes)", f"{timed(cluster, 'tools/s2ver.sh', 'v2'):.1f} s")
    )
    rows.append(("memory with both versions", f"{memory(cluster)} MiB"))
    back, forth, routes = [], [], []
    for _ in range(_REPEATS):
        back.append(timed(cluster, "tools/s2ver.sh", "v1"))
        forth.append(timed(cluster, "tools/s2ver.sh", "v2"))
        routes.append(timed(cluster, "kubectl", "apply", "-f", "cluster/s2-vs-v2.yaml"))
    rows.append(("`tools/s2ver.sh v1`, back", f"{median(back):.1f} s"))
    rows.append(("`tools/s2ver.sh v2`, again", f"{median(forth):.1f} s"))
    rows.append(("routes alone: `kubectl apply -f cluster/s2-vs-v2.yaml`", f"{median(routes):.1f} s"))
    rows.append(("`make -f pocket.mak stop`", f"{timed(cluster, 'make', '-f', 'pocket.mak', 'stop'):.1f} s"))
    return rows


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="c756-bench-") as name:
        folder = Path(name)
        base, gateway = free_port_base()
        checkout = copy_of_checkout(folder / "checkout")
        cluster = Cluster(checkout, environment(folder, base, gateway), base, gateway)
        try:
            rows = measure(cluster)
        finally:
            cluster.run("make", "down", check=False)
    print("| what | measured |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")
    load = os.getloadavg()[0]
    print(f"\nLoad average {load:.1f} on {os.cpu_count()} cores, median of {_REPEATS} where it was repeated.")


if __name__ == "__main__":
    main()
