"""How long the graph's JSON takes for a big mesh: 50 services and 300 edges, after Prometheus has answered.

    python bench/graph.py [--repeat 20]

Prints the slowest and the middle of some runs in milliseconds: rows to traffic map to JSON text, with every appender,
and the snapshot's picture beside it. Exits with 1 when the slowest JSON takes 300 ms or more.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from graph import pipeline, svg
from graph.params import GraphOptions
from tests.graph import promql, test_golden, world

TARGET_MILLIS = 300.0


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeat", type=int, default=20)
    repeat = arguments.parse_args().repeat
    options = GraphOptions((world.NS,), "versionedApp", 60, 1_700_000_000, inject_service_nodes=True)
    cluster = test_golden.cluster("big")
    asked = pipeline.plan(options, cluster)
    rows = promql.rows(asked.texts(), "big")
    print(f"{len(asked.texts())} queries, {sum(map(len, rows.values()))} rows")
    taken = []
    for _ in range(repeat):
        began = time.perf_counter()
        result, _ = pipeline.traffic_map(asked, rows, cluster)
        graph = pipeline.to_json(options, result)
        text = json.dumps(graph)
        taken.append(1000 * (time.perf_counter() - began))
    elements = graph["elements"]
    print(f"{len(elements['nodes'])} nodes, {len(elements['edges'])} edges, {len(text)} bytes")
    print(f"JSON: slowest {max(taken):.0f} ms, middle {statistics.median(taken):.0f} ms (target {TARGET_MILLIS:.0f})")
    began = time.perf_counter()
    svg.draw(graph)
    print(f"picture: {1000 * (time.perf_counter() - began):.0f} ms")
    return 0 if max(taken) < TARGET_MILLIS else 1


if __name__ == "__main__":
    sys.exit(main())
