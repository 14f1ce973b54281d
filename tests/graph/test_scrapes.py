"""The scrape interval, from samples."""

from __future__ import annotations

import pytest

from graph import scrapes
from graph.rows import Series


def series(*times: float) -> Series:
    return Series({}, tuple((at, 1.0) for at in times))


@pytest.mark.parametrize(
    ("found", "interval"),
    [
        ([], None),
        ([series()], None),
        ([series(100)], None),
        ([series(100, 115)], 15),
        ([series(100, 105.01, 110, 115)], 5),
        # A reading that was missed, a Prometheus that was away.
        ([series(100, 105, 115, 120, 125, 190, 195)], 5),
        # The labels of one series may be part of another's: the longest is meant.
        ([series(100, 130), series(100, 115, 130)], 15),
    ],
)
def test_interval(found: list[Series], interval: float | None) -> None:
    assert scrapes.interval(found) == (None if interval is None else pytest.approx(interval, abs=0.02))


def test_labels_are_quoted() -> None:
    query = scrapes.samples_query({"b": 'say "é"\\', "a": "1"})
    assert query == 'istio_requests_total{a="1", b="say \\"é\\"\\\\"}[5m]'
