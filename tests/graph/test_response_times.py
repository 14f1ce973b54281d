"""Response times from histograms. That they are what Prometheus says: test_real_prometheus.py."""

from __future__ import annotations

import math

import pytest

from graph import response_times
from graph.response_times import quantile
from graph.rows import Row, Series

HUNDRED = {10.0: 50.0, 20.0: 90.0, 50.0: 100.0, math.inf: 100.0}


@pytest.mark.parametrize(("share", "wanted"), [(0.25, 5.0), (0.5, 10.0), (0.7, 15.0), (0.95, 35.0), (1.0, 50.0)])
def test_linear_within_a_bucket(share: float, wanted: float) -> None:
    assert quantile(share, HUNDRED) == pytest.approx(wanted)


def test_beyond_the_last_bound_the_bound_itself() -> None:
    assert quantile(0.99, {10.0: 1.0, math.inf: 100.0}) == 10.0


def test_counts_that_fall_are_levelled() -> None:
    assert quantile(0.9, {10.0: 50.0, 20.0: 49.0, math.inf: 50.0}) == pytest.approx(9.0)


@pytest.mark.parametrize("buckets", [{}, {math.inf: 5.0}, {10.0: 5.0}, {10.0: 0.0, math.inf: 0.0}])
def test_no_number_where_there_is_nothing_to_say(buckets: dict[float, float]) -> None:
    assert math.isnan(quantile(0.5, buckets))


def bucket(reporter: str, bound: str, value: float) -> Row:
    return Row({"reporter": reporter, "le": bound}, value)


def test_the_first_reporter_is_believed_the_other_where_it_is_silent() -> None:
    rows = [
        bucket("source", "10", 1.0),
        bucket("source", "+Inf", 1.0),
        bucket("destination", "10", 2.0),
        bucket("destination", "+Inf", 2.0),
    ]
    sums = [Row({"reporter": "source"}, 8.0), Row({"reporter": "destination"}, 4.0)]
    assert response_times.of_rows(rows, sums, "source")["avg"] == 8.0
    assert response_times.of_rows(rows, sums, "destination")["avg"] == 2.0
    quiet = [Row(row.labels, 0.0) if row.labels["reporter"] == "source" else row for row in rows]
    assert response_times.of_rows(quiet, sums, "source")["avg"] == 2.0
    assert response_times.of_rows([], [], "source") == {}


def test_over_time_each_point_by_itself() -> None:
    def plot(values: tuple[float, float], **labels: str) -> Series:
        return Series(labels, ((60.0, values[0]), (75.0, values[1])))

    found = response_times.of_series(
        [plot((2.0, 0.0), reporter="source", le="10"), plot((2.0, 0.0), reporter="source", le="+Inf")],
        [plot((10.0, 0.0), reporter="source")],
        "source",
    )
    assert found == {"avg": [(60.0, 5.0)], "p50": [(60.0, 5.0)], "p95": [(60.0, 9.5)], "p99": [(60.0, 9.9)]}
