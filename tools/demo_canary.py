"""The story without a person: `make demo CANARY=1`. A judge rolls the buggy version back, and promotes the mended."""

from __future__ import annotations

import collections
import json
import subprocess
from typing import TYPE_CHECKING, Any

from tools.demo_measure import Finding, none_of, share

if TYPE_CHECKING:
    from tools.demo import Demo, Load

OPTIONS = ("--steps", "50,100", "--every", "15s", "--look", "5s", "--max-p99", "+100%")
"""Larger steps than by default: a step needs 350 requests to version 2, and there are 30 in a second. Times may double:
everything is on one machine, and one of the two pods has less to do."""


def story(demo: Demo, load: Load) -> None:
    """What a person sees, and what is checked of it."""
    demo.step("1. Version 2 as it is. The judge sees what it fails, and takes its traffic away")
    end, looks = _canary(demo)
    demo.judge(_is("the buggy version", "rolled back", end), _is("the verdict", "worse", looks[-1]["verdict"]))
    demo.judge(share("failures of v2", 0.5, looks[-1]["v2"]["failed"], looks[-1]["v2"]["requests"], least=10))
    demo.judge(none_of("failures of v1", looks[-1]["v1"]["failed"]))
    lost = {status: count for status, count in load.answers.items() if status not in ("200", "500")}
    demo.judge(none_of("requests lost by the switching", sum(lost.values()), str(lost) if lost else ""))
    now = demo.measure(5)
    demo.judge(none_of("requests to v2 afterwards", now.of("v2")))

    demo.step("2. Version 2 mended (PERCENT_ERROR = 0). The judge promotes it step by step")
    demo.set_percent_error(0)
    before = collections.Counter(load.answers)
    end, _ = _canary(demo)
    demo.judge(_is("the mended version", "promoted", end))
    now = demo.measure(5)
    demo.judge(share("share of v2", 1, now.of("v2"), now.total))
    lost = {status: count for status, count in (load.answers - before).items() if status != "200"}
    demo.judge(none_of("requests lost in step 2", sum(lost.values()), str(lost) if lost else ""))


def _is(what: str, expected: str, measured: str) -> Finding:
    return Finding(what, expected, measured, expected == measured)


def _canary(demo: Demo) -> tuple[str, list[dict[str, Any]]]:
    """How it ended, and its looks; each is shown while it runs."""
    print(f"  $ tools/canary.sh v2 {' '.join(OPTIONS)}", flush=True)
    looks, end = [], "it said nothing"
    command = ["tools/canary.sh", "v2", *OPTIONS, "--json"]
    with subprocess.Popen(
        command, cwd=demo.scratch, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        for line in process.stdout or ():
            found = json.loads(line)
            if found["event"] == "end":
                end = found["result"]
                print(f"    {found['why']}", flush=True)
            else:
                looks.append(found)
                counts = (f"{one} {found[one]['failed']} of {found[one]['requests']} failed" for one in ("v2", "v1"))
                print(f"    {found['step']}: {', '.join(counts)}; {found['verdict']}: {found['why']}", flush=True)
    return end, looks
