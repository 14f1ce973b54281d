"""All Gateway API objects of a cluster at once: Istio's Gateways and VirtualServices, and each object's status. Pure.

1. A route attaches to listeners, or to Services (for the mesh), by its parentRefs; each that a listener does not want
   has the reason in its status.
2. For each listener and host, and for each Service, one VirtualService has the rules of all routes, sorted.
3. In the mesh, routes of a Service's own namespace are everybody's; those of another namespace are for its pods only,
   and go before the others there (pocket.mesh.outbound).

The rules are those of Istio's control plane (pilot/pkg/config/kube/gateway).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pocket.mesh.gatewayapi.conditions import Status, conditions
from pocket.mesh.gatewayapi.listeners import MESH_PARENT, Attached, Parent, attach, class_names, known_services
from pocket.mesh.gatewayapi.refs import CONTROLLER, GROUP, Backends, Problem, target
from pocket.mesh.gatewayapi.rules import Rule, on_port, rules_of, sorted_rules
from pocket.mesh.model import Snapshot
from pocket.mesh.names import GATEWAY_SEMANTICS, host_matches, service_host
from pocket.objects import Obj, kind_of, name_of

ROUTES = ("HTTPRoute", "GRPCRoute")
KINDS = tuple(f"{kind}.{GROUP}" for kind in ("GatewayClass", "Gateway", *ROUTES, "ReferenceGrant"))
"""What pocket gives meaning to, as the store calls it."""

Key = tuple[str, str, str]  # kind, namespace, name

_SEVERITY = ("NotAllowedByListeners", "NoMatchingListenerHostname", "ParentRefConflict", "NoMatchingParent")


@dataclass(frozen=True)
class Converted:
    """What comes of them."""

    gateways: tuple[Obj, ...] = ()
    virtual_services: tuple[Obj, ...] = ()
    statuses: Mapping[Key, Status] = field(default_factory=dict)


@dataclass(frozen=True)
class _Reference:
    """One parentRef of a route and one parent that it may mean."""

    raw: Mapping[str, Any]
    parent: Parent
    key: tuple[str, str]  # the Gateway, or the Service
    banned: frozenset[str] = frozenset()  # hosts of other listeners of the port
    denied: Problem | None = None


def convert(snapshot: Snapshot) -> Converted:
    """Everything that comes of `snapshot.gateway_api`."""
    if not snapshot.gateway_api:
        return Converted()
    objects: dict[str, list[Obj]] = {kind: [] for kind in KINDS}
    for obj in snapshot.gateway_api:
        objects.setdefault(kind_of(obj), []).append(obj)
    classes, gateways, *routes, grants = (objects[kind] for kind in KINDS)
    ours = class_names(classes, CONTROLLER)
    attached = {
        (obj["metadata"]["namespace"], name_of(obj)): attach(obj, snapshot, grants)
        for obj in gateways
        if obj["spec"]["gatewayClassName"] in ours
    }
    services = known_services(snapshot)
    statuses: dict[Key, Status] = {
        (kind_of(obj), "", name_of(obj)): _class_status(obj)
        for obj in classes
        if obj["spec"]["controllerName"] == CONTROLLER
    }
    counted: dict[tuple[str, str], dict[str, int]] = {}
    parts: dict[str, list[Obj]] = {}
    for kind, listed in zip(ROUTES, routes, strict=True):
        for route in listed:
            references = list(_references(route, kind, attached, snapshot))
            made: dict[bool, tuple[list[Rule], Problem | None]] = {}
            for mesh in {one.parent.is_mesh for one in references}:
                backends = Backends(route, kind, snapshot.services, services, grants, strict=not mesh)
                made[mesh] = rules_of(route, backends, kind)
            statuses[kind_of(route), route["metadata"]["namespace"], name_of(route)] = _route_status(
                route, references, {mesh: problem for mesh, (_, problem) in made.items()}
            )
            accepted = sorted((one for one in references if not one.denied), key=lambda one: one.parent.internal)
            for section, to in dict.fromkeys((one.parent.section, one.key) for one in accepted if one.parent.section):
                counts = counted.setdefault(to, {})
                counts[section] = counts.get(section, 0) + 1
            for one in accepted:
                for key, host, rules in _places(route, one, made[one.parent.is_mesh][0], snapshot):
                    parts.setdefault(key, []).append(_virtual_service(route, one.parent.internal, host, rules))
    for owner, gateway in attached.items():
        statuses[f"Gateway.{GROUP}", *owner] = gateway.status(services, counted.get(owner, {}))
    return Converted(
        tuple(obj for one in attached.values() for obj in one.gateways),
        tuple(_merged(key, listed) for key, listed in parts.items()),
        statuses,
    )


def _class_status(obj: Obj) -> Status:
    good = {"Accepted": ("Accepted", "Handled by Istio controller")}
    return {"conditions": conditions(obj["metadata"].get("generation", 1), good, {})}


# -- parents ----------------------------------------------------------------------------------------------------------


def _references(
    route: Obj,
    kind: str,
    attached: Mapping[tuple[str, str], Attached],
    snapshot: Snapshot,
) -> Iterator[_Reference]:
    namespace = route["metadata"]["namespace"]
    for raw in route["spec"].get("parentRefs") or ():
        key = raw.get("namespace") or namespace, str(raw["name"])
        match target(raw, "Gateway", GROUP):
            case (group, "Gateway") if group == GROUP:
                parents = attached[key].parents if key in attached else []
                for parent in parents:
                    others = (one for one in parents if one is not parent)
                    banned = {
                        one.hostname for one in others if (one.port, one.protocol) == (parent.port, parent.protocol)
                    } - {parent.hostname}
                    denied = _denied(route, kind, raw, parent)
                    yield _Reference(raw, parent, key, frozenset(banned), denied)
            case ("", "Service"):
                found = any((obj["metadata"].get("namespace"), name_of(obj)) == key for obj in snapshot.services)
                problem = None if found else Problem("NoMatchingParent", f'parent service: "{key[1]}" not found')
                yield _Reference(raw, MESH_PARENT, key, denied=problem)
            case ("networking.istio.io", "ServiceEntry"):
                words = f'parent service entry: "{key[1]}" not found'
                problem = None if _entry(snapshot, key) else Problem("NoMatchingParent", words)
                yield _Reference(raw, MESH_PARENT, key, denied=problem)


def _entry(snapshot: Snapshot, key: tuple[str, str]) -> Obj | None:
    found = (obj for obj in snapshot.service_entries if (obj["metadata"].get("namespace"), name_of(obj)) == key)
    return next(found, None)


def _denied(route: Obj, kind: str, raw: Mapping[str, Any], parent: Parent) -> Problem | None:
    """Why a listener does not take a route."""
    if raw.get("port") and raw["port"] != parent.port:
        return Problem("NoMatchingParent", f"port {raw['port']} not found")
    if raw.get("sectionName") and raw["sectionName"] != parent.section:
        return Problem("NoMatchingParent", f'sectionName "{raw["sectionName"]}" not found')
    namespace, fits = route["metadata"]["namespace"], False
    for host in route["spec"].get("hostnames") or ("*",):
        for exposed in parent.hosts:
            where, _, pattern = exposed.partition("/")
            if host_matches(pattern, host) or host_matches(host, pattern):
                fits = True
                if where in ("*", namespace):
                    return None if kind in parent.kinds else _wrong_kind(kind)
    if fits:
        words = f'hostnames matched parent hostname "{parent.hostname}", but namespace "{namespace}" is not allowed'
        return Problem("NotAllowedByListeners", f"{words} by the parent")
    return Problem("NoMatchingListenerHostname", f'no hostnames matched parent hostname "{parent.hostname}"')


def _wrong_kind(kind: str) -> Problem:
    return Problem("NotAllowedByListeners", f"kind {GROUP}/v1/{kind} is not allowed")


def _route_status(route: Obj, references: Iterable[_Reference], problems: Mapping[bool, Problem | None]) -> Status:
    """One entry for each parentRef: what is wrong, unless some listener of it takes the route."""
    namespace, generation = route["metadata"]["namespace"], route["metadata"].get("generation", 1)
    by_reference: dict[str, list[_Reference]] = {}
    for one in references:
        by_reference.setdefault(_shown(one.raw, namespace), []).append(one)
    parents = []
    for shown in sorted(by_reference, reverse=True):
        listed = by_reference[shown]
        taken = sum(one.denied is None for one in listed)
        words = f"Route was valid, bound to {taken} parents" if taken > 1 else "Route was valid"
        denied = None
        if not taken:
            reasons = [one.denied for one in listed if one.denied]
            worst = min(reasons, key=lambda problem: _SEVERITY.index(problem.reason)).reason
            alike = [problem.message for problem in reasons if problem.reason == worst]
            denied = Problem(worst, "; ".join(alike))
        good = {"Accepted": ("Accepted", words), "ResolvedRefs": ("ResolvedRefs", "All references resolved")}
        wrong = {"Accepted": denied, "ResolvedRefs": problems.get(listed[0].parent.is_mesh)}
        entry = {"parentRef": dict(listed[0].raw), "controllerName": CONTROLLER}
        parents.append({**entry, "conditions": conditions(generation, good, wrong)})
    others = [
        one for one in (route.get("status") or {}).get("parents") or () if one.get("controllerName") != CONTROLLER
    ]
    return {"parents": [*others, *parents]}


def _shown(raw: Mapping[str, Any], namespace: str) -> str:
    group, kind = target(raw, "Gateway", GROUP)
    section, port = raw.get("sectionName") or "", raw.get("port") or 0
    return f"{group}/{kind}/{raw['name']}/{section}/{port}.{raw.get('namespace') or namespace}"


# -- VirtualServices --------------------------------------------------------------------------------------------------


def _places(
    route: Obj, reference: _Reference, rules: list[Rule], snapshot: Snapshot
) -> Iterator[tuple[str, str, list[Rule]]]:
    """Where the rules apply: a key that all routes of the place share, the host, the rules."""
    if not rules:
        return
    parent = reference.parent
    if not parent.is_mesh:
        for host in route["spec"].get("hostnames") or ["*"]:
            if _most_exact(host, parent.hostname, reference.banned):
                yield f"{parent.internal}/{host}", host, rules
        return
    place, port = route["metadata"]["namespace"], reference.raw.get("port")
    if port:
        rules, place = on_port(rules, port), f"{place}/{port}"
    entry = None
    if target(reference.raw, "Gateway", GROUP)[1] == "ServiceEntry":
        entry = _entry(snapshot, reference.key)
    hosts = entry["spec"]["hosts"] if entry else [service_host(reference.key[1], reference.key[0])]
    for host in hosts:
        yield f"{place}/{host}", host, rules


def _most_exact(host: str, own: str, others: Iterable[str]) -> bool:
    """Is a host of a route this listener's, and not that of one that is more exact?"""
    if own and not own.startswith("*"):
        return True
    if own and not (host_matches(own, host) or host_matches(host, own)):
        return False
    return not any(len(own) <= len(other) and host_matches(other, host) for other in others if other)


def _virtual_service(route: Obj, gateway: str, host: str, rules: list[Rule]) -> Obj:
    meta = route["metadata"]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": name_of(route),
            "namespace": meta["namespace"],
            "creationTimestamp": meta.get("creationTimestamp") or "",
            "annotations": dict([GATEWAY_SEMANTICS]),
        },
        "spec": {"hosts": [host], "gateways": [gateway], "http": rules},
    }


def _merged(key: str, parts: list[Obj]) -> Obj:
    """One VirtualService of the rules of several routes; the oldest gives the rest."""

    def age(obj: Obj) -> tuple[str, str, str]:
        meta = obj["metadata"]
        return meta["creationTimestamp"], meta["namespace"], meta["name"]

    oldest, *_ = ordered = sorted(parts, key=age)
    rules = sorted_rules(rule for one in ordered for rule in one["spec"]["http"])
    return {
        **oldest,
        "metadata": {**oldest["metadata"], "name": key.replace("/", "~")},
        "spec": {**oldest["spec"], "http": rules},
    }
