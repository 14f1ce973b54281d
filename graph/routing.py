"""What VirtualServices promise for a service, beside what was observed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graph import stats
from graph.appenders.istio import of_service
from graph.changes import changed
from graph.cluster import Cluster, Obj, full_host, is_host_of, name_of, namespace_of
from graph.delegates import WEIGHTS_FROM, merged
from graph.details import believed
from graph.queries import ENDS, REQUEST
from graph.rows import Row

Json = dict[str, Any]


Observed = Mapping[tuple[str, str], float]
"""Requests by way in (`gateway` or `mesh`) and version (the destination's canonical revision)."""

WAYS = ("gateway", "mesh")


IN_FORCE_SECONDS = 2
"""So long after a change, at most, every proxy routes by it."""


def observe_since(cluster: Cluster, namespace: str, service: str, start: int, end: int, shortest: int) -> int:
    """Where to begin to count: after the last change of routes, if what is left of the window is enough."""
    changes = [change for one in _of_service(cluster, namespace, service) if (change := changed(one)) is not None]
    since = max([start, *(change + IN_FORCE_SECONDS for change in changes if start < change)])
    return since if end - since >= shortest else start


def describe(cluster: Cluster, namespace: str, service: str, observed: Observed, start: int, since: int) -> Json | None:
    """The routes of a service and the requests that each version got; None if no VirtualService routes to it.

    A VirtualService binds a gateway, the mesh, or both: each route is compared with the requests that came its way.
    start: when the window began; since: when the counting of `observed` began (unix seconds).
    """
    virtual_services = _of_service(cluster, namespace, service)
    if not virtual_services:
        return None
    mixed = any((change := changed(one)) is not None and change >= since for one in virtual_services)
    routes = [
        _route(kind, route, virtual_service, cluster)
        for virtual_service in virtual_services
        for kind in ("http", "tcp", "tls")
        for route in virtual_service.get("spec", {}).get(kind) or ()
        if any(
            is_host_of(
                (target.get("destination") or {}).get("host", ""), namespace_of(virtual_service), namespace, service
            )
            for target in route.get("route") or ()
        )
    ]
    for route in routes:
        comparable = not mixed and all(sum(way in other["via"] for other in routes) == 1 for way in route["via"])
        _observe(route["destinations"], by_version(observed, route["via"]), comparable)
    return {
        "service": {"namespace": namespace, "name": service},
        "virtualServices": [
            {
                "namespace": namespace_of(virtual_service),
                "name": name_of(virtual_service),
                "hosts": list(virtual_service["spec"].get("hosts") or ()),
                "gateways": list(virtual_service["spec"].get("gateways") or ("mesh",)),
                "changed": changed(virtual_service),
            }
            for virtual_service in virtual_services
        ],
        "routes": routes,
        "confidence": stats.CONFIDENCE,
        "since": since,
        "note": _note(routes, observed, mixed, since > start),
    }


def _of_service(cluster: Cluster, namespace: str, service: str) -> list[Obj]:
    """The VirtualServices that route to a service, with what their delegates say."""
    return of_service(replace(cluster, virtual_services=merged(cluster.virtual_services)), namespace, service)


def observed_query(namespace: str, service: str, seconds: int) -> str:
    """Requests of a service by source and version. What comes from outside the mesh (scrapes) passes no route."""
    matching = [
        [
            f'destination_service_namespace="{namespace}"',
            f'destination_service_name="{service}"',
            'source_workload!="unknown"',
            'destination_workload!="unknown"',
        ]
    ]
    rate = believed("istio_requests_total", matching, seconds, (*ENDS, *REQUEST))
    by = "source_workload_namespace, source_workload, destination_canonical_revision"
    return f"sum by ({by}) ({rate}) * {seconds}"


def observed(rows: Iterable[Row], cluster: Cluster) -> dict[tuple[str, str], float]:
    """The answer to `observed_query`, by way in: a source that is one of Istio's gateways, or any other."""
    gateways = {(one.namespace, one.name) for one in cluster.workloads(cluster.loaded) if one.is_gateway}
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        source = row.labels.get("source_workload_namespace", ""), row.labels.get("source_workload", "")
        key = "gateway" if source in gateways else "mesh", row.labels.get("destination_canonical_revision", "")
        found[key] = found.get(key, 0.0) + row.value
    return found


def by_version(observed: Observed, ways: Iterable[str]) -> dict[str, float]:
    """Requests by version that came one of these ways."""
    found: dict[str, float] = {}
    for (way, version), requests in observed.items():
        if way in ways:
            found[version] = found.get(version, 0.0) + requests
    return found


def _route(kind: str, route: Obj, virtual_service: Obj, cluster: Cluster) -> Json:
    home = namespace_of(virtual_service)
    targets = route.get("route") or ()
    alone = len(targets) == 1
    mirror = route.get("mirror") or {}
    gateways = virtual_service["spec"].get("gateways") or ["mesh"]
    return {
        "kind": kind,
        "virtualService": name_of(virtual_service),
        "delegate": route.get(WEIGHTS_FROM),
        "gateways": list(gateways),
        "via": [way for way in WAYS if (way == "mesh") in {gateway == "mesh" for gateway in gateways}],
        "match": _match(route.get("match") or ()),
        "fault": _fault(route.get("fault") or {}),
        "timeout": route.get("timeout"),
        "mirror": _target(mirror) if mirror else None,
        "destinations": [
            {
                "host": full_host(str(target.get("destination", {}).get("host", "")), home),
                "subset": target.get("destination", {}).get("subset"),
                "version": _version(target.get("destination", {}), home, cluster),
                "weight": 100.0 if alone else float(target.get("weight") or 0),
            }
            for target in targets
        ],
    }


def _version(destination: Obj, home: str, cluster: Cluster) -> str | None:
    """The version label that a subset selects; None for a destination without subset."""
    subset = destination.get("subset")
    if not subset:
        return None
    host = full_host(str(destination.get("host", "")), home)
    for rule in cluster.destination_rules:
        if full_host(str(rule["spec"].get("host", "")), namespace_of(rule)) != host:
            continue
        for known in rule["spec"].get("subsets") or ():
            if known.get("name") == subset:
                return str((known.get("labels") or {}).get("version", "")) or None
    return str(subset)


def _observe(destinations: Sequence[Json], observed: Mapping[str, float], comparable: bool) -> None:
    """Adds `observed` and `verdict` to each destination."""
    total = sum(observed.values())
    weights = sum(destination["weight"] for destination in destinations)
    for destination in destinations:
        version = destination["version"]
        destination["observed"] = None
        destination["verdict"] = "notComparable"
        if version is None and len(destinations) > 1:
            continue
        if total <= 0:
            destination["verdict"] = "noTraffic"
            continue
        requests = total if version is None else observed.get(version, 0.0)
        interval = stats.wilson(min(requests, total), total)
        destination["observed"] = {
            "requests": round(requests, 1),
            "percent": round(100 * requests / total, 1),
            "low": round(100 * interval.low, 1),
            "high": round(100 * interval.high, 1),
        }
        if comparable and weights > 0:
            destination["verdict"] = stats.verdict(destination["weight"] / weights, interval)


def _note(routes: Sequence[Json], observed: Observed, mixed: bool, shortened: bool) -> str:
    if mixed:
        return "The routes have just been changed: the shares mix what was before with what is now. Wait a little."
    parts = []
    if any(target["verdict"] == "notComparable" for route in routes for target in route["destinations"]):
        parts.append("Several routes share a way in, and the metrics do not say which one a request took.")
    when = "since the routes were changed" if shortened else "in the window"
    if sum(observed.values()) <= 0:
        parts.append(f"No requests from inside the mesh or from the gateway {when}.")
    else:
        parts.append(f"Shares of all requests {when}, without those of Prometheus, which ask each pod directly.")
    return " ".join(parts)


def _match(matches: Iterable[Obj]) -> str:
    """Conditions in words; alternatives are joined by `or`."""
    texts = []
    for match in matches:
        parts = []
        for name, condition in sorted(match.items()):
            if name in ("headers", "queryParams", "withoutHeaders"):
                parts += [f"{name} {key} {_condition(value)}" for key, value in sorted(condition.items())]
            elif isinstance(condition, Mapping) and name != "sourceLabels":
                parts.append(f"{name} {_condition(condition)}")
            elif name != "name":
                parts.append(f"{name} {condition}")
        texts.append(" and ".join(parts))
    return " or ".join(text for text in texts if text) or "any request"


def _condition(value: Obj) -> str:
    return " ".join(f"{how} {what}" for how, what in value.items()) or "present"


def _fault(fault: Obj) -> str | None:
    parts = []
    for kind, what in (("delay", "fixedDelay"), ("abort", "httpStatus")):
        if kind not in fault:
            continue
        share = (fault[kind].get("percentage") or {}).get("value", 100)
        parts.append(f"{share:g} % {kind} {'by' if kind == 'delay' else 'with'} {fault[kind].get(what, '?')}")
    return ", ".join(parts) or None


def _target(destination: Obj) -> str:
    subset = destination.get("subset")
    return str(destination.get("host", "")) + (f" subset {subset}" if subset else "")


def shares(described: Json) -> list[Json]:
    """What the edges from a service to its versions say: the weights of the route that most requests took.

    One entry for each version: version, weight (percent), observed (see `describe`) and verdict.
    """
    routes = [route for route in described["routes"] if len(route["destinations"]) > 1]

    def seen(route: Json) -> float:
        return float(sum(one["observed"]["requests"] for one in route["destinations"] if one["observed"]))

    names = ("version", "weight", "observed", "verdict")
    chosen: Json = max(routes, key=seen, default={"destinations": []})
    return [{name: one[name] for name in names} for one in chosen["destinations"] if one["version"]]
