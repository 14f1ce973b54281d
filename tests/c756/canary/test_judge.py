"""The judge: hand-made counts with a known answer, and simulated releases."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from bench.canary import BOUNDS, SCENARIOS, Scenario, binomial, releases
from c756.canary import judge
from c756.canary.judge import evidence, in_turn, needed, newcombe, quantile, wilson
from c756.canary.steps import Next, Pace
from c756.canary.terms import Block, Counts, Kind, Limits, Links, Verdict

ENDS = (10.0, 25.0, 50.0, 100.0, 250.0)
FAST = (0.5, 0.1, 0.005, 0.0, 0.0)  # of the answers, those above each bound
SLOW = (1.0, 1.0, 1.0, 0.9, 0.0)
LINKS = Links("v2")


def counts(
    requests: int, failed: int = 0, refused: int = 0, slower: Sequence[float] = FAST, mean: float = 12
) -> Counts:
    served = requests - failed
    return Counts(requests, failed, refused, served, tuple(round(served * part) for part in slower), served * mean)


def judged(
    blocks: Sequence[Block],
    share: float | None = 0.1,
    limits: Limits | None = None,
    links: Links = LINKS,
    tried: int = 0,
) -> Verdict:
    return judge.judge(blocks, ENDS, share, limits or Limits(steps=5), links, tried)


def minutes(number: int, canary: Counts, stable: Counts) -> list[Block]:
    return [Block(canary, stable)] * number


# -- the statistics ---------------------------------------------------------------------------------------------------


def test_wilson_is_as_printed() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857, table I: 81 of 263, and 0 of 20, method 3."""
    assert wilson(81, 263, 1.959964) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20, 1.959964) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0, 1.96) == (0.0, 1.0)


def test_newcombe_is_as_printed() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20."""
    assert newcombe(56, 70, 48, 80, 1.959964) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert newcombe(9, 10, 3, 10, 1.959964) == pytest.approx((0.1705, 0.8090), abs=1e-4)
    assert newcombe(10, 10, 0, 20, 1.959964) == pytest.approx((0.6791, 1.0), abs=1e-4)
    assert newcombe(0, 0, 1, 10, 1.96) == (-1.0, 1.0)


def test_evidence_of_equal_versions_is_one_at_most_in_the_mean() -> None:
    """Exactly, over every way in which 6 failures fall on 20 requests of which 5 are the canary's (Hoeffding 1963)."""
    mine, every, failed = 5, 20, 6
    ways = math.comb(every, failed)
    mean = sum(
        math.comb(mine, hits) * math.comb(every - mine, failed - hits) / ways
        * evidence([(hits, failed, mine / every)], judge.MORE)
        for hits in range(mine + 1)
    )  # fmt: skip
    assert 0.2 < mean <= 1


def test_evidence_multiplies_over_intervals_and_ignores_what_both_share() -> None:
    once = evidence([(3, 4, 0.1)], [5.0])
    assert evidence([(3, 4, 0.1), (3, 4, 0.1)], [5.0]) == pytest.approx(once**2)
    assert once > 1 > evidence([(0, 4, 0.1)], [5.0])
    assert evidence([], judge.MORE) == 1
    assert evidence([(1000, 1000, 0.1)], judge.MORE) < math.inf


def test_a_cluster_of_requests_is_one_request() -> None:
    assert evidence([(30, 40, 0.1)], [5.0], cluster=10) == pytest.approx(evidence([(3, 4, 0.1)], [5.0]))


def test_quantiles_are_buckets() -> None:
    assert quantile(counts(1000), ENDS) == (25, 50)
    assert quantile(counts(1000), ENDS, 0.5) == (0, 10)
    assert quantile(counts(100, slower=(1, 1, 1, 1, 1)), ENDS) == (250, math.inf)
    with pytest.raises(ValueError, match="no answers"):
        quantile(counts(0), ENDS)


@pytest.mark.parametrize(("share", "ratio"), list(itertools.product((0.0, 0.001, 0.05), (1.0, 9.0))))
def test_needed_is_the_least_that_suffices(share: float, ratio: float) -> None:
    z = 1.9

    def upper(number: int) -> float:
        unlucky = share + math.sqrt(share * (1 - share) / number)
        return newcombe(unlucky * number, number, share * number * ratio, number * ratio, z)[1]

    least = needed(share, 0.01, z, ratio)
    assert upper(least) <= 0.01 < upper(least - 1)


# -- the verdicts -----------------------------------------------------------------------------------------------------


def test_many_failures_are_worse_after_one_look() -> None:
    verdict = judged(minutes(1, counts(30, 15), counts(270)))
    assert verdict.kind is Kind.WORSE
    assert "v2 fails 50.0%, the other 0.0%" in verdict.why


def test_when_both_fail_nobody_is_worse() -> None:
    """An outage of what is behind them, however large."""
    verdict = judged(minutes(6, counts(50, 20), counts(450, 180)))
    assert verdict.kind is Kind.MORE_DATA


def test_refusals_count_too() -> None:
    """A version that answers 404 to everything has not one 5xx."""
    verdict = judged(minutes(3, counts(30, 0, refused=30), counts(270)))
    assert verdict.kind is Kind.WORSE
    assert "refuses" in verdict.why


def test_fewer_failures_than_the_other_pass() -> None:
    assert judged(minutes(6, counts(500), counts(4500, 450))).kind is Kind.EQUAL


def test_enough_good_requests_pass_and_too_few_do_not() -> None:
    short = judged(minutes(1, counts(200), counts(1800)))
    assert short.kind is Kind.MORE_DATA
    assert not short.tested
    enough = judged(minutes(1, counts(200 + short.missing), counts(1800 + 9 * short.missing)))
    assert (enough.kind, enough.tested) == (Kind.EQUAL, True)


def test_what_is_missing_is_said_with_the_time_it_takes() -> None:
    verdict = judged(minutes(2, counts(10), counts(90)))  # one request per second to the canary
    assert verdict.missing > 250
    assert verdict.wait == verdict.missing
    assert f"{verdict.missing} more requests to it, about {verdict.missing} s at this rate" in verdict.why


def test_one_noisy_minute_rolls_nothing_back() -> None:
    """Two failures of ten in one interval; the other version fails now and then."""
    blocks = [*minutes(5, counts(10), counts(90)), Block(counts(10, 2), counts(90, 1))]
    verdict = judged(blocks)
    assert verdict.kind is Kind.MORE_DATA


def test_a_suspicion_keeps_a_step_from_passing() -> None:
    blocks = minutes(6, counts(100, refused=5), counts(900, refused=9))
    verdict = judged(blocks, limits=Limits(alpha=1e-40))
    assert verdict.kind is Kind.MORE_DATA
    assert "v2 refuses (4xx) 5.0%, the other 1.0%" in verdict.why
    assert judged(minutes(6, counts(100, refused=1), counts(900, refused=9))).kind is Kind.EQUAL


def test_each_look_that_could_have_passed_makes_the_next_one_stricter() -> None:
    blocks = minutes(1, counts(360), counts(3240))
    assert judged(blocks).kind is Kind.EQUAL
    assert judged(blocks, tried=1).kind is Kind.MORE_DATA


def test_a_version_that_is_slower_is_worse_and_says_its_buckets() -> None:
    verdict = judged(minutes(2, counts(50, slower=SLOW, mean=112), counts(450)))
    assert verdict.kind is Kind.WORSE
    assert "P99 of v2 is 100 to 250 ms, of the other 25 to 50 ms" in verdict.why


def test_slower_within_one_bucket_shows_in_the_mean() -> None:
    """22 instead of 12 ms: P99 of both is 25 to 50 ms."""
    slower = (1.0, 0.2, 0.005, 0.0, 0.0)
    verdict = judged(minutes(6, counts(100, slower=slower, mean=22), counts(900)))
    assert verdict.kind is Kind.WORSE
    assert "22 ms in the mean, the other 12 ms" in verdict.why


def test_slower_within_what_is_tolerated_passes() -> None:
    slower = (0.6, 0.12, 0.006, 0.0, 0.0)
    blocks = minutes(6, counts(500, slower=slower, mean=13.5), counts(4500))
    assert judge.slower_evidence(blocks) > 1e5  # no doubt that it is slower
    assert judged(blocks).kind is Kind.EQUAL


def test_times_can_be_left_out() -> None:
    blocks = minutes(8, counts(50, slower=SLOW, mean=112), counts(450))
    assert judged(blocks, limits=Limits(p99=None)).kind is Kind.EQUAL


def test_failures_do_not_make_a_version_faster() -> None:
    """Only answers that are no failures are compared in time."""
    assert counts(100, 50, slower=SLOW).slower == (50, 50, 50, 45, 0)


def test_requests_that_do_not_come_back_are_worse() -> None:
    verdict = judged([Block(Counts(), counts(60)) for _ in range(3)])
    assert verdict.kind is Kind.WORSE
    assert "of about 18 requests that v2 should have had, 0 came back" in verdict.why


def test_requests_that_reached_no_pod_count_where_the_weights_say() -> None:
    """503 from the gateway has no version: with v2's share missing they are v2's, else they are not."""
    assert judged([Block(Counts(), counts(54), 6)] * 4).kind is Kind.WORSE
    assert judged([Block(counts(6), counts(48), 6)] * 4).kind is Kind.MORE_DATA


def test_mirrored_requests_have_no_share() -> None:
    assert judged([Block(Counts(), counts(60))] * 3, share=None).kind is Kind.MORE_DATA


def test_with_everything_the_first_step_is_the_measure() -> None:
    first = minutes(3, counts(20), counts(180))
    now = minutes(3, counts(200), Counts())
    assert judged(in_turn(first, now), share=1.0).kind is Kind.EQUAL
    broken = minutes(3, counts(200, 30), Counts())
    assert judged(in_turn(first, broken), share=1.0).kind is Kind.WORSE
    assert judged(in_turn(first, minutes(1, Counts(), Counts())), share=1.0).kind is Kind.MORE_DATA


def test_with_everything_a_slow_minute_rolls_nothing_back() -> None:
    """It is another minute, with another load, than those of the version that it would be compared with."""
    first, slow = minutes(3, counts(20), counts(180)), minutes(3, counts(200, slower=SLOW, mean=120), Counts())
    assert judged(in_turn(first, slow), share=1.0).kind is Kind.EQUAL
    beside = minutes(3, counts(200, slower=SLOW, mean=120), counts(200))
    assert judged(beside, share=0.5).kind is Kind.WORSE


# -- no data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("links", "words"),
    [
        (Links("v2", prometheus="connection refused"), "Prometheus does not answer: connection refused"),
        (Links("v2", cluster="timeout"), "the cluster does not answer: timeout"),
        (Links("v2", deployed=False), "no such version: there is no Deployment of v2"),
        (Links("v2", sample_age=None), "no scrape: Prometheus has no counter"),
        (Links("v2", sample_age=75), "no scrape: the newest sample of the callers is 75 s old"),
    ],
)
def test_the_missing_link_is_named(links: Links, words: str) -> None:
    """Even where the counts so far would do."""
    verdict = judged(minutes(6, counts(500), counts(4500)), links=links)
    assert verdict.kind is Kind.NO_DATA
    assert words in verdict.why


def test_no_traffic_at_all_and_traffic_that_stops() -> None:
    assert judged(minutes(3, Counts(), Counts())).kind is Kind.NO_DATA
    stopped = [*minutes(3, counts(10), counts(90)), *minutes(3, Counts(), Counts())]
    verdict = judged(stopped)
    assert verdict.kind is Kind.NO_DATA
    assert "no traffic: nobody has called either version for 30 s" in verdict.why
    assert judged(stopped[:-1]).kind is Kind.MORE_DATA


def test_no_ready_pod_is_worse_at_the_second_look() -> None:
    blocks = minutes(1, counts(10), counts(90))
    assert judged(blocks, links=Links("v2", unready_looks=1)).kind is Kind.MORE_DATA
    verdict = judged(blocks, links=Links("v2", unready_looks=2))
    assert (verdict.kind, verdict.why) == (Kind.WORSE, "no pod of v2 is ready")


def test_nothing_counted_is_never_a_verdict_on_the_version() -> None:
    for blocks in ([], minutes(2, Counts(), Counts()), minutes(2, counts(5), Counts())):
        assert judged(blocks).kind in (Kind.MORE_DATA, Kind.NO_DATA)


# -- simulated releases (the whole table: bench/canary.py) ------------------------------------------------------------


def test_binomial_numbers_are_binomial() -> None:
    chance = random.Random(1)
    for number, share in ((20, 0.1), (400, 0.3), (400, 0.97), (5, 0.0), (5, 1.0)):
        found = [binomial(chance, number, share) for _ in range(3000)]
        mean, variance = number * share, number * share * (1 - share)
        assert sum(found) / 3000 == pytest.approx(mean, abs=4 * math.sqrt(variance / 3000) + 1e-9)
        spread = sum((one - mean) ** 2 for one in found) / 3000
        assert spread == pytest.approx(variance, rel=0.2)


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.name.startswith("equal")], ids=lambda one: one.name
)
def test_equal_versions_are_rarely_rolled_back(scenario: Scenario) -> None:
    """Of 8 releases two go wrong in one such test of 400, if each does with 1 %; measured is far less."""
    ends = releases(scenario, Pace(), range(8))
    assert sum(end is Next.ROLL_BACK for end, _ in ends) <= 1
    assert len(BOUNDS) == len(SCENARIOS[0].canary.slower)


@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if not one.name.startswith(("equal", "2 %"))], ids=lambda one: one.name
)
def test_worse_versions_are_found_within_a_minute(scenario: Scenario) -> None:
    ends = releases(scenario, Pace(), range(40))
    assert sum(end is Next.ROLL_BACK and took <= 60 for end, took in ends) >= 38
