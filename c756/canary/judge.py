"""Is the canary worse than the stable version? Statistics only: counts in, a verdict out, no I/O.

1. **Same minutes.** Both versions are counted in the same intervals (`Block`). The mesh sends each request to one of
   them by lot. If they are equal, then of all requests of an interval, and also of all its failed ones, the canary has
   its share by chance alone: however many fail, whatever else happens then, in bursts or not.
2. **Looking often costs nothing.** The evidence is a likelihood ratio: how much better "the canary fails R times as
   often" explains the counts than "equally often", averaged over some R (Wald's test of two proportions, Sequential
   Analysis, 1947; as a mixture SPRT: Robbins 1970, Johari et al., "Always Valid Inference", Operations Research 2022).
   Given the totals, the canary's failures are hypergeometric; the ratio here is the binomial one, whose mean is then at
   most 1 (Hoeffding 1963, theorem 4). So it is a test supermartingale: with equal versions it ever reaches 1/alpha with
   a probability of at most alpha, however often one looks (Ville 1939).
3. **Worse** needs that evidence and a difference above what is tolerated. **Better or equal** needs that the upper end
   of Newcombe's interval of the difference (Statistics in Medicine 17, 1998, method 10) is not above it. That is tested
   when an equal version would pass (the failures of the stable one say when), and again each time there are 1.5 times
   as many requests; the k-th test spends 6/(pi k)^2 of 5 %. Before, only what is far better passes, at 3.5 standard
   errors (Haybittle 1971, Peto 1976: looks at such a bound hardly cost anything). Else: **not enough data yet**.
4. Times are counts too: answers slower than each bound of the histogram. Where a percentile lies inside its bucket is
   not known, so percentiles are intervals, and are told apart only where their intervals are.
5. Requests that never come back are in no count of answers. They show as a share that is too small for the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import NormalDist

from c756.canary.terms import Block, Counts, Kind, Limits, Links, Verdict

Interval = tuple[float, float]

MORE = (1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
"""How many times as often the canary may fail, if it is worse."""
FEWER = (0.5, 0.25, 0.1, 0.01)
"""Which part of its requests may come back, if some do not."""
PASS_ALPHA = 0.05  # of a version that is worse by just what is tolerated, so many pass a step
EARLY = 3.5  # standard errors
GROWTH = 1.5  # how many more requests each next test for a pass waits for
QUIET = 30.0  # seconds without a request, after which there is no traffic
SUSPICION = 10.0  # evidence from which on a step is not passed ("strong": Jeffreys 1961, appendix B)
QUANTILE = 0.99
LEAST = math.ceil(math.log(PASS_ALPHA) / math.log(QUANTILE))
"""Answers of which the slowest lies above the 99th percentile in 95 of 100 cases: with fewer nothing is known of it."""


def evidence(hits: Sequence[tuple[int, int, float]], ratios: Sequence[float], cluster: float = 1.0) -> float:
    """How much better "`ratio` times as often", averaged over the ratios, explains the hits than "as often".

    Each of `hits`: the canary's, those of both versions, and the canary's share (0 to 1) of what they are among.
    """
    logs = [
        sum(mine * math.log(ratio) - every * math.log(share * ratio + 1 - share) for mine, every, share in hits)
        for ratio in ratios
    ]
    return sum(math.exp(min(700.0, log / cluster)) for log in logs) / len(logs)


def wilson(hits: float, number: float, z: float) -> Interval:
    """Wilson's interval for a share (JASA 22, 1927)."""
    if number == 0:
        return (0.0, 1.0)
    share, square = hits / number, z * z
    middle = (share + square / (2 * number)) / (1 + square / number)
    half = z / (1 + square / number) * math.sqrt(share * (1 - share) / number + square / (4 * number**2))
    return (max(0.0, middle - half), min(1.0, middle + half))


def newcombe(hits: float, number: float, other_hits: float, other_number: float, z: float) -> Interval:
    """The interval of the first share minus the second."""
    if number == 0 or other_number == 0:
        return (-1.0, 1.0)
    share, other = hits / number, other_hits / other_number
    (low, high), (other_low, other_high) = wilson(hits, number, z), wilson(other_hits, other_number, z)
    difference = share - other
    return (
        difference - math.hypot(share - low, other_high - other),
        difference + math.hypot(high - share, other - other_low),
    )


def quantile(counts: Counts, bounds: Sequence[float], share: float = QUANTILE) -> Interval:
    """The bucket, in milliseconds, that the quantile lies in. Raises ValueError without answers."""
    if not counts.served:
        raise ValueError("no answers, no quantile")
    below = 0.0
    for bound, slower in zip(bounds, counts.slower, strict=True):
        if slower <= (1 - share) * counts.served:
            return (below, bound)
        below = bound
    return (below, math.inf)


def needed(share: float, tolerated: float, z: float, ratio: float) -> int:
    """Requests to the canary after which five of six equal versions pass: both fail in `share` of the cases, the canary
    with one standard error of bad luck; the other has `ratio` times as many requests.
    """

    def upper(number: int) -> float:
        unlucky = min(1.0, share + math.sqrt(share * (1 - share) / number))
        return newcombe(unlucky * number, number, share * number * ratio, number * ratio, z)[1]

    low, high = 1, 1
    while upper(high) > tolerated:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if upper(middle) > tolerated else (low, middle)
    return high


def in_turn(earlier: Sequence[Block], now: Sequence[Block]) -> list[Block]:
    """For the time when the canary has everything: its intervals beside those of the stable version in the first step,
    when that had nearly everything. Not the same minutes, so this is the weaker comparison.
    """
    pairs = zip(now, earlier, strict=False)
    return [Block(mine.canary, before.stable, mine.nowhere) for mine, before in pairs]


def judge(
    blocks: Sequence[Block],
    bounds: Sequence[float],
    share: float | None,
    limits: Limits,
    links: Links,
    passes_tried: int = 0,
) -> Verdict:
    """The verdict on a step.

    `share`: the canary's part of the requests by the weights (0 to 1), None where it is not known (mirrored requests).
    `passes_tried`: how many looks at this step were `tested` so far.
    """
    if missing_link := _missing_link(blocks, links):
        return Verdict(Kind.NO_DATA, missing_link)
    if links.unready_looks >= 2:
        return Verdict(Kind.WORSE, f"no pod of {links.version} is ready")
    if why := _lost(blocks, share, limits, links.version):
        return Verdict(Kind.WORSE, why)

    alone = share is not None and share >= 1
    if alone:  # a time is one of its minutes and of its load: beside another time's it says nothing of the version
        limits = replace(limits, p99=None)
    both = totals(blocks)
    suspicions = []
    for text, found in _differences(blocks, both, bounds, limits, links.version):
        if found >= limits.threshold:
            return Verdict(Kind.WORSE, f"{text} (evidence {found:.0e}, needed {limits.threshold:.0e})")
        if found >= SUSPICION:
            suspicions.append(text)
    if alone:
        return _confirmed(both[0], suspicions)
    return _enough(both, limits, len(blocks) * links.look, passes_tried, suspicions)


def _differences(
    blocks: Sequence[Block], both: tuple[Counts, Counts], bounds: Sequence[float], limits: Limits, version: str
) -> Iterator[tuple[str, float]]:
    """What is worse by more than is tolerated, each with its evidence."""
    canary, stable = both
    for what, mine, theirs in (
        ("fails", [block.canary.failed for block in blocks], [block.stable.failed for block in blocks]),
        ("refuses (4xx)", [block.canary.refused for block in blocks], [block.stable.refused for block in blocks]),
    ):
        part, other = _part(sum(mine), canary.requests), _part(sum(theirs), stable.requests)
        if part - other > limits.errors:
            found = evidence(_hits(blocks, mine, theirs), MORE, limits.cluster)
            yield f"{version} {what} {part:.1%}, the other {other:.1%}", found
    if limits.p99 is not None and (text := _slower(canary, stable, bounds, limits.p99, version)):
        yield text, slower_evidence(blocks, limits.cluster)


def _missing_link(blocks: Sequence[Block], links: Links) -> str:
    if links.prometheus:
        return f"Prometheus does not answer: {links.prometheus}"
    if links.cluster:
        return f"the cluster does not answer: {links.cluster}"
    if not links.deployed:
        return f"no such version: there is no Deployment of {links.version}"
    if links.sample_age is None:
        return "no scrape: Prometheus has no counter of requests to this service. Was there traffic? Is it in the mesh?"
    if links.sample_age > links.stale_after:
        return f"no scrape: the newest sample of the callers is {links.sample_age:.0f} s old"
    quiet = max(1, round(QUIET / links.look))
    if len(blocks) >= quiet and not any(block.total for block in blocks[-quiet:]):
        return f"no traffic: nobody has called either version for {quiet * links.look:.0f} s"
    return ""


def _hits(blocks: Sequence[Block], mine: Sequence[int], theirs: Sequence[int]) -> list[tuple[int, int, float]]:
    """The intervals in which both versions had requests: the others compare nothing."""
    return [
        (one, one + other, block.canary.requests / (block.canary.requests + block.stable.requests))
        for block, one, other in zip(blocks, mine, theirs, strict=True)
        if block.canary.requests and block.stable.requests and one + other
    ]


def slower_evidence(blocks: Sequence[Block], cluster: float = 1.0) -> float:
    """The evidence that the canary's answers take longer: that of each bound of the histogram, averaged."""
    usable = [block for block in blocks if block.canary.served and block.stable.served]
    size = max((len(block.canary.slower) for block in usable), default=0)
    if not size:
        return 1.0
    shares = [block.canary.served / (block.canary.served + block.stable.served) for block in usable]
    found = []
    for index in range(size):
        mine = [block.canary.slower[index] for block in usable]
        every = [one + block.stable.slower[index] for one, block in zip(mine, usable, strict=True)]
        found.append(evidence(list(zip(mine, every, shares, strict=True)), MORE, cluster))
    return sum(found) / size


def _slower(canary: Counts, stable: Counts, bounds: Sequence[float], tolerated: float, version: str) -> str:
    """What is above the tolerated: the 99th percentile whatever its place in the bucket, or the mean. Else nothing."""
    if not (canary.served and stable.served):
        return ""
    mine, other = quantile(canary, bounds), quantile(stable, bounds)
    if mine[0] >= other[1] * (1 + tolerated):
        return f"P99 of {version} is {mine[0]:g} to {mine[1]:g} ms, of the other {other[0]:g} to {other[1]:g} ms"
    if canary.mean > stable.mean * (1 + tolerated):
        return f"{version} takes {canary.mean:.0f} ms in the mean, the other {stable.mean:.0f} ms"
    return ""


def _lost(blocks: Sequence[Block], share: float | None, limits: Limits, version: str) -> str:
    if share is None or share >= 1:
        return ""
    hits = [(block.canary.requests, block.total, share) for block in blocks]
    if evidence(hits, FEWER, limits.cluster) < limits.threshold:
        return ""
    return (
        f"of about {share * sum(block.total for block in blocks):.0f} requests that {version} should have had, "
        f"{totals(blocks)[0].requests} came back: it hangs, has no pod, or the weights are not in force"
    )


def _confirmed(canary: Counts, suspicions: Sequence[str]) -> Verdict:
    """With all of the traffic nothing is left to compare with in the same minutes. The steps before were the test."""
    if not canary.requests:
        return Verdict(Kind.MORE_DATA, "no request yet")
    if suspicions:
        return Verdict(Kind.MORE_DATA, "; ".join(suspicions))
    return Verdict(Kind.EQUAL, "no worse than the other was in the first step")


def _enough(
    both: tuple[Counts, Counts], limits: Limits, seconds: float, passes_tried: int, suspicions: Sequence[str]
) -> Verdict:
    canary, stable = both
    if not stable.requests:
        return Verdict(Kind.MORE_DATA, "the stable version has had no request to compare with")
    size, z = limits.cluster, _z(passes_tried)
    ratio = stable.requests / max(1, canary.requests)
    theirs = stable.failed / stable.requests
    least = LEAST if limits.p99 is not None else 1
    due = math.ceil(max(needed(theirs, limits.errors, _z(0), ratio), least) * size * GROWTH**passes_tried)
    tested = canary.requests >= due
    if tested or canary.requests >= least * size:
        z = z if tested else EARLY
        high = newcombe(canary.failed / size, canary.requests / size, stable.failed / size, stable.requests / size, z)[
            1
        ]
        if not suspicions and high <= limits.errors:
            return Verdict(Kind.EQUAL, f"at most {max(0.0, high):.2%} more errors", tested=tested)
    lack = math.ceil(due * GROWTH if tested else due) - canary.requests
    rate = canary.requests / seconds if seconds else 0.0
    wait = lack / rate if rate else math.inf
    missing = f"{lack} more requests to it" + (f", about {wait:.0f} s at this rate" if rate else "")
    return Verdict(Kind.MORE_DATA, "; ".join([missing, *suspicions]), lack, wait, tested)


def _z(tried: int) -> float:
    """For the next look that could pass, after so many."""
    return NormalDist().inv_cdf(1 - PASS_ALPHA * 6 / (math.pi * (tried + 1)) ** 2)


def totals(blocks: Sequence[Block]) -> tuple[Counts, Counts]:
    """What the canary and the stable version answered in all of them."""
    return Counts.total([block.canary for block in blocks]), Counts.total([block.stable for block in blocks])


def _part(hits: int, number: int) -> float:
    return hits / number if number else 0.0
