"""What mutual TLS and the policies cost: reads of songs through the gateway of a pocket of its own, in three ways.

    .venv/bin/python bench/mtls.py [--rounds 6] [--seconds 4] [--clients 8]

The ways take turns within each round, so that a busy machine is busy for all; printed are medians, and the medians of
the ratios to plain text within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.read_path import load
from bench.stacks import Stack
from tests.e2e.cluster import NAMESPACE, Cluster, copy_of_checkout, environment, free_port_base

_SETTLE = 2.0  # seconds until every Envoy has it: a push takes some 0.2


def _mode(cluster: Cluster, mode: str) -> None:
    patch = json.dumps({"spec": {"mtls": {"mode": mode}}})
    cluster.kubectl("-n", NAMESPACE, "patch", "peerauthentication", "default", "--type=merge", "-p", patch)


def _plain(cluster: Cluster) -> None:
    cluster.kubectl("-n", NAMESPACE, "delete", "authorizationpolicies", "--all")
    _mode(cluster, "DISABLE")


def _encrypted(cluster: Cluster) -> None:
    cluster.kubectl("-n", NAMESPACE, "delete", "authorizationpolicies", "--all")
    _mode(cluster, "STRICT")


def _guarded(cluster: Cluster) -> None:
    cluster.kubectl("apply", "-f", str(cluster.root / "cluster" / "policies.yaml"))


WAYS: dict[str, Callable[[Cluster], None]] = {
    "plain text": _plain,
    "mutual TLS": _encrypted,
    "mutual TLS and policies": _guarded,
}


def measure(cluster: Cluster, rounds: int, seconds: float, clients: int) -> dict[str, list[tuple[float, float]]]:
    """Of each way and round: requests per second, and the 99th percentile in milliseconds."""
    stack = Stack("gateway", cluster.gateway_port, cluster.token, {})
    song = f"/api/v1/music/{cluster.songs[0]['music_id']}"
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for number in range(rounds):
        order = list(WAYS) if number % 2 == 0 else list(reversed(WAYS))
        for name in order:
            WAYS[name](cluster)
            time.sleep(_SETTLE)
            load(stack, "read", clients, 0.5, song)  # connections, and whatever is made at the first request
            result, _ = load(stack, "read", clients, seconds, song)
            times = sorted(result["milliseconds"])  # type: ignore[call-overload]
            found[name].append((len(times) / float(str(result["seconds"])), times[int(len(times) * 0.99)]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="c756-mtls-") as folder:
        base, gateway = free_port_base()
        checkout = copy_of_checkout(Path(folder) / "checkout")
        cluster = Cluster(checkout, environment(Path(folder), base, gateway), base, gateway)
        try:
            cluster.run("make", "up", timeout=600)
            found = measure(cluster, given.rounds, given.seconds, given.clients)
        finally:
            cluster.run("make", "down", check=False)
    plain = found["plain text"]
    print("| way | requests/s | p99, ms | requests/s to plain | p99 to plain |\n|---|---|---|---|---|")
    for name, rows in found.items():
        rates, tails = ([row[index] for row in rows] for index in (0, 1))
        ratios = [
            statistics.median(row[index] / before[index] for row, before in zip(rows, plain, strict=True))
            for index in (0, 1)
        ]
        middle = statistics.median
        print(f"| {name} | {middle(rates):.0f} | {middle(tails):.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    print(
        f"{given.rounds} rounds of {given.seconds:g} s, {given.clients} clients, load average {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
