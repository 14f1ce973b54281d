"""How often the canary's judge errs, and how fast it finds what is worse: `.venv/bin/python bench/canary.py`.

Prints the table of docs/canary.md. Releases are simulated, request by request as far as chance goes: which version a
request is sent to, whether it fails, which bucket its time falls into. The judge and the steps are the real ones.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist, median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from c756.canary.judge import in_turn, judge
from c756.canary.steps import Next, Pace, Step
from c756.canary.terms import Block, Counts, Limits, Links

BOUNDS = (0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
"""Istio's buckets, in milliseconds; above 10 s nothing is simulated."""
STEPS = (0.05, 0.10, 0.25, 0.50, 1.0)
Times = tuple[float, ...]


def times(middle: float, spread: float = 0.5, more: float = 0.0) -> Times:
    """The share of answers above each bound: log-normal around `middle` ms, `more` ms later."""
    normal = NormalDist(math.log(middle), spread)
    return tuple(1 - normal.cdf(math.log(bound - more)) if bound > more else 1.0 for bound in BOUNDS)


@dataclass(frozen=True)
class Version:
    """How a version answers."""

    fails: float
    slower: Times = field(default_factory=lambda: times(12))
    returns: float = 1.0  # the share of its requests that comes back at all


@dataclass(frozen=True)
class Scenario:
    """A release: two versions, requests per second, the steps."""

    name: str
    canary: Version
    stable: Version
    rate: float
    steps: tuple[float, ...] = STEPS
    outage: float = 0.0  # the share that both fail in one interval of six


HEALTHY = Version(0.001)
AT_TEN = (0.10,)
SCENARIOS = (
    Scenario("equal, 0.1 % errors, 50/s", HEALTHY, HEALTHY, 50),
    Scenario("5 % errors over 0.1 %, 50/s", Version(0.05), HEALTHY, 50, AT_TEN),
    Scenario("50 % errors over none (the buggy v2), 5/s", Version(0.5), Version(0.0), 5, AT_TEN),
    Scenario("100 ms slower, 50/s", Version(0.001, times(12, more=100)), HEALTHY, 50, AT_TEN),
    Scenario("100 ms slower, 5/s", Version(0.001, times(12, more=100)), HEALTHY, 5, AT_TEN),
    Scenario("hangs: nothing comes back, 5/s", Version(0.0, returns=0.0), HEALTHY, 5, AT_TEN),
    Scenario("2 % errors over 0.1 %, 50/s", Version(0.02), HEALTHY, 50, AT_TEN),
    Scenario("equal, 0.1 % errors, 5/s", HEALTHY, HEALTHY, 5, (0.10, 0.50, 1.0)),
    Scenario("equal, 5 % errors, 50/s", Version(0.05), Version(0.05), 50, (0.10, 0.50, 1.0)),
    Scenario("equal; both fail 30 % for 10 s each minute, 50/s", HEALTHY, HEALTHY, 50, (0.10, 0.50), 0.3),
)
"""The last three take long: 10,000 releases of each some 20 minutes."""


def binomial(chance: random.Random, number: int, share: float) -> int:
    """How many of `number` happen. Exact: split at the middle one in order while there are many (Relles, JASA, 1972),
    then by the distances between them.
    """
    found = 0
    while number * min(share, 1 - share) > 10:
        middle = number // 2 + 1
        where = chance.betavariate(middle, number + 1 - middle)
        if where <= share:
            found, number, share = found + middle, number - middle, (share - where) / (1 - where)
        else:
            number, share = middle - 1, share / where
    if share > 0.5:
        return found + number - binomial(chance, number, 1 - share)
    if share <= 0 or number == 0:
        return found
    at, log = 0, math.log1p(-share)
    while (at := at + math.floor(math.log(1 - chance.random()) / log) + 1) <= number:
        found += 1
    return found


def answers(chance: random.Random, sent: int, version: Version, outage: float) -> Counts:
    """What a version answers to so many requests."""
    requests = binomial(chance, sent, version.returns)
    failed = binomial(chance, requests, max(version.fails, outage))
    served = requests - failed
    slower, left, before = [], served, 1.0
    for share in version.slower:
        left = binomial(chance, left, share / before) if share else 0
        slower.append(left)
        before = share or 1.0
    return Counts(requests, failed, 0, served, tuple(slower), _millis(served, slower))


def _millis(served: int, slower: list[int]) -> float:
    """A mean inside each bucket is as good as any: both versions have the same."""
    within = [above - below for above, below in zip([served, *slower], [*slower, 0], strict=True)]
    middles = [(low + high) / 2 for low, high in zip((0.0, *BOUNDS), (*BOUNDS, 2 * BOUNDS[-1]), strict=True)]
    return sum(number * middle for number, middle in zip(within, middles, strict=True))


def release(scenario: Scenario, pace: Pace, seed: int) -> tuple[Next, float]:
    """How one release ends (ADVANCE: it was promoted), and after how many seconds."""
    chance = random.Random(seed)  # noqa: S311  a simulation that can be repeated
    limits = Limits(steps=len(scenario.steps))
    links = Links("v2", look=pace.look)
    began, earlier = 0.0, list[Block]()
    for share in scenario.steps:
        step, blocks, following = Step(pace), list[Block](), Next.LOOK
        while following is Next.LOOK:
            sent = round(scenario.rate * pace.look)
            mine = binomial(chance, sent, share)
            outage = scenario.outage if len(blocks) % 6 == 5 else 0.0
            blocks.append(
                Block(
                    answers(chance, mine, scenario.canary, outage),
                    answers(chance, sent - mine, scenario.stable, outage),
                )
            )
            compared = in_turn(earlier, blocks) if share >= 1 else blocks
            verdict = judge(compared, BOUNDS, share, limits, links, step.tried)
            following = step.after(verdict, len(blocks) * pace.look)
        began += len(blocks) * pace.look
        if following is not Next.ADVANCE:
            return following, began
        earlier = earlier or blocks
    return Next.ADVANCE, began


def releases(scenario: Scenario, pace: Pace, seeds: range) -> list[tuple[Next, float]]:
    return [release(scenario, pace, seed) for seed in seeds]


def row(scenario: Scenario, ends: list[tuple[Next, float]]) -> str:
    """One row of the table."""
    number = len(ends)
    back = [took for end, took in ends if end is Next.ROLL_BACK]
    promoted = [took for end, took in ends if end is Next.ADVANCE]
    soon = sum(took <= 60 for took in back)

    def share(found: int) -> str:
        return f"{100 * found / number:.2f} %"

    cells = (
        scenario.name,
        f"{number:,}",
        share(len(back)),
        share(soon),
        _middle(back),
        share(len(promoted)),
        _middle(promoted),
        share(number - len(back) - len(promoted)),
    )
    return f"| {' | '.join(cells)} |"


def _middle(seconds: list[float]) -> str:
    return f"{median(seconds):.0f} s" if seconds else ""


HEAD = ("release", "simulated", "rolled back", "within 60 s", "median", "promoted", "median", "no verdict")


def _say(text: str) -> None:
    print(text, flush=True)


def main(say: Callable[[str], None] = _say) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--releases", type=int, default=10_000)
    parser.add_argument("--skip", type=int, default=0, help="so many rows of the table, which are known")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    say(f"| {' | '.join(HEAD)} |")
    say("|---" * len(HEAD) + "|")
    pace, size = Pace(), max(1, options.releases // 100)
    with ProcessPoolExecutor(options.processes) as pool:
        for scenario in SCENARIOS[options.skip :]:
            parts = [
                pool.submit(releases, scenario, pace, range(at, min(at + size, options.releases)))
                for at in range(0, options.releases, size)
            ]
            say(row(scenario, [end for part in parts for end in part.result()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
