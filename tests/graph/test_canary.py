"""A canary under way is told on the page."""

from __future__ import annotations

import time
from typing import Any

import pytest

from c756.canary.state import ANNOTATION, State
from graph import canary

NOW = 1_800_000_000.0
STATE = State(
    id="a", version="v2", stable="v1", phase="judging", weight=10, step=2, steps=(5, 10, 100), began=0, looked=0,
    next=NOW + 5, lease=0, user="me", host="here", pid=1, verdict="not enough data yet", why="300 more requests to it",
)  # fmt: skip


def service(text: str | None) -> dict[str, Any]:
    return {"metadata": {"name": "s", "annotations": {ANNOTATION: text} if text else None}}


def test_step_verdict_and_next_look_are_told_as_the_canary_writes_them() -> None:
    (advice,) = canary.under_way([service(None), service(STATE.text())], NOW)
    assert canary.ANNOTATION == ANNOTATION
    assert advice.reason == "canary"
    assert advice.message == (
        "A canary of v2 beside v1, judging: 10 % of the requests (step 2 of 3). "
        "Not enough data yet: 300 more requests to it."
    )
    assert advice.cure == f"Next look at {time.strftime('%H:%M:%S', time.localtime(NOW + 5))}."


def test_a_canary_that_nobody_drives_is_told_with_the_ways_out() -> None:
    (advice,) = canary.under_way([service(STATE.text())], NOW + 600)
    assert "tools/canary.sh v2 goes on, tools/canary.sh abort rolls back" in advice.cure


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"version": "v2"}', '"x"'])
def test_what_cannot_be_read_is_nobodys(text: str | None) -> None:
    assert canary.under_way([service(text)], NOW) == []
