"""What was changed in the cluster lately: deployments from the cluster's events, routes from the objects' own records.

An object's managedFields say when it was last written, and its text what it says since; what it said before is not
kept, so that of each object the last change is known. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graph.appenders.istio import hosts_of
from graph.cluster import Obj, name_of, namespace_of

DEPLOYMENT, WEIGHTS, FAULT, ROUTES = "deployment", "weights", "fault", "routes"


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
    found = {*_deployments(events, namespaces), *_routes(routes, namespaces)}
    return sorted(change for change in found if start <= change.at <= end)


def _deployments(events: Iterable[Obj], namespaces: Sequence[str]) -> Iterable[Change]:
    for event in events:
        about = event.get("involvedObject") or {}
        at = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
        if about.get("kind") != "Deployment" or about.get("namespace") not in namespaces or not at:
            continue
        yield Change(unix(at), DEPLOYMENT, about["namespace"], about["name"], str(event.get("message", "")))


def _routes(objects: Iterable[Obj], namespaces: Sequence[str]) -> Iterable[Change]:
    for obj in objects:
        at = changed(obj)
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
    """When somebody last changed an object (unix seconds), if the API server keeps record of it.

    What a controller writes into its status is no change.
    """
    entries = obj["metadata"].get("managedFields") or ()
    times = [entry["time"] for entry in entries if entry.get("time") and entry.get("subresource") != "status"]
    times = times or [time for time in (obj["metadata"].get("creationTimestamp"),) if time]
    return max(map(unix, times), default=None)


def unix(time: object) -> int:
    """Seconds of a Kubernetes time."""
    return int(datetime.fromisoformat(str(time).replace("Z", "+00:00")).timestamp())
