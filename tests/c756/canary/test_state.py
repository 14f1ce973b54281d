"""The annotation: what is written is read again; who is alive."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from c756.canary.state import ANNOTATION, State, alive, read

STATE = State(
    id="abcd", version="v2", stable="v1", phase="judging", weight=10, step=2, steps=(5, 10, 100), began=1.5, looked=2.5,
    next=3.5,
    lease=100.0, user="me", host="here", pid=7, verdict="better or equal", why="at most 0.9% more errors",
)  # fmt: skip


def service(text: str | None) -> dict[str, object]:
    return {
        "metadata": {"name": "cmpt756s2", "namespace": "c756ns", "annotations": {ANNOTATION: text} if text else None}
    }


def test_what_is_written_is_read_again() -> None:
    assert read(service(STATE.text())) == STATE
    assert read(service(None)) is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert read(service(json.dumps({**json.loads(STATE.text()), "colour": "blue"}))) == STATE


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"id": "a"}', '{"steps": 5}'])
def test_what_cannot_be_read_is_said_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match=r"annotate virtualservice cmpt756s2 c756\.io/canary-"):
        read(service(text))


def test_a_line_for_people() -> None:
    assert STATE.line() == (
        "a canary of v2 is judging, 10 % of the requests, step 2 of 3; better or equal: at most 0.9% more errors"
    )
    assert replace(STATE, step=0, verdict="", phase="deploying", weight=0).line() == (
        "a canary of v2 is deploying, 0 % of the requests"
    )


def test_here_the_process_tells_elsewhere_the_lease() -> None:
    assert alive(STATE, now=1000, host="here", process_runs=True)
    assert not alive(STATE, now=50, host="here", process_runs=False)
    assert alive(STATE, now=50, host="elsewhere", process_runs=False)
    assert not alive(STATE, now=150, host="elsewhere", process_runs=True)
