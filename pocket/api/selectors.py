"""Label selectors (`app=db,version in (v1,v2),!legacy`) and field selectors (`status.phase!=Running`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pocket.api import errors
from pocket.kinds import has_meaning, strategy
from pocket.objects import Kind, Obj
from pocket.schemas import kubernetes

Operator = Literal["=", "!=", "in", "notin", "exists", "absent"]


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # of a field: where its value may stand in a stored object

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None


_KEY = r"[A-Za-z0-9][-A-Za-z0-9_./]*"
_VALUE = r"[A-Za-z0-9_][-A-Za-z0-9_.]*"
_SET = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EQUALITY = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})?$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")


def parse_labels(selector: str) -> tuple[Requirement, ...]:
    """The requirements of a label selector; all must hold. Raises ApiError 400."""
    return tuple(_label_requirement(term.strip(), selector) for term in _split(selector))


def _split(selector: str) -> list[str]:
    """At the commas that are not inside parentheses."""
    return [] if not selector.strip() else re.split(r",(?![^()]*\))", selector)


def _label_requirement(term: str, selector: str) -> Requirement:
    if match := _SET.match(term):
        values = tuple(value.strip() for value in match.group(3).split(","))
        return Requirement(match.group(1), "in" if match.group(2) == "in" else "notin", values)
    if match := _EQUALITY.match(term):
        operator: Operator = "!=" if match.group(2) == "!=" else "="
        return Requirement(match.group(1), operator, (match.group(3) or "",))
    if match := _EXISTS.match(term):
        return Requirement(match.group(2), "absent" if match.group(1) else "exists")
    raise errors.bad_request(f'unable to parse requirement: found "{term}" in the label selector "{selector}"')


def labels_match(requirements: tuple[Requirement, ...], labels: Mapping[str, str]) -> bool:
    return all(requirement.matches(labels) for requirement in requirements)


def selector_matches(selector: Obj | None, labels: Mapping[str, str]) -> bool:
    """Does a LabelSelector (matchLabels, matchExpressions) pick these labels? None picks nothing, {} everything."""
    if selector is None:
        return False
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    operators: dict[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    return all(
        Requirement(rule["key"], operators[rule["operator"]], tuple(rule.get("values") or ())).matches(labels)
        for rule in selector.get("matchExpressions") or ()
    )


# -- fields -----------------------------------------------------------------------------------------------------------

_COMMON = ("metadata.name", "metadata.namespace")
_FIELD_TERM = re.compile(r"^([^=!]+)(==|=|!=)(.*)$")


def parse_fields(selector: str, kind: Kind) -> tuple[Requirement, ...]:
    """The requirements of a field selector. Raises ApiError 400 for a field that cannot be selected on."""
    requirements = []
    for term in [term for term in selector.split(",") if term.strip()]:
        match = _FIELD_TERM.match(term.strip())
        if match is None:
            raise errors.bad_request(f'invalid field selector: "{term}"; expected field=value')
        key, operator, value = match.groups()
        if key not in (*_COMMON, *strategy(kind).fields, *kind.selectable) and not _kept_only(kind, key):
            raise errors.bad_request(f'field label not supported: "{key}"')
        paths = strategy(kind).aliases.get(key, (key,))
        requirements.append(Requirement(key, "!=" if operator == "!=" else "=", (value,), paths))
    return tuple(requirements)


def _kept_only(kind: Kind, path: str) -> bool:
    """Is it a plain field of a kind that is only kept? Which of these a real server selects on, no document says."""
    if kind.custom or has_meaning(kind):
        return False
    struct, kinds = kubernetes.of_kind(kind.group, kind.versions[0], kind.name), ("string", "integer", "boolean")
    first, _, rest = path.partition(".")
    below = struct.fields[first].struct if first in struct.fields and first != "metadata" else None
    return below is not None and rest in below.fields and below.fields[rest].name in kinds


def fields_match(requirements: tuple[Requirement, ...], obj: Obj) -> bool:
    return all(
        requirement.matches({requirement.key: next(filter(None, (field(obj, path) for path in requirement.paths)), "")})
        for requirement in requirements
    )


def field(obj: Obj, path: str) -> str:
    """The value of a selectable field as text; "" where it is absent."""
    value: object = obj
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.succeeded": "0"}.get(path, "")
    return str(value)


def predicate(kind: Kind, labels: str, fields: str) -> Callable[[Obj], bool] | None:
    """The test for objects that a request's selectors make; None if it selects everything. Raises ApiError 400."""
    label_terms, field_terms = parse_labels(labels), parse_fields(fields, kind)
    if not label_terms and not field_terms:
        return None
    return lambda obj: (
        labels_match(label_terms, obj["metadata"].get("labels") or {}) and fields_match(field_terms, obj)
    )
