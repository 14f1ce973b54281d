"""How many instructions of the processor a read costs each service, ours and the plain form: counted, not timed.

    .venv/bin/python bench/instructions.py [--requests 100] [--other DIR]

The services run under valgrind's callgrind, twice: with a few requests, and with so many more. The difference is what
these cost, and what else the machine does changes nothing; two runs differ by about a percent. The kernel's own work
(sockets) is not counted. Needs valgrind (Debian: apt-get install valgrind), and some minutes.
"""

from __future__ import annotations

import argparse
import http.client
import re
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import stacks
from bench.read_path import SONG
from bench.stacks import ROOT, START_SECONDS, Stack

_FEW = 10  # requests after which what is made on first use is made


def ask(stack: Stack, requests: int) -> None:
    """Reads a song so often, one after the other; SystemExit where one is not answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=START_SECONDS)
    for _ in range(requests):
        connection.request("GET", SONG, headers={"Authorization": f"Bearer {stack.token}"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"{stack.name} answered {answer.status}")


def counted(name: str, checkout: Path, requests: int) -> dict[str, int]:
    """Instructions that s2 and db execute from their start to their end, `requests` reads in between."""
    with tempfile.TemporaryDirectory(prefix="c756-bench-") as scratch:
        folder = Path(scratch)
        counts = f"--callgrind-out-file={folder}/%q{{PORT}}.%p.count"
        before = ["valgrind", "--quiet", "--vgdb=no", "--tool=callgrind", counts]
        with ExitStack() as started:
            url, _ = stacks.dynamodb(started, folder)
            if name == "plain":
                stack = stacks.plain(started, folder, url, before)
            else:
                stack = stacks.ours(started, folder, url, checkout, name, before=before)
            ask(stack, requests)
        sums = dict.fromkeys(("s2", "db"), 0)
        for file in folder.glob("*.count"):
            found = re.search(r"^(?:summary|totals): (\d+)", file.read_text(), re.MULTILINE)
            if found is None:
                raise SystemExit(f"{file.name} has no sum of instructions")
            sums["s2" if int(file.name.split(".")[0]) == stack.port else "db"] += int(found[1])
    return sums


def main() -> None:
    """Measures each stack in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--other", type=Path, help="another checkout to compare with")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        raise SystemExit("valgrind is not there: apt-get install valgrind")
    print("| stack | s2 | db | both | ratio |\n|---|---|---|---|---|")
    compared = {"plain": ROOT, "ours": ROOT} | ({"other": options.other.resolve()} if options.other else {})
    plain = 0.0
    for name, checkout in compared.items():
        few, more = (counted(name, checkout, _FEW + requests) for requests in (0, options.requests))
        each = {part: (more[part] - few[part]) / options.requests for part in few}
        both = sum(each.values())
        plain = plain or both
        print(f"| {name} | {each['s2']:,.0f} | {each['db']:,.0f} | {both:,.0f} | {plain / both:.2f} |", flush=True)


if __name__ == "__main__":
    main()
