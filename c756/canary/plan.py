"""What is asked for: the command line of a canary, and its words for numbers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from c756.canary.steps import Pace
from c756.canary.terms import Limits

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
ACTIONS = ("status", "abort", "refuse")
EPILOG = """\
  tools/canary.sh status   is one under way?
  tools/canary.sh abort    roll back what is under way, whoever began it

exit codes: 0 promoted, 1 rolled back, 2 wrong arguments, 3 could not judge (and rolled back, where the cluster let it)

docs/canary.md says how it judges."""


@dataclass(frozen=True)
class Plan:
    """A canary as it was asked for."""

    version: str
    steps: tuple[int, ...]
    pace: Pace
    limits: Limits
    mirror: float | None = None
    header: tuple[str, str] | None = None
    sticky: bool = False
    keep: bool = False  # what ^C does: keep the weights as they are
    deploy: bool = True
    as_json: bool = False


def seconds(text: str) -> float:
    """`90`, `90s`, `5m`, `1h`. Raises ArgumentTypeError."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)([smh]?)", text)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 60s, 5m, 1h")
    return float(found[1]) * UNITS[found[2] or "s"]


def percent(text: str) -> float:
    """`1%`, `+20%`, `0.5%` as a part of one. Raises ArgumentTypeError."""
    found = re.fullmatch(r"\+?([0-9]*\.?[0-9]+) *%", text)
    if not found or float(found[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: 1%, 0.5%, +20%")
    return float(found[1]) / 100


def slower(text: str) -> float | None:
    """As `percent`; `off`: times do not count."""
    return None if text == "off" else percent(text)


def steps(text: str) -> tuple[int, ...]:
    """`5,10,25,50,100`: rising, at most 100; 100 is added where it is missing. Raises ArgumentTypeError."""
    parts = text.replace("%", "").split(",")
    if not all(re.fullmatch(r" *[0-9]+ *", part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers from 1 to 100 with commas, as 5,10,25,50,100")
    found = tuple(int(part) for part in parts)
    if list(found) != sorted(set(found)) or not 1 <= found[0] <= found[-1] <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}: the steps must rise, from 1 to 100")
    if found == (100,):
        raise argparse.ArgumentTypeError(
            f"{text!r}: with 100 alone nothing is left to compare with; first a smaller step"
        )
    return found if found[-1] == 100 else (*found, 100)


def mirrored(text: str) -> float:
    """A share to mirror, in percent. Raises ArgumentTypeError."""
    share = percent(text) * 100
    if share > 100:
        raise argparse.ArgumentTypeError(f"{text!r}: at most 100%")
    return share


def header(text: str) -> tuple[str, str]:
    """`x-canary: yes`. Raises ArgumentTypeError."""
    found = re.fullmatch(r"([A-Za-z0-9-]+) *: *(\S.*)", text)
    if not found or found[1].lower() == "cookie":
        raise argparse.ArgumentTypeError(f"{text!r} is no header with a value, as x-canary: yes")
    return found[1].lower(), found[2].strip()


def parse(arguments: Sequence[str]) -> Plan | str:
    """The plan, or one of ACTIONS. Ends the process with 2 for wrong arguments."""
    if len(arguments) == 1 and arguments[0] in ACTIONS:
        return arguments[0]
    parser = argparse.ArgumentParser(
        prog="tools/canary.sh",
        description="Release a version of the music service step by step, judged against the one that runs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("version", metavar="VERSION")
    add("--steps", type=steps, default=(5, 10, 25, 50, 100), help="percent of the traffic (5,10,25,50,100)")
    add("--every", type=seconds, default=60.0, metavar="TIME", help="how long a step takes at least (60s)")
    add("--look", type=seconds, default=10.0, metavar="TIME", help="how often it is judged (10s)")
    add("--patience", type=seconds, default=1800.0, metavar="TIME", help="at most, without enough data (30m)")
    add("--blind", type=seconds, default=120.0, metavar="TIME", help="at most, without any data (2m)")
    add(
        "--max-errors",
        type=percent,
        default=0.01,
        metavar="SHARE",
        help="so many more may fail than of the other (1%%)",
    )
    add("--max-p99", type=slower, default=0.20, metavar="SHARE", help="so much slower it may be; off: any (+20%%)")
    add("--mirror", type=mirrored, metavar="SHARE", help="first copy so many of the reads to it, and judge those")
    add("--header", type=header, metavar='"NAME: VALUE"', help="requests with this header always go to it")
    add("--sticky", action="store_true", help="one person sees one version (a cookie)")
    add(
        "--per-person",
        type=float,
        default=10.0,
        metavar="N",
        help="with --sticky: requests of one person in a step (10)",
    )
    add("--on-interrupt", choices=("rollback", "keep"), default="rollback", help="what ^C does (rollback)")
    add("--no-deploy", dest="deploy", action="store_false", help="it runs already: build and deploy nothing")
    add("--json", dest="as_json", action="store_true", help="a line of JSON for each look")
    given = parser.parse_args(arguments)
    if given.look > given.every:
        parser.error(f"--look {given.look:g}s is longer than --every {given.every:g}s")
    if given.patience < given.every:
        parser.error(f"--patience {given.patience:g}s is shorter than --every {given.every:g}s")
    if given.per_person < 1:
        parser.error("--per-person: at least 1")
    return Plan(
        version=given.version,
        steps=given.steps,
        pace=Pace(given.every, given.look, given.patience, given.blind),
        limits=Limits(
            given.max_errors,
            given.max_p99,
            steps=len(given.steps) + (given.mirror is not None),
            cluster=given.per_person if given.sticky else 1.0,
        ),
        mirror=given.mirror,
        header=given.header,
        sticky=given.sticky,
        keep=given.on_interrupt == "keep",
        deploy=given.deploy,
        as_json=given.as_json,
    )
