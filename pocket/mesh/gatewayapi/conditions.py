"""Conditions as Istio writes them, without the time of their last change: whoever stores them knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocket.mesh.gatewayapi.refs import Problem

Status = dict[str, Any]


def conditions(
    generation: int, good: Mapping[str, tuple[str, str]], problems: Mapping[str, Problem | None]
) -> list[Status]:
    """Of each type in `good` (reason, message) one condition; the words of its problem where it has one."""
    made = []
    for kind in sorted(good):
        reason, message = good[kind]
        holds = kind != "Conflicted"
        if problem := problems.get(kind):
            reason, message, holds = problem.reason, problem.message, not holds
        made.append(
            {
                "type": kind,
                "status": "True" if holds else "False",
                "reason": reason,
                "message": message,
                "observedGeneration": generation,
            }
        )
    return made


def with_times(status: Status, before: Mapping[str, Any] | None, now: str) -> Status:
    """The status with the time of each condition's last change, from the status before or `now`."""
    times = {key: entry["lastTransitionTime"] for key, entry in _all(before or {}) if entry.get("lastTransitionTime")}
    found = dict(_all(before or {}))

    def timed(place: str, listed: list[Status]) -> list[Status]:
        out = []
        for entry in listed:
            key = f"{place}/{entry['type']}"
            same = key in found and found[key]["status"] == entry["status"]
            out.append({**entry, "lastTransitionTime": times[key] if same and key in times else now})
        return out

    made = dict(status)
    if "conditions" in made:
        made["conditions"] = timed("", made["conditions"])
    for group in ("listeners", "parents"):
        if group in made:
            made[group] = [{**one, "conditions": timed(_place(group, one), one["conditions"])} for one in made[group]]
    return made


def _all(status: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found = [(f"/{entry['type']}", entry) for entry in status.get("conditions") or ()]
    for group in ("listeners", "parents"):
        for one in status.get(group) or ():
            found += [(f"{_place(group, one)}/{entry['type']}", entry) for entry in one.get("conditions") or ()]
    return found


def _place(group: str, one: Mapping[str, Any]) -> str:
    return f"{group}:{one.get('name') or [one.get('parentRef'), one.get('controllerName')]}"
