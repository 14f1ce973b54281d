"""Delegation: the rules of one VirtualService (the root) continued in others that have no hosts of their own.

1. A VirtualService without hosts is a delegate, and has no effect by itself.
2. Every short name means what it meant where it was written: root and delegate are resolved in their own namespaces.
3. A root's rule with `delegate` is replaced by the rules of the delegate, in order; a delegate that is not there, or
   not exported to the root's namespace, takes that one rule away and no other.
4. Each condition of the delegate is joined with each of the root's that it can narrow; a rule of the delegate of which
   some condition fits none of the root's is left out. Settings that the delegate does not have are the root's.

These are the rules of Istio's control plane
(https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pocket.mesh.names import exported, fqdn, gateway_name
from pocket.objects import Obj, name_of

Rule = dict[str, Any]
Match = dict[str, Any]

_INHERITED = (
    "rewrite", "directResponse", "timeout", "retries", "fault", "mirror", "mirrorPercent", "mirrorPercentage",
    "corsPolicy", "headers",
)  # fmt: skip
_STRING_MATCHES = ("uri", "scheme", "method", "authority")
_MATCH_MAPS = ("headers", "withoutHeaders", "queryParams")
_KINDS = ("exact", "prefix", "regex")


@dataclass(frozen=True)
class Delegation:
    """One rule with `delegate`, and what comes of it."""

    path: str  # `spec.http[0]`
    target: str  # the delegate, `namespace/name`
    rules: list[Rule]
    problem: str = ""  # why there are no rules
    dropped: tuple[int, ...] = ()  # the delegate's rules that do not fit the root's conditions


def is_delegate(virtual_service: Obj) -> bool:
    """Is it one that only others make use of?"""
    return not virtual_service["spec"].get("hosts")


def with_delegates(virtual_services: Iterable[Obj]) -> tuple[Obj, ...]:
    """The VirtualServices that have an effect, with the rules of their delegates in the place of the references."""
    listed = list(virtual_services)
    delegates = [obj for obj in listed if is_delegate(obj)]
    return tuple(_whole(obj, delegates) for obj in listed if not is_delegate(obj))


def delegations(root: Obj, virtual_services: Iterable[Obj]) -> Iterator[Delegation]:
    """Every reference of a root, followed."""
    found = {_key(obj): obj for obj in virtual_services}
    namespace = _namespace(root)
    for index, rule in enumerate(_resolved(root)["spec"].get("http") or ()):
        reference = rule.get("delegate")
        if reference is None:
            continue
        path = f"spec.http[{index}]"
        target = f"{reference.get('namespace') or namespace}/{reference.get('name') or ''}"
        delegate = found.get(target)
        if delegate is None:
            yield Delegation(path, target, [], "is not defined")
        elif not is_delegate(delegate):
            yield Delegation(path, target, [], "has hosts of its own, so it is no delegate")
        elif not exported(delegate, namespace):
            yield Delegation(path, target, [], f"is not exported to the namespace {namespace}")
        else:
            merged = [_merge_rule(rule, below) for below in _resolved(delegate)["spec"].get("http") or ()]
            dropped = tuple(number for number, one in enumerate(merged) if one is None)
            yield Delegation(path, target, [one for one in merged if one is not None], dropped=dropped)


def _whole(root: Obj, delegates: list[Obj]) -> Obj:
    rules = root["spec"].get("http") or ()
    if not any(rule.get("delegate") is not None for rule in rules):
        return root
    resolved = _resolved(root)
    followed = {delegation.path: delegation.rules for delegation in delegations(root, delegates)}
    merged: list[Rule] = []
    for index, rule in enumerate(resolved["spec"]["http"]):
        merged += followed.get(f"spec.http[{index}]", [rule])
    return {**resolved, "spec": {**resolved["spec"], "http": merged}}


def _resolved(obj: Obj) -> Obj:
    """The same with full names in its HTTP rules, so that they can stand in another namespace."""
    namespace = _namespace(obj)

    def destination(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "host": fqdn(one["host"], namespace)}

    def condition(match: Mapping[str, Any]) -> Match:
        named = match.get("gateways")
        return {**match, "gateways": [gateway_name(one, namespace) for one in named]} if named else dict(match)

    rules = []
    for rule in obj["spec"].get("http") or ():
        whole = dict(rule)
        if rule.get("match"):
            whole["match"] = [condition(match) for match in rule["match"]]
        for name in ("route", "mirrors"):
            if rule.get(name):
                whole[name] = [{**one, "destination": destination(one["destination"])} for one in rule[name]]
        if rule.get("mirror"):
            whole["mirror"] = destination(rule["mirror"])
        rules.append(whole)
    return {**obj, "spec": {**obj["spec"], "http": rules}}


def _merge_rule(root: Rule, delegate: Rule) -> Rule | None:
    matches = _merge_matches(root.get("match") or [], delegate.get("match") or [])
    if matches is None:
        return None
    inherited = {name: root[name] for name in _INHERITED if root.get(name) is not None and delegate.get(name) is None}
    if root.get("mirrors") and not delegate.get("mirrors"):
        inherited["mirrors"] = root["mirrors"]
    merged = {**delegate, **inherited, "match": matches}
    if name := _joined(root, delegate):
        merged["name"] = name
    return merged


def _merge_matches(roots: list[Match], delegates: list[Match]) -> list[Match] | None:
    if not roots or not delegates:
        return roots or delegates
    merged: list[Match] = []
    for below in delegates:
        fitting = [_merge_match(root, below) for root in roots if not _conflict(root, below)]
        if not fitting:
            return None
        merged += fitting
    return merged


def _merge_match(root: Match, delegate: Match) -> Match:
    merged = dict(delegate)
    for name in (*_STRING_MATCHES, "port", "sourceNamespace", "gateways", "statPrefix"):
        if not _given(delegate, name) and _given(root, name):
            merged[name] = root[name]
    for name in (*_MATCH_MAPS, "sourceLabels"):
        if root.get(name):
            merged[name] = {**root[name], **(delegate.get(name) or {})}
    if name := _joined(root, delegate):
        merged["name"] = name
    return merged


def _given(match: Match, name: str) -> bool:
    return match.get(name) is not None if name in _STRING_MATCHES else bool(match.get(name))


def _joined(root: Mapping[str, Any], delegate: Mapping[str, Any]) -> str:
    return "-".join(part for part in (root.get("name"), delegate.get("name")) if part)


def _conflict(root: Match, delegate: Match) -> bool:
    """Can the delegate's condition not be a narrower one of the root's?"""
    if any(_strings_conflict(root.get(name), delegate.get(name)) for name in _STRING_MATCHES):
        return True
    for name in _MATCH_MAPS:
        above = root.get(name) or {}
        if any(_strings_conflict(above.get(key), value) for key, value in (delegate.get(name) or {}).items()):
            return True
    if bool(root.get("ignoreUriCase")) != bool(delegate.get("ignoreUriCase")):
        return True
    if root.get("port") and delegate.get("port") and root["port"] != delegate["port"]:
        return True
    if root.get("sourceNamespace") and root["sourceNamespace"] != delegate.get("sourceNamespace"):
        return True
    labels = root.get("sourceLabels") or {}
    if any(labels.get(key, value) != value for key, value in (delegate.get("sourceLabels") or {}).items()):
        return True
    gateways, narrower = root.get("gateways") or [], delegate.get("gateways") or []
    return bool(gateways) and (len(gateways) < len(narrower) or not set(narrower) <= set(gateways))


def _strings_conflict(root: Mapping[str, Any] | None, delegate: Mapping[str, Any] | None) -> bool:
    """Two conditions on one thing: a regular expression goes with no other; a prefix may become longer or exact."""
    if root is None or delegate is None:
        return False
    above, below = _kind(root), _kind(delegate)
    if above == "prefix" and below in ("prefix", "exact"):
        return not str(delegate[below]).startswith(str(root["prefix"]))
    return not (above == below == "exact" and root["exact"] == delegate["exact"])


def _kind(condition: Mapping[str, Any]) -> str:
    return next((kind for kind in _KINDS if condition.get(kind)), "")


def _key(obj: Obj) -> str:
    return f"{_namespace(obj)}/{name_of(obj)}"


def _namespace(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace") or "default")
