"""The routes of a canary: weights; mirrored reads, testers by header and sticky sessions, where wanted. Pure.

A canary changes the rules of the VirtualServices that already split the service's traffic, and nothing else. What it
adds are rules of its own before those, made from them each time, so that taking them away needs no memory of them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

NAMES = ("canary-testers", "canary-stays", "stable-stays", "canary-again", "canary-mirror")
"""Of the rules that a canary adds. None of them is left behind."""
COOKIE = "c756-canary"
COOKIE_AGE = 3600  # seconds


@dataclass(frozen=True)
class Split:
    """Who shares what: `weight` of a hundred requests go to the canary."""

    hosts: tuple[str, ...]
    stable: str
    canary: str
    weight: int = 0


@dataclass(frozen=True)
class Extras:
    """What a canary may want besides weights. `mirror`: of a hundred reads, so many are copied to it."""

    mirror: float | None = None
    header: tuple[str, str] | None = None
    session: str = ""  # names this canary in cookies; empty: no cookies
    before: int = 0  # the weight before this one: who was sent to the stable version is sent anew for the difference


def names_of(service: str, namespace: str) -> tuple[str, ...]:
    """How a VirtualService of the namespace may write the host."""
    parts = (service, namespace, "svc", "cluster.local")
    return tuple(".".join(parts[:count]) for count in range(1, 5))


def splits(rule: Mapping[str, Any], split: Split) -> bool:
    """Does this rule send to both versions, whatever the weights?"""
    subsets = {
        route["destination"].get("subset")
        for route in rule.get("route") or ()
        if route["destination"]["host"] in split.hosts
    }
    return {split.stable, split.canary} <= subsets and rule.get("name") not in NAMES


def carriers(services: Sequence[Json], split: Split) -> list[Json]:
    """The VirtualServices with such a rule, by name."""
    found = [one for one in services if any(splits(rule, split) for rule in one["spec"].get("http") or ())]
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def weight(service: Json, split: Split) -> int | None:
    """The canary's weight; None where the rules have different ones, or other versions have some."""
    found = set[int | None]()
    for rule in service["spec"]["http"]:
        if splits(rule, split):
            by_subset = {route["destination"].get("subset"): int(route.get("weight", 0)) for route in rule["route"]}
            mine = by_subset[split.canary]
            found.add(mine if by_subset[split.stable] + mine == 100 else None)
    return found.pop() if len(found) == 1 else None


def rules(http: Sequence[Json], split: Split, extras: Extras | None = None) -> list[Json]:
    """The rules with the split's weight and the extras; without extras, as they were before any canary."""
    made: list[Json] = []
    for rule in http:
        if rule.get("name") in NAMES:
            continue
        if splits(rule, split):
            if extras:
                made += _added(rule, split, extras)
            rule = _weighted(rule, split.canary, split.weight, split, extras)
        made.append(copy.deepcopy(rule))
    return made


def serving(services: Sequence[Json], hosts: Sequence[str]) -> dict[str, int]:
    """The versions that the first rule with several of them names, with their weights; empty where there is none."""
    for service in sorted(services, key=lambda one: str(one["metadata"]["name"])):
        for rule in service["spec"].get("http") or ():
            found = {
                str(route["destination"]["subset"]): int(route.get("weight", 0))
                for route in rule.get("route") or ()
                if route["destination"]["host"] in hosts and "subset" in route["destination"]
            }
            if len(found) > 1 and rule.get("name") not in NAMES:
                return found
    return {}


def cleaned(http: Sequence[Json]) -> list[Json]:
    """The rules without what a canary added; the weights stay."""
    made = [copy.deepcopy(rule) for rule in http if rule.get("name") not in NAMES]
    for rule in made:
        for route in rule.get("route") or ():
            _forget_cookie(route)
    return made


def _forget_cookie(route: Json) -> None:
    added = ((route.get("headers") or {}).get("response") or {}).get("add") or {}
    if str(added.get("set-cookie", "")).startswith(f"{COOKIE}="):
        del route["headers"]


def _added(rule: Json, split: Split, extras: Extras) -> list[Json]:
    found = []
    if extras.header:
        name, value = extras.header
        testers = _when(rule, "canary-testers", {"headers": {name: {"exact": value}}})
        found.append(_weighted(testers, split.canary, 100, split))
    if extras.session and 0 < split.weight < 100:
        stays = _when(rule, "canary-stays", _cookie(_mark(split.canary, extras)))
        found.append(_weighted(stays, split.canary, 100, split))
        stable = _when(rule, "stable-stays", _cookie(_mark(split.stable, extras, split.weight)))
        found.append(_weighted(stable, split.canary, 0, split))
        if extras.before < split.weight:
            again = _when(rule, "canary-again", _cookie(_mark(split.stable, extras) + r"\..*"))
            share = round(100 * (split.weight - extras.before) / (100 - extras.before))
            found.append(_weighted(again, split.canary, share, split, extras))
    if extras.mirror:
        reads = _when(rule, "canary-mirror", {"method": {"exact": "GET"}})
        reads = _weighted(reads, split.canary, split.weight, split, extras)
        to = next(route["destination"] for route in rule["route"] if route["destination"]["subset"] == split.canary)
        found.append({**reads, "mirror": copy.deepcopy(to), "mirrorPercentage": {"value": extras.mirror}})
    return found


def _when(rule: Json, name: str, condition: Json) -> Json:
    """The rule under a further condition, which goes into each of its alternatives."""
    alternatives = []
    for match in rule.get("match") or [{}]:
        merged = {**copy.deepcopy(match), **condition}
        if "headers" in match and "headers" in condition:
            merged["headers"] = {**match["headers"], **condition["headers"]}
        alternatives.append(merged)
    return {**copy.deepcopy(rule), "name": name, "match": alternatives}


def _weighted(rule: Json, version: str, share: int, split: Split, extras: Extras | None = None) -> Json:
    """The rule with so many of a hundred for a version, the rest for the other; each sets its cookie, where wanted."""
    made = copy.deepcopy(rule)
    for route in made["route"]:
        subset = route["destination"].get("subset")
        if subset not in (split.stable, split.canary):
            route["weight"] = 0
            continue
        route["weight"] = share if subset == version else 100 - share
        if extras and extras.session and 0 < split.weight < 100:
            mark = _mark(subset, extras, split.weight if subset == split.stable else None)
            value = f"{COOKIE}={mark.replace(chr(92), '')}; Path=/; Max-Age={COOKIE_AGE}; HttpOnly; SameSite=Lax"
            route["headers"] = {"response": {"add": {"set-cookie": value}}}
        else:
            _forget_cookie(route)
    return made


def _mark(version: str, extras: Extras, step: int | None = None) -> str:
    """A cookie's value, as a regular expression: the version, the canary's name, and the weight it was given at."""
    parts = [version, extras.session, *([] if step is None else [str(step)])]
    return r"\.".join(re.escape(part) for part in parts)


def _cookie(value: str) -> Json:
    return {"headers": {"cookie": {"regex": rf"(.*; *)?{COOKIE}={value}(;.*)?"}}}
