"""From scraped counters to counts: resets, new series, pods that come and go, scrapes that are missing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from c756.canary import counts
from c756.canary.counts import BUCKET, REQUESTS, SUM, Series
from c756.canary.terms import Block, Counts

GATEWAY = {"pod": "gateway-1", "instance": "127.0.0.1:1", "namespace": "istio-system"}
OTHER_GATEWAY = {"pod": "gateway-2", "instance": "127.0.0.1:2", "namespace": "istio-system"}


def series(
    samples: Mapping[float, float],
    version: str = "v1",
    code: str = "200",
    name: str = REQUESTS,
    pod: Mapping[str, str] = GATEWAY,
    **labels: str,
) -> Series:
    found = {"__name__": name, "destination_version": version, "response_code": code, **pod, **labels}
    return Series(found, tuple(samples.items()))


def blocks(*found: Series, start: float = 100, look: float = 10, number: int = 3) -> list[Block]:
    return counts.blocks(found, start, look, number, canary="v2", stable="v1")


def requests(found: list[Block]) -> list[tuple[int, int]]:
    return [(block.canary.requests, block.stable.requests) for block in found]


def test_each_interval_gets_what_was_counted_in_it() -> None:
    found = blocks(
        series({98: 50, 103: 60, 108: 70, 113: 90, 118: 100, 123: 130}), series({103: 1, 108: 2, 113: 6}, version="v2")
    )
    assert requests(found) == [(1, 10), (4, 30), (0, 30)]


def test_what_was_counted_across_the_start_belongs_to_the_step_before() -> None:
    assert requests(blocks(series({98: 50, 103: 90, 108: 91}))) == [(0, 1), (0, 0), (0, 0)]


def test_a_counter_that_was_reset_has_risen_from_zero() -> None:
    assert requests(blocks(series({103: 1000, 108: 1010, 113: 4, 118: 9}))) == [(0, 10), (0, 9), (0, 0)]


def test_the_first_failures_of_a_version_count() -> None:
    """The series begins with 5; `increase()` would see nothing. The pod was scraped before, without it."""
    found = blocks(series({103: 10, 108: 20, 113: 30}), series({113: 5}, version="v2", code="500"))
    assert [block.canary.failed for block in found] == [0, 5, 0]


def test_the_first_scrape_of_a_pod_tells_nothing() -> None:
    """Its counters may be old: Prometheus may have lost its data, or the pod is new to it."""
    found = blocks(series({103: 10, 108: 20}), series({108: 7000, 113: 7010}, pod=OTHER_GATEWAY))
    assert requests(found) == [(0, 10), (0, 10), (0, 0)]


def test_what_came_while_prometheus_was_away_counts_when_it_is_back() -> None:
    found = blocks(series({103: 10, 128: 60}), series({103: 1, 128: 6}, version="v2"))
    assert requests(found) == [(0, 0), (0, 0), (5, 50)]


def test_a_series_that_ends_counts_as_far_as_it_goes() -> None:
    assert requests(blocks(series({103: 10, 108: 15}))) == [(0, 5), (0, 0), (0, 0)]


def test_callers_are_added_up() -> None:
    found = blocks(series({103: 10, 108: 15}), series({104: 100, 109: 107}, pod=OTHER_GATEWAY))
    assert requests(found)[0] == (0, 12)


@pytest.mark.parametrize(
    ("code", "failed", "refused"), [("200", 0, 0), ("302", 0, 0), ("404", 0, 3), ("500", 3, 0), ("0", 3, 0)]
)
def test_codes(code: str, failed: int, refused: int) -> None:
    (block,) = blocks(series({103: 0, 108: 3}, version="v2", code=code), number=1)
    assert (block.canary.failed, block.canary.refused) == (failed, refused)


def test_requests_to_no_version_are_kept_apart() -> None:
    (block,) = blocks(
        series({103: 0, 108: 3}, version="unknown", code="503"), series({103: 0, 108: 4}, version="v3"), number=1
    )
    assert (block.nowhere, block.total) == (7, 7)


def test_times_are_those_of_answers_that_are_no_failures() -> None:
    def histogram(code: str) -> list[Series]:
        made = [
            series({103: 0, 108: value}, "v2", code, BUCKET, le=le)
            for le, value in (("10", 2.0), ("25", 6.0), ("50", 7.0), ("+Inf", 8.0))
        ]
        return [*made, series({103: 0, 108: 160}, "v2", code, SUM), series({103: 0, 108: 8}, "v2", code)]

    found = [*histogram("200"), *histogram("500")]
    (block,) = blocks(*found, number=1)
    assert counts.bounds(found) == (10, 25, 50)
    assert block.canary == Counts(16, 8, 0, 8, (6, 2, 1), 160.0)
    assert block.canary.mean == 20


def test_the_newest_sample_tells_how_old_everything_is() -> None:
    assert counts.newest([series({103: 0, 108: 3}), series({109: 1})]) == 109
    assert counts.newest([]) is None


def test_the_selector_names_the_service_and_leaves_scrapes_out() -> None:
    assert counts.selector("cmpt756s2", "c756ns", "source") == (
        '{__name__=~"istio_requests_total|istio_request_duration_milliseconds_bucket|istio_request_duration_milliseconds_sum"'
        ',reporter="source",destination_service_name="cmpt756s2",destination_service_namespace="c756ns",'
        'source_workload!="unknown"}'
    )


def test_totals_add_up_even_where_nothing_was_served() -> None:
    assert Counts.total([Counts(), Counts(3, 1, 1, 2, (1, 0), 9.0), Counts(2, 0, 0, 2, (2, 1), 4.0)]) == Counts(
        5, 1, 1, 4, (3, 1), 13.0
    )
    assert Counts.total([]) == Counts()
