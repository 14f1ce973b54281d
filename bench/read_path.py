"""How many requests the services serve, and what each costs, beside the plain form of the same services.

    .venv/bin/python bench/read_path.py [--clients 1 8 32 128] [--kinds read write list] [--rounds 5] [--seconds 2]
    .venv/bin/python bench/read_path.py --other DIR     another checkout's services as a third stack: before and after
    .venv/bin/python bench/read_path.py --mesh          both through a gateway and sidecars, each in a pocket
    .venv/bin/python bench/read_path.py --profile       where the CPU goes: the functions of s2 and of db

The same constant DynamoDB stands behind all of them. The stacks take turns within each round, so that a busy machine
is busy for all; medians over the rounds are printed, and ratios to the plain form. CPU per request hardly depends
on what else runs, requests per second do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import meshed, profiling, stacks
from bench.stacks import Stack

_LOAD = Path(__file__).with_name("load.py")
SONG = "/api/v1/music/6ecfafd0-8a35-4af6-a9e2-cbd79b3abeea"
KINDS = ("read", "write", "list")


@dataclass
class Cell:
    """The rounds of one stack with one kind of request and one number of clients."""

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # milliseconds per request


def request_of(kind: str, token: str, port: int, song: str = SONG) -> str:
    """The request as it goes over the wire."""
    head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
    if kind == "read":
        return f"GET {song} HTTP/1.1\r\n{head}\r\n"
    if kind == "list":
        return f"GET /api/v1/music/?limit=100 HTTP/1.1\r\n{head}\r\n"
    body = json.dumps({"Artist": "Taylor Swift", "SongTitle": "The Last Great American Dynasty"})
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST /api/v1/music/ HTTP/1.1\r\n{head}{length}\r\n{body}"


def load(stack: Stack, kind: str, clients: int, seconds: float, song: str = SONG) -> tuple[dict[str, object], float]:
    """What the clients saw, and the CPU seconds of the clients; raises SystemExit where an answer was not 200."""
    job = {"host": "127.0.0.1", "port": stack.port, "request": request_of(kind, stack.token, stack.port, song)}
    before = os.times()
    done = subprocess.run(
        [sys.executable, str(_LOAD)],
        input=json.dumps(job | {"clients": clients, "seconds": seconds}),
        capture_output=True, text=True, timeout=seconds + 120, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{stack.name}, {kind}, {clients} clients: {done.stderr}")
    after = os.times()
    result: dict[str, object] = json.loads(done.stdout)
    if set(result["statuses"]) != {"200"}:  # type: ignore[call-overload]
        raise SystemExit(f"{stack.name}, {kind}, {clients} clients: answers {result['statuses']}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return result, used


def measure(stack: Stack, kind: str, clients: int, seconds: float, cell: Cell) -> None:
    """One round, added to `cell`."""
    before = stack.cpu()
    result, used = load(stack, kind, clients, seconds)
    after = stack.cpu()
    taken = sorted(result["milliseconds"])  # type: ignore[call-overload]
    cell.rates.append(len(taken) / result["seconds"])  # type: ignore[operator]
    cell.p50.append(taken[len(taken) // 2])
    cell.p99.append(taken[min(len(taken) - 1, len(taken) * 99 // 100)])
    for name, seconds_used in after.items():
        cell.cpu[name].append((seconds_used - before[name]) * 1000 / len(taken))
    cell.cpu["clients"].append(used * 1000 / len(taken))


def table(cells: dict[tuple[str, int, str], Cell], reference: str) -> list[str]:
    """The medians as a Markdown table; ratios are to the stack `reference`, round by round."""
    lines = [
        "| request | clients | stack | requests/s | ratio | p50 ms | p99 ms | ratio | CPU ms per request |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (kind, clients, name), cell in cells.items():
        base = cells[kind, clients, reference]
        rate = statistics.median(mine / its for mine, its in zip(cell.rates, base.rates, strict=True))
        tail = statistics.median(mine / its for mine, its in zip(cell.p99, base.p99, strict=True))
        cpu = {part: statistics.median(values) for part, values in cell.cpu.items()}
        parts = ", ".join(f"{part} {value:.2f}" for part, value in cpu.items())
        lines.append(
            f"| {kind} | {clients} | {name} | {statistics.median(cell.rates):.0f} | {rate:.1f} |"
            f" {statistics.median(cell.p50):.1f} | {statistics.median(cell.p99):.1f} | {tail:.2f} | {parts} |"
        )
    return lines


def compare(
    compared: list[Stack], kinds: list[str], clients: list[int], rounds: int, seconds: float
) -> dict[tuple[str, int, str], Cell]:
    """All rounds of everything; each second round goes through the stacks the other way round."""
    cells = {(kind, count, stack.name): Cell() for kind in kinds for count in clients for stack in compared}
    for stack in compared:
        for kind in kinds:
            load(stack, kind, 2, 0.5)  # what is made on first use is made
    for number in range(rounds):
        for kind in kinds:
            for count in clients:
                for stack in compared if number % 2 == 0 else compared[::-1]:
                    stacks.settle()
                    measure(stack, kind, count, seconds, cells[kind, count, stack.name])
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return cells


def profile(folder: Path, kind: str, seconds: float) -> list[str]:
    """Where the CPU goes under requests of one `kind` from 8 clients."""
    with ExitStack() as started:
        url, _ = stacks.dynamodb(started, folder)
        stack = stacks.ours(started, folder, url, settings="bench.profiled_conf")
        load(stack, kind, 8, seconds)
    return [line for name in ("s2", "db") for line in profiling.report(name, folder / f"ours-{name}.json")]


def main() -> None:
    """Starts what is compared, loads it, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--other", type=Path, help="another checkout to compare with")
    parser.add_argument("--mesh", action="store_true")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="c756-bench-") as name, ExitStack() as started:
        folder = Path(name)
        if options.profile:
            print("\n".join(profile(folder, options.kinds[0], options.seconds)))
            return
        url, _ = stacks.dynamodb(started, folder)
        if options.mesh:
            compared = [meshed.stack(started, folder / name, name, url) for name in ("plain", "ours")]
        else:
            compared = [stacks.plain(started, folder, url), stacks.ours(started, folder, url)]
        if options.other:
            compared.insert(1, stacks.ours(started, folder, url, options.other.resolve(), "other"))
        cells = compare(compared, options.kinds, options.clients, options.rounds, options.seconds)
    print("\n".join(table(cells, "plain")))
    print(f"\nLoad average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {options.rounds} rounds.")


if __name__ == "__main__":
    main()
