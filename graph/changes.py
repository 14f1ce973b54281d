"""What was changed in the cluster lately: deployments and a canary's steps from the cluster's events, routes from the
objects' own records.

An object's managedFields say when it was last written, and its text what it says since; what it said before is not
kept, so that of each object the last change is known. A canary writes at each look and tells of each change of weights
by an event, so that its events count and its writes do not. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graph import canary
from graph.appenders.istio import hosts_of
from graph.cluster import Obj, name_of, namespace_of

DEPLOYMENT, WEIGHTS, FAULT, ROUTES = "deployment", "weights", "fault", "routes"
CANARY = {"CanaryStep": "", "CanaryPromoted": "promoted: ", "CanaryRolledBack": "rolled back: "}
"""The events of tools/canary.sh by their reason, and how its message begins here."""


@dataclass(frozen=True, order=True)
class Change:
    at: int  # unix seconds
    kind: str
    namespace: str
    name: str  # of the object
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"time": self.at, **{name: getattr(self, name) for name in ("kind", "namespace", "name", "text")}}


def within(
    routes: Iterable[Obj], events: Iterable[Obj], namespaces: Sequence[str], start: int, end: int
) -> list[Change]:
    """All changes of some namespaces in a time, the oldest first; the same thing told twice counts once.

    `routes`: VirtualServices and DestinationRules, as the API lists them.
    """
    found = {*_told(events, namespaces), *_routes(routes, namespaces)}
    return sorted(change for change in found if start <= change.at <= end)


def _told(events: Iterable[Obj], namespaces: Sequence[str]) -> Iterable[Change]:
    for event in events:
        about = event.get("involvedObject") or {}
        at = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
        if about.get("namespace") not in namespaces or not at:
            continue
        text = str(event.get("message", ""))
        if about.get("kind") == "Deployment":
            yield Change(unix(at), DEPLOYMENT, about["namespace"], about["name"], text)
        elif about.get("kind") == "VirtualService" and event.get("reason") in CANARY:
            how = CANARY[event["reason"]]
            yield Change(unix(at), WEIGHTS, about["namespace"], about["name"], f"canary {how}{text}")


def _routes(objects: Iterable[Obj], namespaces: Sequence[str]) -> Iterable[Change]:
    for obj in objects:
        at = max(_written(obj, by_canary=False), default=None)
        if at is not None and namespace_of(obj) in namespaces:
            kind, text = _said(obj)
            yield Change(at, kind, namespace_of(obj), name_of(obj), text)


def _said(obj: Obj) -> tuple[str, str]:
    """The kind of a change, and what the object says since."""
    name = " ".join([name_of(obj), *(f"({host})" for host in hosts_of(obj)[:1] if host != "*")])
    routes = obj.get("spec", {}).get("http") or ()
    if any(route.get("fault") for route in routes):
        return FAULT, f"{name}: injects a fault"
    for route in routes:
        targets = route.get("route") or ()
        if len(targets) > 1:
            shares = [f"{_subset(target)} {target.get('weight') or 0} %" for target in targets]
            return WEIGHTS, f"{name}: {', '.join(shares)}"
    rules = "subsets" in obj["spec"] or "trafficPolicy" in obj["spec"]
    return ROUTES, f"{name}: {'traffic policy and subsets' if rules else 'routes'}"


def _subset(target: Obj) -> str:
    destination = target.get("destination") or {}
    return str(destination.get("subset") or destination.get("host", ""))


def changed(obj: Obj) -> int | None:
    """When somebody last changed what an object says (unix seconds), if the API server keeps record of it.

    What a controller writes into its status is no change, nor is the annotation of a canary under way.
    """
    return max(_written(obj, by_canary=True), default=None)


def _written(obj: Obj, by_canary: bool) -> Iterable[int]:
    """When the spec was written, by each writer; with or without what a canary wrote."""
    known = False
    for entry in obj["metadata"].get("managedFields") or ():
        if not entry.get("time") or entry.get("subresource") == "status":
            continue
        known = True
        if entry.get("manager") != canary.MANAGER:
            yield unix(entry["time"])
        elif by_canary:
            began = canary.step_began(obj)
            yield unix(entry["time"]) if began is None else began
    if not known and (created := obj["metadata"].get("creationTimestamp")):
        yield unix(created)


def unix(time: object) -> int:
    """Seconds of a Kubernetes time."""
    return int(datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp())
