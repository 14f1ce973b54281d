"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from c756.canary import plan
from c756.canary.plan import Plan, parse


def test_the_defaults_are_those_of_the_help() -> None:
    found = parse(["v2"])
    assert isinstance(found, Plan)
    assert (found.version, found.steps, found.keep, found.deploy) == ("v2", (5, 10, 25, 50, 100), False, True)
    assert (found.pace.every, found.pace.look, found.pace.patience, found.pace.blind) == (60, 10, 1800, 120)
    assert (found.limits.errors, found.limits.p99, found.limits.alpha, found.limits.steps) == (0.01, 0.2, 0.01, 5)


def test_everything_that_can_be_said() -> None:
    line = (
        "v2 --steps 10,50 --every 5m --look 30 --patience 1h --blind 90s --max-errors 0.5% --max-p99 off --mirror 10% "
        "--sticky --per-person 4 --on-interrupt keep --no-deploy --json"
    )
    found = parse([*line.split(), "--header", "X-Canary: yes"])
    assert isinstance(found, Plan)
    assert found.steps == (10, 50, 100)
    assert (found.pace.every, found.pace.look, found.pace.patience, found.pace.blind) == (300, 30, 3600, 90)
    assert (found.limits.errors, found.limits.p99, found.limits.cluster) == (0.005, None, 4)
    assert found.limits.steps == 4  # the mirrored one is judged, too
    assert (found.mirror, found.header, found.sticky) == (10, ("x-canary", "yes"), True)
    assert (found.keep, found.deploy, found.as_json) == (True, False, True)


def test_without_cookies_every_request_counts() -> None:
    found = parse(["v2", "--per-person", "4"])
    assert isinstance(found, Plan)
    assert found.limits.cluster == 1


@pytest.mark.parametrize("action", plan.ACTIONS)
def test_actions(action: str) -> None:
    assert parse([action]) == action


@pytest.mark.parametrize(
    "line",
    [
        "",
        "v2 v3",
        "v2 --steps 10,5",
        "v2 --steps 0,5",
        "v2 --steps 5,101",
        "v2 --steps x",
        "v2 --steps 100",
        "v2 --every 0",
        "v2 --every 1d",
        "v2 --look 2m",
        "v2 --patience 10s",
        "v2 --max-errors 1",
        "v2 --max-p99 20",
        "v2 --mirror 101%",
        "v2 --header x-canary",
        "v2 --header cookie:a",
        "v2 --per-person 0",
        "v2 --on-interrupt stop",
    ],
)
def test_wrong_arguments_end_with_2_and_say_which(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert "tools/canary.sh: error:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["nan%", "-1%", "%", "1%%", "0%"])
@pytest.mark.parametrize("read", [plan.percent, plan.mirrored, plan.slower])
def test_shares_that_are_none(read: Callable[[str], float], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)
