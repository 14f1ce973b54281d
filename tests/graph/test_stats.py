from __future__ import annotations

import pytest

from graph.stats import verdict, wilson


def test_wilson_bounds_are_where_the_share_is_just_rejected() -> None:
    """The interval holds every true share p that |observed - p| = z * sqrt(p (1 - p) / n) does not reject."""
    for successes, trials in ((10, 100), (3, 7), (270, 300)):
        for bound in wilson(successes, trials):
            distance = abs(successes / trials - bound)
            assert distance == pytest.approx(1.959964 * (bound * (1 - bound) / trials) ** 0.5, rel=1e-5)


def test_wilson_stays_within_bounds() -> None:
    assert wilson(0, 30).low == 0
    assert wilson(0, 30).high == pytest.approx(0.1135, abs=1e-4)
    assert wilson(30, 30).high == 1
    assert wilson(0.4, 2.7).low > 0  # rates times seconds are no whole numbers


def test_no_trials_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0, 0)


def test_verdicts() -> None:
    assert verdict(0.1, wilson(30, 300)) == "agrees"
    assert verdict(0.1, wilson(90, 300)) == "above"
    assert verdict(0.9, wilson(210, 300)) == "below"
    # A version that should get nothing got one request of three hundred.
    assert verdict(0.0, wilson(1, 300)) == "above"
    assert verdict(0.0, wilson(0, 300)) == "agrees"
