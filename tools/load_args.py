"""What a person asks of tools/gatling.sh, and which simulations there are. Pure but for reading sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

USAGE = """usage: tools/gatling.sh USERS SIMULATION [--duration 10m] [--max-errors 1%] [--gateway HOST:PORT]
  USERS          how many virtual users
  SIMULATION     one of: {simulations}
  --duration     how long: 90, 60s, 10m, 2h; otherwise it runs until tools/kill-gatling.sh stops it
  --max-errors   exit with 1 when a greater part of the requests failed
  --gateway      send there, not to the ingress gateway of kubectl's current context"""

_SIMULATION = re.compile(r"^public final class ([A-Za-z][A-Za-z0-9]*) extends LoadSimulation\b", re.MULTILINE)
_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|)")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%?")
_GATEWAY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?")


class UsageError(Exception):
    """Arguments that mean nothing; the message says which and what they should be."""


@dataclass(frozen=True)
class Simulation:
    """A simulation, and what its source says that it uses."""

    name: str
    services: frozenset[str]
    """Of "user" and "music": those whose requests it sends."""
    data: frozenset[str]
    """Of "user" and "music": those whose loaded items it reads."""


@dataclass(frozen=True)
class Request:
    """A checked command line."""

    users: int
    simulation: Simulation
    duration: str = ""
    """As written, in seconds without a unit; empty: until stopped."""
    max_errors: str = ""
    """Percentage, as a number; empty: no bound."""
    gateway: str = ""
    """HOST or HOST:PORT; empty: that of the current context."""


def simulation(source: str) -> Simulation | None:
    """The simulation that this Java source defines, if it does."""
    found = _SIMULATION.search(source)
    if found is None:
        return None
    services = {name for name, api in (("user", "UserApi."), ("music", "MusicApi.")) if api in source}
    data = {name for name, feeder in (("user", "Data.users("), ("music", "Data.songs(")) if feeder in source}
    return Simulation(found.group(1), frozenset(services), frozenset(data))


def simulations(sources: Path) -> dict[str, Simulation]:
    """All simulations under this folder of Java sources, by name, sorted."""
    found = (simulation(path.read_text(encoding="utf-8")) for path in sources.rglob("*.java"))
    return {one.name: one for one in sorted((one for one in found if one), key=lambda one: one.name)}


def parse(arguments: Sequence[str], known: dict[str, Simulation]) -> Request:
    """The request in the arguments of tools/gatling.sh. Raises UsageError."""
    options = {"--duration": "", "--max-errors": "", "--gateway": ""}
    positional: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            positional.append(word)
        elif name not in options:
            raise UsageError(f"unknown option {word}")
        elif not equals and not rest:
            raise UsageError(f"{name} needs a value")
        else:
            options[name] = value if equals else rest.pop(0)
            if not options[name]:
                raise UsageError(f"{name} needs a value")
    if len(positional) != 2:
        raise UsageError(f"USERS and SIMULATION are needed, and nothing else; got: {' '.join(positional) or 'nothing'}")
    users, name = positional
    if not re.fullmatch(r"[0-9]{1,6}", users) or int(users) < 1:
        raise UsageError(f"USERS is {users!r}: it must be a whole number from 1 to 999999")
    if name not in known:
        raise UsageError(f"there is no simulation {name!r}")
    return Request(
        users=int(users),
        simulation=known[name],
        duration=_checked_duration(options["--duration"]),
        max_errors=_checked_percent(options["--max-errors"]),
        gateway=_checked(_GATEWAY, "--gateway", options["--gateway"], "HOST or HOST:PORT"),
    )


def _checked(pattern: re.Pattern[str], name: str, text: str, what: str) -> str:
    if text and not pattern.fullmatch(text):
        raise UsageError(f"{name} is {text!r}: it must be {what}")
    return text


def _checked_duration(text: str) -> str:
    what = "a time such as 60s, 10m or 2h"
    if not re.sub(r"[^1-9]", "", text) and text:
        raise UsageError(f"--duration is {text!r}: it must be {what}")
    return _checked(_DURATION, "--duration", text, what)


def _checked_percent(text: str) -> str:
    number = _checked(_PERCENT, "--max-errors", text, "a percentage from 0 to 100, such as 1%").removesuffix("%")
    if number and float(number) > 100:
        raise UsageError(f"--max-errors is {text!r}: it must be a percentage from 0 to 100, such as 1%")
    return number
