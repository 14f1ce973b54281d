"""When a step ends, and how."""

from __future__ import annotations

import pytest

from c756.canary.steps import Next, Pace, Step
from c756.canary.terms import Kind, Verdict

PACE = Pace(every=60, look=10, patience=300, blind=30)


def verdict(kind: Kind, tested: bool = False) -> Verdict:
    return Verdict(kind, "", tested=tested)


@pytest.mark.parametrize(
    ("kind", "elapsed", "following"),
    [
        (Kind.WORSE, 10, Next.ROLL_BACK),
        (Kind.EQUAL, 50, Next.LOOK),
        (Kind.EQUAL, 60, Next.ADVANCE),
        (Kind.MORE_DATA, 290, Next.LOOK),
        (Kind.MORE_DATA, 300, Next.GIVE_UP),
        (Kind.NO_DATA, 60, Next.LOOK),
    ],
)
def test_what_follows(kind: Kind, elapsed: float, following: Next) -> None:
    assert Step(PACE).after(verdict(kind), elapsed) is following


def test_no_data_is_borne_for_a_while_and_only_in_a_row() -> None:
    step = Step(PACE)
    for elapsed, kind, following in (
        (10, Kind.NO_DATA, Next.LOOK),
        (30, Kind.NO_DATA, Next.LOOK),
        (40, Kind.MORE_DATA, Next.LOOK),
        (50, Kind.NO_DATA, Next.LOOK),
        (70, Kind.NO_DATA, Next.LOOK),
        (80, Kind.NO_DATA, Next.GIVE_UP),
    ):
        assert step.after(verdict(kind), elapsed) is following


def test_looks_that_could_have_passed_are_counted() -> None:
    step = Step(PACE)
    for tested in (True, False, True):
        step.after(verdict(Kind.MORE_DATA, tested), 10)
    assert step.tried == 2


def test_samples_may_be_as_old_as_the_operators_scrapes_make_them() -> None:
    assert PACE.stale_after == 60
    assert Pace(look=60).stale_after == 180
