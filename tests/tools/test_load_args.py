"""The command line of tools/gatling.sh, and the simulations that the sources define."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.load_args import Request, Simulation, UsageError, parse, simulation, simulations

ROOT = Path(__file__).resolve().parents[2]
READ = Simulation("ReadMusicSim", frozenset({"music"}), frozenset({"music"}))
KNOWN = {"ReadMusicSim": READ}


def test_the_simulations_of_the_project() -> None:
    found = simulations(ROOT / "gatling" / "src")
    assert list(found) == ["CoverageSim", "ReadBothVaryingSim", "ReadMusicSim", "ReadUserSim", "WriteMusicSim"]
    both, none = frozenset({"music", "user"}), frozenset[str]()
    assert {name: (one.services, one.data) for name, one in found.items()} == {
        "CoverageSim": (both, none),
        "ReadBothVaryingSim": (both, both),
        "ReadMusicSim": (frozenset({"music"}), frozenset({"music"})),
        "ReadUserSim": (frozenset({"user"}), frozenset({"user"})),
        "WriteMusicSim": (frozenset({"music"}), none),
    }


@pytest.mark.parametrize(
    "source",
    ["abstract class LoadSimulation extends Simulation {", "final class Data {", "// public final class A extends B"],
)
def test_other_classes_are_no_simulations(source: str) -> None:
    assert simulation(source) is None


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("5 ReadMusicSim", Request(5, READ)),
        ("5 ReadMusicSim --duration 10m --max-errors 1%", Request(5, READ, "10m", "1")),
        ("--max-errors=0.5 5 --duration=90 ReadMusicSim", Request(5, READ, "90", "0.5")),
        ("999999 ReadMusicSim --max-errors 100%", Request(999999, READ, "", "100")),
        ("1 ReadMusicSim --max-errors 0", Request(1, READ, "", "0")),
        ("1 ReadMusicSim --gateway 127.0.0.1:8080", Request(1, READ, gateway="127.0.0.1:8080")),
        ("1 ReadMusicSim --gateway a.b-c.example", Request(1, READ, gateway="a.b-c.example")),
        ("1 ReadMusicSim --gateway [::1]:8080", Request(1, READ, gateway="[::1]:8080")),
    ],
)
def test_what_is_understood(line: str, wanted: Request) -> None:
    assert parse(line.split(), KNOWN) == wanted


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("", "nothing"),
        ("5", "got: 5"),
        ("5 ReadMusicSim more", "got: 5 ReadMusicSim more"),
        ("0 ReadMusicSim", "'0'"),
        ("five ReadMusicSim", "'five'"),
        ("5.5 ReadMusicSim", "'5.5'"),
        ("1000000 ReadMusicSim", "'1000000'"),
        ("5 ReadMusic", "'ReadMusic'"),
        ("-5 ReadMusicSim", "-5"),
        ("5 ReadMusicSim --time 5", "--time"),
        ("5 ReadMusicSim --duration", "--duration needs"),
        ("5 ReadMusicSim --duration=", "--duration needs"),
        ("5 ReadMusicSim --duration 0m", "'0m'"),
        ("5 ReadMusicSim --duration 10d", "'10d'"),
        ("5 ReadMusicSim --duration 1m30s", "'1m30s'"),
        ("5 ReadMusicSim --max-errors 101%", "'101%'"),
        ("5 ReadMusicSim --max-errors many", "'many'"),
        ("5 ReadMusicSim --max-errors 1%%", "'1%%'"),
        ("5 ReadMusicSim --gateway http://a/", "'http://a/'"),
    ],
)
def test_what_is_refused_is_named(line: str, named: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(line.split(), KNOWN)
    assert named in str(error.value)
