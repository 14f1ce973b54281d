"""The short form of bench/faults.py: the faults that no other test has under load."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import faults
from tests.e2e.cluster import Cluster

CHOSEN = ("kill -9 of one of two application processes", "kill -9 of one of two Envoys", "3.6 of every 4 s")


@pytest.mark.parametrize("name", CHOSEN)
def test_no_more_is_lost_than_may_be(cluster: Cluster, name: str) -> None:
    (fault,) = [fault for fault in faults.FAULTS if name in fault.name]
    outcome = faults.measure(cluster, fault, requests=1)
    assert outcome.holds, outcome.row()
    assert outcome.total > 200


def test_the_longest_gap_is_between_answers_of_any_client() -> None:
    assert faults.longest_gap([3.0, 1.0, 1.5]) == 1.5
    assert faults.longest_gap([1.0]) == float("inf")


def test_what_is_lost_beyond_its_bound_does_not_hold() -> None:
    outcome = faults.Outcome("f", 100, Counter({"503": 3}), 3, 0.5)
    assert outcome.holds
    assert outcome.row() == "| f | 3 of 100 | 3 | 0.50 s | 3 x 503 |"
    assert not faults.Outcome("f", 100, Counter({"503": 3, "reset": 1}), 3, 0.5).holds
