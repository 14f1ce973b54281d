"""The demo's judgement: what counts as 10 %, and what proves nothing."""

import pytest

from tools.demo_measure import Counts, bounds, counts_of, fewer, none_of, share, traffic_of


def row(version: str, code: str, value: float) -> dict[str, object]:
    return {"metric": {"destination_version": version, "response_code": code}, "value": [0, str(value)]}


def test_counts_by_version_and_outcome() -> None:
    counts = counts_of(
        [row("v1", "200", 90), row("v1", "404", 1), row("v2", "500", 5), row("v2", "200", 4), row("", "0", 2)]
    )
    assert counts == Counts({"v1": 91, "v2": 4}, {"v2": 5, "unknown": 2})
    assert counts.total == 102
    assert counts.since(Counts({"v1": 90}, {"v2": 5})) == Counts({"v1": 1, "v2": 4}, {"v2": 0, "unknown": 2})


def test_bounds_are_binomial() -> None:
    low, high = bounds(0.10, 900)
    assert (round(low, 3), round(high, 3)) == (0.06, 0.14)
    assert bounds(1, 100) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("expected", "part", "whole", "holds"),
    [
        (0.10, 95, 900, True),
        (0.10, 180, 900, False),
        (0.50, 40, 90, True),
        (0, 1, 900, False),
        (1, 899, 900, False),
        (0.10, 1, 10, False),  # ten requests prove nothing
        (0, 0, 0, False),  # no traffic is no success
    ],
)
def test_share(expected: float, part: int, whole: int, holds: bool) -> None:
    assert share("x", expected, part, whole).holds is holds


def test_none_of() -> None:
    assert none_of("x", 0).holds
    assert not none_of("x", 1, "503").holds


def test_fewer() -> None:
    """What is passed on: all of it would mean that nothing was rejected, nothing that it was not measured."""
    assert fewer("x", 9, 10).holds
    assert not fewer("x", 10, 10).holds
    assert not fewer("x", 0, 10).holds


def test_traffic_of_the_sidecars() -> None:
    def seen(reporter: str, source: str, version: str, value: int) -> dict[str, object]:
        labels = {"reporter": reporter, "source_app": source, "source_version": version, "destination_version": "v2"}
        return {"metric": labels | {"response_code": "200"}, "value": [0, str(value)]}

    rows = [
        seen("destination", "istio-ingressgateway", "unknown", 10),
        seen("destination", "unknown", "unknown", 3),
        seen("source", "cmpt756s2", "v1", 5),
    ]
    traffic = traffic_of([row("v2", "200", 9)], rows)
    assert (traffic.gateway.of("v2"), traffic.into_s2.of("v2"), traffic.reads.of("v2")) == (9, 13, 10)
    assert traffic.into_db == Counts({"v1": 5}, {})
    assert traffic.since(traffic).into_s2.total == 0
