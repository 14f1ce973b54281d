"""What is lost when something goes wrong or is changed: `.venv/bin/python bench/faults.py [NAME ...]`.

For each fault, clients in a closed loop (half of them on a new connection for each request) ask the music and the user
service through the gateway while it happens. Printed is a table: requests, how many of them
failed, how many may, and the longest time without any answer. Exit code 1 where more was lost than may be.

It uses a copy of the checkout with a folder, ports and a kubeconfig of its own, and leaves nothing; only loopback is
loaded. `--rounds N` does each fault until it has had N times its 2,000 requests (a bound holds for one round).
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pocket import processes
from tests.e2e.cluster import NAMESPACE, Cluster, copy_of_checkout, environment, free_port_base
from tests.e2e.load import Load

CLIENTS = 8  # of each sort
REQUESTS = 2000  # at least, in one round
_AFTER = 2.0  # seconds in which a fault may still show
_ROUND_WITHIN = 300.0  # seconds
_V1, _V2 = "deploy/cmpt756s2-v1", "deploy/cmpt756s2-v2"


@dataclass(frozen=True)
class Fault:
    """Something that happens under load."""

    name: str
    happen: Callable[[Cluster], object]
    bound: int = 0
    """Requests that may be lost to it in one round: those that a killed process had in hand, and those that come
    before the last Envoy knows (a real cluster takes longer: its kubelet looks once a second)."""
    before: Callable[[Cluster], object] = field(default=lambda _: None)
    after: Callable[[Cluster], object] = field(default=lambda _: None)


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    fault: str
    total: int
    failed: Counter[str]
    bound: int
    gap: float  # seconds

    @property
    def lost(self) -> int:
        return sum(self.failed.values())

    @property
    def holds(self) -> bool:
        return self.lost <= self.bound

    def row(self) -> str:
        why = ", ".join(f"{count} x {what}" for what, count in self.failed.items()) or "-"
        return f"| {self.fault} | {self.lost} of {self.total} | {self.bound} | {self.gap:.2f} s | {why} |"


HEAD = "| fault | lost | may be | longest gap | what |\n|---|---|---|---|---|"


def longest_gap(served: Sequence[float]) -> float:
    """Seconds between two answers that came one after the other, at most."""
    times = sorted(served)
    return max((after - before for before, after in itertools.pairwise(times)), default=float("inf"))


def measure(cluster: Cluster, fault: Fault, requests: int = REQUESTS) -> Outcome:
    """Have it happen under load, at least once and until there were `requests`."""
    fault.before(cluster)
    urls = [url for pair in zip(cluster.song_urls, cluster.user_urls, strict=False) for url in pair]
    loads = [Load(urls, cluster.token, CLIENTS, fresh=fresh) for fresh in (False, True)]
    end = time.monotonic() + _ROUND_WITHIN
    times = 0
    try:
        with loads[0], loads[1]:
            time.sleep(1)
            while times == 0 or (sum(load.answers.total for load in loads) < requests and time.monotonic() < end):
                fault.happen(cluster)
                times += 1
                time.sleep(_AFTER)
    finally:
        fault.after(cluster)
    failed: Counter[str] = Counter()
    for load in loads:
        failed.update(load.answers.failed)
    served = [moment for load in loads for moment in load.answers.served]
    total = sum(load.answers.total for load in loads)
    return Outcome(fault.name, total, failed, fault.bound * times, longest_gap(served))


# -- what happens -------------------------------------------------------------------------------------------------


def main_process(cluster: Cluster, mark: str) -> psutil.Process:
    """The process of a part (`control`, `emulator`) or container (`pod/NAMESPACE/POD.../CONTAINER`).

    `mark` is a regular expression. Raises LookupError where there is none.
    """
    home = cluster.env["POCKET_HOME"]
    for pid, found in processes.marked(f"{home}:"):
        if re.match(rf"{re.escape(home)}:{mark}(#|$)", found):
            process = psutil.Process(pid)
            parent = process.parent()
            # The shim is the session's leader, and what it runs is its child (pocket/processes.py).
            if parent is not None and parent.pid == os.getsid(pid) and pid != parent.pid:
                return process
    raise LookupError(f"no process of {mark} runs")


def control_process(cluster: Cluster) -> psutil.Process:
    """The control process itself, below the shell that starts it again."""
    (child,) = [part for part in main_process(cluster, "control").children() if "pocket.control" in part.cmdline()]
    return child


def rollout(*deployments: str, namespace: str = NAMESPACE) -> Callable[[Cluster], None]:
    def happen(cluster: Cluster) -> None:
        for name in deployments:
            cluster.kubectl("-n", namespace, "rollout", "restart", name)
            cluster.kubectl("-n", namespace, "rollout", "status", name, "--timeout=120s")

    return happen


def scale(*replicas: int, deployment: str = _V1) -> Callable[[Cluster], None]:
    def happen(cluster: Cluster) -> None:
        for number in replicas:
            cluster.kubectl("-n", NAMESPACE, "scale", deployment, f"--replicas={number}")
            cluster.kubectl("-n", NAMESPACE, "rollout", "status", deployment, "--timeout=240s")

    return happen


def kill(mark: str) -> Callable[[Cluster], None]:
    """SIGKILL to one; done when as many pods are ready as before."""

    def happen(cluster: Cluster) -> None:
        main_process(cluster, mark).kill()
        time.sleep(1)
        _all_ready(cluster)

    return happen


def kill_control(cluster: Cluster) -> None:
    control_process(cluster).kill()
    _until_api(cluster)


def stop_and_go(cluster: Cluster) -> None:
    """The control process gets 0.4 of every 4 s, six times: as on a machine that has no time for it."""
    process = control_process(cluster)
    try:
        for _ in range(6):
            process.send_signal(signal.SIGSTOP)
            time.sleep(3.6)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.4)
    finally:
        process.send_signal(signal.SIGCONT)
    _all_ready(cluster)


def pause(find: Callable[[Cluster], psutil.Process], seconds: float) -> Callable[[Cluster], None]:
    """SIGSTOP for so long."""

    def happen(cluster: Cluster) -> None:
        process = find(cluster)
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            process.send_signal(signal.SIGCONT)

    return happen


def weights(cluster: Cluster) -> None:
    """30 changes of the weights."""
    for step in range(30):
        set_weights(cluster, step * 3, 100 - step * 3)
        cluster.kubectl("apply", "-f", "cluster/s2-vs-v2.yaml")


def set_weights(cluster: Cluster, first: int, second: int) -> None:
    """In the file, as a person does."""
    path = cluster.root / "cluster" / "s2-vs-v2.yaml"
    numbers = iter([first, second] * 9)
    path.write_text(re.sub(r"(?m)^( *(?:- )?weight:) *\d+", lambda it: f"{it[1]} {next(numbers)}", path.read_text()))


def mended(cluster: Cluster) -> None:
    """Version 2 without its bug, deployed."""
    path = cluster.root / "s2" / "v2" / "app.py"
    text, count = re.subn(r"(?m)^(PERCENT_ERROR\b[^=]*)= *\d+", r"\g<1>= 0", path.read_text())
    if count != 1:
        raise SystemExit(f"{path} has no PERCENT_ERROR")
    path.write_text(text)
    cluster.run("tools/s2ver.sh", "v2")


def back_to_one(cluster: Cluster) -> None:
    set_weights(cluster, 90, 10)
    cluster.run("tools/s2ver.sh", "v1")


def switch(cluster: Cluster) -> None:
    cluster.run("tools/s2ver.sh", "v2")
    cluster.run("tools/s2ver.sh", "v1")


def against_each_other(cluster: Cluster) -> None:
    """Two people switch at once, each three times. One may be told that the other was quicker."""

    def person(*versions: str) -> None:
        for version in versions:
            cluster.run("tools/s2ver.sh", version, check=False)

    people = [threading.Thread(target=person, args=order) for order in (("v1", "v2") * 3, ("v2", "v1") * 3)]
    for one in people:
        one.start()
    for one in people:
        one.join(240)
        if one.is_alive():
            raise SystemExit("a switch has not ended within 240 s")


def without_v1(cluster: Cluster) -> None:
    """0/100, v1 deleted, made again, 100/0."""
    set_weights(cluster, 0, 100)
    cluster.kubectl("apply", "-f", "cluster/s2-vs-v2.yaml")
    cluster.kubectl("-n", NAMESPACE, "delete", _V1)
    back_to_one(cluster)


def huge_object(cluster: Cluster) -> None:
    """A ConfigMap of 100,000 keys is made, listed five times, and deleted."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        keys = ",".join(f'"k{number}":""' for number in range(30_000))
        file.write(f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"huge"}},"data":{{{keys}}}}}')
        file.flush()
        cluster.run("kubectl", "create", "-f", file.name)
        try:
            for _ in range(5):
                cluster.kubectl("get", "configmap", "huge", "-o", "name")
        finally:
            cluster.kubectl("delete", "configmap", "huge")


def _all_ready(cluster: Cluster, seconds: float = 90) -> None:
    cluster.kubectl(
        "-n", NAMESPACE, "wait", "--for=condition=Available", "deploy", "--all", f"--timeout={seconds:.0f}s"
    )


def _until_api(cluster: Cluster, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while cluster.run("kubectl", "get", "--raw", "/readyz", check=False).returncode != 0:
        if time.monotonic() > end:
            raise SystemExit(f"the API server has not come back within {seconds:.0f} s")
        time.sleep(0.2)


_TWO: dict[str, Callable[[Cluster], object]] = {"before": scale(2), "after": scale(1)}
_S2 = f"pod/{NAMESPACE}/cmpt756s2-v1-[^/]+"

FAULTS = (
    Fault("switch to v2 and back", switch, before=mended, after=back_to_one),
    Fault("30 changes of the weights", weights, before=mended, after=back_to_one),
    Fault("two people switch against each other", against_each_other, before=mended, after=back_to_one),
    Fault("0/100, v1 deleted and made again", without_v1, before=mended, after=back_to_one),
    Fault("rollout of s2", rollout(_V1)),
    Fault("rollout of s1", rollout("deploy/cmpt756s1")),
    Fault("rollout of db", rollout("deploy/cmpt756db")),
    Fault("rollout of the gateway", rollout("deploy/istio-ingressgateway", namespace="istio-system")),
    Fault("scaling 1-3-1", scale(3, 1)),
    Fault("kill -9 of one of two application processes", kill(rf"{_S2}/cmpt756s2"), bound=4 * CLIENTS, **_TWO),
    Fault("kill -9 of one of two Envoys", kill(rf"{_S2}/istio-proxy"), bound=4 * CLIENTS, **_TWO),
    Fault("kill -9 of the control process", kill_control),
    Fault("kill -9 of Prometheus", kill("prometheus")),
    Fault("control process stopped 3.6 of every 4 s", stop_and_go),
    Fault("control process stopped for a minute", pause(control_process, 60)),
    Fault("an object of 30,000 keys is listed", huge_object),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="What is lost when something goes wrong or is changed.")
    parser.add_argument("--rounds", type=int, default=1, help="times 2,000 requests for each fault (default 1)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a fault's name; default: all")
    args = parser.parse_args()
    chosen = [fault for fault in FAULTS if not args.names or any(name in fault.name for name in args.names)]
    if not chosen:
        parser.error(f"no fault is called so; there are:\n  {chr(10).join('  ' + fault.name for fault in FAULTS)}")
    with tempfile.TemporaryDirectory(prefix="c756-faults-") as name:
        folder = Path(name)
        base, gateway = free_port_base()
        cluster = Cluster(copy_of_checkout(folder / "checkout"), environment(folder, base, gateway), base, gateway)
        try:
            cluster.run("make", "up", timeout=600)
            print(HEAD, flush=True)
            outcomes = []
            for fault in chosen:
                outcomes.append(measure(cluster, fault, args.rounds * REQUESTS))
                print(outcomes[-1].row(), flush=True)
        finally:
            cluster.run("make", "down", check=False)
    print(f"\n{time.strftime('%Y-%m-%d')}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    return 0 if all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
