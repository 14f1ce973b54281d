"""AuthorizationPolicies as Envoy's RBAC filters: who may do what at a workload or a gateway.

DENY comes before ALLOW; where an ALLOW policy exists, what none of them allows is refused; a policy without rules
matches nothing, an empty rule everything
(https://istio.io/latest/docs/reference/config/security/authorization-policy/). Envoy's own ports are not those that
people name: a condition on a port is decided here, for each listener knows its own. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pocket.mesh.jwt import FILTER as JWT
from pocket.mesh.jwt import PAYLOAD
from pocket.mesh.model import Resource
from pocket.mesh.names import ROOT_NAMESPACE, oldest_first, typed
from pocket.objects import Obj, matches, name_of

Matcher = dict[str, Any]

ANY: Matcher = {"any": True}
NEVER: dict[str, Matcher] = {"permission": {"not_rule": ANY}, "principal": {"not_id": ANY}}

_CLAIM = re.compile(r"\[([^\[\]]+)\]")
_HTTP_SOURCES = ("requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks")
_HTTP_OPERATIONS = ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths")
_HTTP_KEYS = ("request.", "remote.ip")


@dataclass(frozen=True)
class Place:
    """Where a filter stands: whose listener, for which port (containerPort), and does it see HTTP?"""

    namespace: str
    labels: Mapping[str, str]
    port: int
    http: bool = True


def filters(policies: Iterable[Obj], place: Place) -> list[Resource]:
    """The filters of a filter chain, in order; none where no policy is for it."""
    mine = applicable(policies, place.namespace, place.labels)
    made = []
    for action in ("DENY", "ALLOW"):
        some = [obj for obj in mine if (obj.get("spec") or {}).get("action", "ALLOW") == action]
        rules = {name: rule for obj in some for name, rule in _policies(obj, place, action)}
        if rules or (some and action == "ALLOW"):
            made.append(_filter(action, rules, place))
    return made


def applicable(policies: Iterable[Obj], namespace: str, labels: Mapping[str, str]) -> list[Obj]:
    """The policies for a workload: of the root namespace and of its own, those that select it or everything."""

    def concerns(obj: Obj) -> bool:
        selector = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels")
        own = obj["metadata"].get("namespace") or "default"
        return own in (namespace, ROOT_NAMESPACE) and (not selector or matches(selector, labels))

    return sorted((obj for obj in policies if concerns(obj)), key=oldest_first)


def _filter(action: str, rules: Mapping[str, Resource], place: Place) -> Resource:
    kind = "http" if place.http else "network"
    more = {} if place.http else {"stat_prefix": "tcp."}
    config = typed(f"envoy.extensions.filters.{kind}.rbac.v3.RBAC", rules={"action": action, "policies": rules}, **more)
    return {"name": f"envoy.filters.{kind}.rbac", "typed_config": config}


def _policies(obj: Obj, place: Place, action: str) -> Iterable[tuple[str, Resource]]:
    for index, rule in enumerate((obj.get("spec") or {}).get("rules") or ()):
        made = _rule(rule or {}, place, action)
        if made is not None:
            yield f"ns[{obj['metadata'].get('namespace')}]-policy[{name_of(obj)}]-rule[{index}]", made


def _rule(rule: Mapping[str, Any], place: Place, action: str) -> Resource | None:
    """One rule; None where it can never match: on TCP, what speaks of HTTP allows nothing, and denies by the rest."""
    sources = [one.get("source") or {} for one in rule.get("from") or ()]
    operations = [one.get("operation") or {} for one in rule.get("to") or ()]
    conditions = list(rule.get("when") or ())
    if not place.http:
        keys = {key for one in sources for key in one if key in _HTTP_SOURCES}
        keys |= {key for one in operations for key in one if key in _HTTP_OPERATIONS}
        speaking = [one for one in conditions if one["key"].startswith(_HTTP_KEYS)]
        if (keys or speaking) and action == "ALLOW":
            return None
        sources = [{k: v for k, v in one.items() if k not in _HTTP_SOURCES} for one in sources]
        operations = [{k: v for k, v in one.items() if k not in _HTTP_OPERATIONS} for one in operations]
        conditions = [one for one in conditions if one not in speaking]
    whens = [_condition(one, place) for one in conditions]
    principals = [_all("and_ids", "ids", _source(one)) for one in sources] or [ANY]
    permissions = [_all("and_rules", "rules", _operation(one, place)) for one in operations] or [ANY]
    ids = [matcher for kind, matcher in whens if kind == "principal"]
    rules = [matcher for kind, matcher in whens if kind == "permission"]
    return {
        "permissions": [_all("and_rules", "rules", [one, *rules]) for one in permissions],
        "principals": [_all("and_ids", "ids", [one, *ids]) for one in principals],
    }


def _all(kind: str, name: str, matchers: Sequence[Matcher]) -> Matcher:
    found = [one for one in matchers if one != ANY] or [ANY]
    return found[0] if len(found) == 1 else {kind: {name: list(found)}}


# -- from: who ----------------------------------------------------------------------------------------------------


def _source(source: Mapping[str, Any]) -> list[Matcher]:
    kinds: dict[str, Callable[[str], Matcher]] = {
        "principals": _principal,
        "requestPrincipals": _request_principal,
        "namespaces": _namespace,
        "serviceAccounts": _account,
        "trustDomains": _trust_domain,
        "ipBlocks": lambda block: {"direct_remote_ip": _block(block)},
        "remoteIpBlocks": lambda block: {"remote_ip": _block(block)},
    }
    return _both(source, kinds, "or_ids", "ids", "not_id")


def _both(
    given: Mapping[str, Any], kinds: Mapping[str, Callable[[str], Matcher]], either: str, name: str, negation: str
) -> list[Matcher]:
    """`values` and `notValues` of each kind."""
    made = []
    for kind, make in kinds.items():
        negative = f"not{kind[0].upper()}{kind[1:]}"
        if given.get(kind):
            made.append(_any(either, name, [make(value) for value in given[kind]]))
        if given.get(negative):
            made.append({negation: _any(either, name, [make(value) for value in given[negative]])})
    return made


def _any(kind: str, name: str, matchers: Sequence[Matcher]) -> Matcher:
    return matchers[0] if len(matchers) == 1 else {kind: {name: list(matchers)}}


def _principal(value: str) -> Matcher:
    if value == "*":
        matcher = _regex(".+")
    elif value.startswith("*"):
        matcher = {"suffix": value[1:]}
    else:
        matcher = _string(f"spiffe://{value}")
    return {"authenticated": {"principal_name": matcher}}


def _namespace(value: str) -> Matcher:
    return {"authenticated": {"principal_name": _regex(f".*/ns/{_glob(value)}/.*")}}


def _trust_domain(value: str) -> Matcher:
    return {"authenticated": {"principal_name": _regex(f"spiffe://{_glob(value)}/ns/.*")}}


def _account(value: str) -> Matcher:
    namespace, _, account = value.rpartition("/")
    where = re.escape(namespace) if namespace else "[^/]+"
    return {"authenticated": {"principal_name": _regex(f"spiffe://.*/ns/{where}/sa/{re.escape(account)}")}}


def _glob(value: str) -> str:
    if value == "*":
        return ".*"
    if value.startswith("*"):
        return f".*{re.escape(value[1:])}"
    return f"{re.escape(value[:-1])}.*" if value.endswith("*") else re.escape(value)


def _block(value: str) -> Resource:
    network = ipaddress.ip_network(value, strict=False)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}


def _request_principal(value: str) -> Matcher:
    """`ISSUER/SUBJECT`, of which the last slash divides the two; `*` at one end stands for the rest."""
    issuer, slash, subject = value.rpartition("/")
    if not slash:
        issuer, subject = (value, "*") if value.endswith("*") and value != "*" else ("*", value)
    return {"and_ids": {"ids": [_claim(["iss"], issuer), _claim(["sub"], subject)]}}


def _claim(path: Sequence[str], value: str) -> Matcher:
    """A claim is the value, or a list that has it."""
    where = {"filter": JWT, "path": [{"key": PAYLOAD}, *({"key": one} for one in path)]}
    wanted = {"string_match": _pattern(value)}
    return {
        "or_ids": {
            "ids": [
                {"metadata": {**where, "value": wanted}},
                {"metadata": {**where, "value": {"list_match": {"one_of": wanted}}}},
            ]
        }
    }


# -- to: what -----------------------------------------------------------------------------------------------------


def _operation(operation: Mapping[str, Any], place: Place) -> list[Matcher]:
    kinds: dict[str, Callable[[str], Matcher]] = {
        "hosts": lambda value: _header(":authority", value, ignore_case=True),
        "ports": lambda value: _port(value, place),
        "methods": lambda value: _header(":method", value),
        "paths": _path,
    }
    return _both(operation, kinds, "or_rules", "rules", "not_rule")


def _port(value: str, place: Place) -> Matcher:
    return ANY if int(value) == place.port else NEVER["permission"]


def _path(value: str) -> Matcher:
    if "{" in value:
        template = value.replace("{**}", "**").replace("{*}", "*")
        kind = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
        return {"uri_template": {"name": "uri-template", "typed_config": typed(kind, path_template=template)}}
    return {"url_path": {"path": _pattern(value)}}


def _header(name: str, value: str, *, ignore_case: bool = False) -> Matcher:
    if value == "*":
        return {"header": {"name": name, "present_match": True}}
    matcher = _pattern(value)
    if ignore_case:
        matcher["ignore_case"] = True
    return {"header": {"name": name, "string_match": matcher}}


def _pattern(value: str) -> Matcher:
    """Exact, `prefix*`, `*suffix`, and `*` for whatever is not empty."""
    return _regex(".+") if value == "*" else _string(value)


def _string(value: str) -> Matcher:
    if value.startswith("*"):
        return {"suffix": value[1:]}
    return {"prefix": value[:-1]} if value.endswith("*") else {"exact": value}


def _regex(pattern: str) -> Matcher:
    return {"safe_regex": {"regex": pattern}}


# -- when ---------------------------------------------------------------------------------------------------------

CONDITIONS = (
    "request.headers[", "source.ip", "remote.ip", "source.namespace", "source.serviceAccount", "source.principal",
    "request.auth.principal", "request.auth.audiences", "request.auth.presenter", "request.auth.claims[",
    "destination.ip", "destination.port", "connection.sni",
)  # fmt: skip
"""The keys of conditions (https://istio.io/latest/docs/reference/config/security/conditions/); those with a bracket go
on with a name."""


def _condition(condition: Mapping[str, Any], place: Place) -> tuple[str, Matcher]:
    """Whether it is a permission or a principal, in Envoy's sense, and which."""
    key = condition["key"]
    kind, make = _maker(key, place)
    either, name, negation = ("or_ids", "ids", "not_id") if kind == "principal" else ("or_rules", "rules", "not_rule")
    made = []
    if condition.get("values"):
        made.append(_any(either, name, [make(value) for value in condition["values"]]))
    if condition.get("notValues"):
        made.append({negation: _any(either, name, [make(value) for value in condition["notValues"]])})
    return kind, _all("and_ids" if kind == "principal" else "and_rules", name, made)


def _maker(key: str, place: Place) -> tuple[str, Callable[[str], Matcher]]:
    if key.startswith("request.headers["):
        header = key.partition("[")[2].rstrip("]")
        return "principal", lambda value: _header(header, value)
    if key.startswith("request.auth.claims["):
        path = _CLAIM.findall(key)
        return "principal", lambda value: _claim(path, value)
    makers: dict[str, tuple[str, Callable[[str], Matcher]]] = {
        "source.ip": ("principal", lambda value: {"direct_remote_ip": _block(value)}),
        "remote.ip": ("principal", lambda value: {"remote_ip": _block(value)}),
        "source.namespace": ("principal", _namespace),
        "source.serviceAccount": ("principal", _account),
        "source.principal": ("principal", _principal),
        "request.auth.principal": ("principal", _request_principal),
        "request.auth.audiences": ("principal", lambda value: _claim(["aud"], value)),
        "request.auth.presenter": ("principal", lambda value: _claim(["azp"], value)),
        "destination.ip": ("permission", lambda value: {"destination_ip": _block(value)}),
        "destination.port": ("permission", lambda value: _port(value, place)),
        "connection.sni": ("permission", lambda value: {"requested_server_name": _pattern(value)}),
    }
    return makers[key]
