"""VirtualServices whose routes stand in another one, their delegate: what the two say together.

1. A VirtualService without hosts is a delegate; by itself it routes nothing.
2. A rule with `delegate` becomes the rules of the delegate. Conditions of both must hold; one of the delegate that
   contradicts all of the root's has no effect. Settings that the delegate does not have are the root's.
3. It was last changed when either was.

https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from graph.cluster import Obj, full_host, name_of, namespace_of

Rule = Mapping[str, Any]

WEIGHTS_FROM = "delegate"
"""In a rule that came from a delegate: its name."""

_STRINGS = ("uri", "scheme", "method", "authority")


def merged(virtual_services: Iterable[Obj]) -> tuple[Obj, ...]:
    """Those that route something, each with the rules of its delegates in the place of the references."""
    listed = list(virtual_services)
    delegates = {(namespace_of(one), name_of(one)): one for one in listed if not one["spec"].get("hosts")}
    return tuple(_merge(one, delegates) for one in listed if one["spec"].get("hosts"))


def _merge(root: Obj, delegates: Mapping[tuple[str, str], Obj]) -> Obj:
    rules: list[Rule] = []
    fields = list(root["metadata"].get("managedFields") or ())
    for rule in root["spec"].get("http") or ():
        reference = rule.get("delegate")
        if reference is None:
            rules.append(rule)
            continue
        delegate = delegates.get((reference.get("namespace") or namespace_of(root), reference.get("name", "")))
        if delegate is not None:
            fields += delegate["metadata"].get("managedFields") or ()
            rules += _followed(rule, delegate)
    metadata = {**root["metadata"], "managedFields": fields}
    spec = {**root["spec"], "http": rules} if root["spec"].get("http") else root["spec"]
    return {**root, "metadata": metadata, "spec": spec}


def _followed(root: Rule, delegate: Obj) -> Iterator[Rule]:
    for rule in delegate["spec"].get("http") or ():
        matches = _matches(root.get("match") or (), rule.get("match") or ())
        if matches is not None:
            yield {**root, **rule, "match": matches, "route": _routes(rule, delegate), WEIGHTS_FROM: name_of(delegate)}


def _routes(rule: Rule, delegate: Obj) -> list[Rule]:
    """Its destinations, with names that mean the same elsewhere."""
    home = namespace_of(delegate)

    def full(destination: Rule) -> Rule:
        return {**destination, "host": full_host(str(destination.get("host", "")), home)}

    return [{**one, "destination": full(one.get("destination") or {})} for one in rule.get("route") or ()]


def _matches(above: Sequence[Rule], below: Sequence[Rule]) -> list[Rule] | None:
    """The conditions of both; None if some condition of the delegate fits none of the root's."""
    if not above or not below:
        return list(above or below)
    found: list[Rule] = []
    for narrow in below:
        fitting = [{**wide, **narrow} for wide in above if not any(_contradict(wide, narrow, key) for key in _STRINGS)]
        if not fitting:
            return None
        found += fitting
    return found


def _contradict(wide: Rule, narrow: Rule, key: str) -> bool:
    """Is the delegate's condition not within the root's? A prefix may become longer, or exact."""
    if not wide.get(key) or not narrow.get(key):
        return False
    (how, text), (narrow_how, narrow_text) = next(iter(wide[key].items())), next(iter(narrow[key].items()))
    if how == "prefix" and narrow_how in ("prefix", "exact"):
        return not str(narrow_text).startswith(str(text))
    return bool((how, text) != (narrow_how, narrow_text) or how == "regex")
