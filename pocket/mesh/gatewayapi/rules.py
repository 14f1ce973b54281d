"""The rules of an HTTPRoute or GRPCRoute as those of a VirtualService.

Each match becomes a rule of its own, so that they can be sorted as the Gateway API wants it: the more exact first,
over all routes of a host (https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule). How a field is read is as
Istio's control plane has it (pilot/pkg/config/kube/gateway/conversion.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pocket.mesh.gatewayapi.refs import Backends, Hopeless, Problem
from pocket.mesh.names import seconds
from pocket.objects import Obj, name_of

Rule = dict[str, Any]

_RETRY_ON = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_RETRIES = 2  # Istio's default
_ANY_ORIGIN = r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def rules_of(route: Obj, backends: Backends, kind: str) -> tuple[list[Rule], Problem | None]:
    """The rules, and what is wrong with the references; no rules where nothing can come of the route."""
    made: list[Rule] = []
    problems: list[Problem] = []
    try:
        for index, rule in enumerate(route["spec"].get("rules") or ()):
            name = rule.get("name") or f"{route['metadata']['namespace']}.{name_of(route)}.{index}"
            for match in rule.get("matches") or [None]:
                made.append(_rule(rule, match, str(name), kind, backends, problems))
    except Hopeless as error:
        return [], error.problem
    return made, problems[-1] if problems else None


def sorted_rules(rules: Iterable[Rule]) -> list[Rule]:
    """The more exact first: path, its length, method, number of headers, of query parameters."""
    return sorted(rules, key=_rank)


def on_port(rules: Iterable[Rule], port: int) -> list[Rule]:
    """The same for requests to one port."""
    return [{**rule, "match": [{**match, "port": port} for match in rule.get("match") or [{}]]} for rule in rules]


def _rank(rule: Rule) -> tuple[int, ...]:
    if not rule.get("match"):
        return (1,)
    match = rule["match"][0]
    uri = match.get("uri") or {}
    kinds = ("exact", "prefix", "regex")
    found = next((kind for kind in kinds if kind in uri), None)
    rank = -1 if found is None else 3 - kinds.index(found)
    length = len(uri[found]) if found else 0
    return (
        0,
        -rank,
        -length,
        0 if match.get("method") else 1,
        -len(match.get("headers") or ()),
        -len(match.get("queryParams") or ()),
    )


def _rule(
    rule: Mapping[str, Any],
    match: Mapping[str, Any] | None,
    name: str,
    kind: str,
    backends: Backends,
    problems: list[Problem],
) -> Rule:
    out: Rule = {"name": name}
    if match is not None:
        out["match"] = [_grpc_match(match) if kind == "GRPCRoute" else _http_match(match)]
    mirror_problem = _filters(out, rule.get("filters") or (), kind, backends)
    if kind == "HTTPRoute":
        _retry_and_timeouts(out, rule)
    listed = rule.get("backendRefs") or []
    active = [one for one in listed if _weight(one)]
    if not active and "redirect" not in out:
        out["directResponse"] = {"status": 500}
        if mirror_problem:
            problems.append(mirror_problem)
        return out
    found: Problem | None = None
    route = []
    for one in active:
        destination, problem = backends.destination(one)
        found = problem or found
        target: Rule = {"destination": destination}
        if len(active) > 1:
            target["weight"] = _weight(one)
        _backend_filters(target, one.get("filters") or ())
        route.append(target)
    if route:
        out["route"] = route
    if found and mirror_problem:
        found = Problem(found.reason, f"{found.message}; {mirror_problem.message}")
    if joined := found or mirror_problem:
        problems.append(joined)
    return out


def _weight(backend: Mapping[str, Any]) -> int:
    weight = backend.get("weight")
    return 1 if weight is None else int(weight)


# -- conditions -------------------------------------------------------------------------------------------------------


def _http_match(match: Mapping[str, Any]) -> Rule:
    path = match.get("path") or {}
    value = str(path.get("value") or "/")
    match path.get("type") or "PathPrefix":
        case "Exact":
            uri = {"exact": value}
        case "RegularExpression":
            uri = {"regex": value}
        case _:
            uri = {"prefix": value.removesuffix("/") or "/"}
    out: Rule = {"uri": uri}
    if headers := _values(match.get("headers") or ()):
        out["headers"] = headers
    if parameters := _values(match.get("queryParams") or ()):
        out["queryParams"] = parameters
    if match.get("method"):
        out["method"] = {"exact": match["method"]}
    return out


def _grpc_match(match: Mapping[str, Any]) -> Rule:
    out: Rule = {}
    if method := match.get("method"):
        exact = (method.get("type") or "Exact") == "Exact"
        service, called = method.get("service"), method.get("method")
        if not service and not called:
            raise Hopeless("InvalidConfiguration", "gRPC match must have method or service defined")
        if not called:
            out["uri"] = {"prefix": f"/{service}/"} if exact else {"regex": f"/{service}/.+"}
        elif not service:
            out["uri"] = {"regex": f"/[^/]+/{called}"}
        else:
            out["uri"] = {"exact" if exact else "regex": f"/{service}/{called}"}
    if headers := _values(match.get("headers") or ()):
        out["headers"] = headers
    return out


def _values(listed: Iterable[Mapping[str, Any]]) -> Rule:
    """Of several conditions on one name, the first."""
    out: Rule = {}
    for one in listed:
        kind = "regex" if one.get("type") == "RegularExpression" else "exact"
        out.setdefault(str(one["name"]), {kind: one["value"]})
    return out


# -- filters ----------------------------------------------------------------------------------------------------------


def _filters(out: Rule, filters: Sequence[Mapping[str, Any]], kind: str, backends: Backends) -> Problem | None:
    problem = None
    for one in filters:
        match one["type"]:
            case "RequestHeaderModifier":
                out.setdefault("headers", {})["request"] = _headers(one["requestHeaderModifier"])
            case "ResponseHeaderModifier":
                out.setdefault("headers", {})["response"] = _headers(one["responseHeaderModifier"])
            case "RequestMirror":
                destination, found = backends.destination(one["requestMirror"]["backendRef"])
                if found is None:
                    out.setdefault("mirrors", []).append(_mirror(one["requestMirror"], destination))
                elif kind == "GRPCRoute":
                    raise Hopeless(found.reason, found.message)
                problem = found or problem
            case "RequestRedirect" if kind == "HTTPRoute":
                out["redirect"] = _redirect(one["requestRedirect"])
            case "URLRewrite" if kind == "HTTPRoute":
                if rewrite := _rewrite(one["urlRewrite"]):
                    out["rewrite"] = rewrite
            case "CORS" if kind == "HTTPRoute":
                out["corsPolicy"] = _cors(one["cors"])
            case other:
                raise Hopeless("InvalidFilter", f'unsupported filter type "{other}"')
    return problem


def _backend_filters(target: Rule, filters: Iterable[Mapping[str, Any]]) -> None:
    for one in filters:
        match one["type"]:
            case "RequestHeaderModifier":
                target.setdefault("headers", {})["request"] = _headers(one["requestHeaderModifier"])
            case "ResponseHeaderModifier":
                target.setdefault("headers", {})["response"] = _headers(one["responseHeaderModifier"])
            case other:
                raise Hopeless("InvalidFilter", f'unsupported filter type "{other}"')


def _headers(modifier: Mapping[str, Any]) -> Rule:
    out: Rule = {}
    for verb in ("set", "add"):
        values: dict[str, str] = {}
        for header in modifier.get(verb) or ():
            if _CONTROL.search(header["value"]):
                raise Hopeless("InvalidFilter", f'header "{header["name"]}" value contains invalid characters')
            values.setdefault(header["name"].lower(), header["value"])
        if values:
            out[verb] = values
    if modifier.get("remove"):
        out["remove"] = list(modifier["remove"])
    return out


def _mirror(mirror: Mapping[str, Any], destination: Rule) -> Rule:
    out: Rule = {"destination": destination}
    if fraction := mirror.get("fraction"):
        whole = fraction.get("denominator") or 100
        out["percentage"] = {"value": 100 * fraction["numerator"] / whole}
    elif mirror.get("percent") is not None:
        out["percentage"] = {"value": mirror["percent"]}
    return out


def _redirect(redirect: Mapping[str, Any]) -> Rule:
    out: Rule = {}
    if redirect.get("statusCode"):
        out["redirectCode"] = redirect["statusCode"]
    if redirect.get("hostname"):
        out["authority"] = redirect["hostname"]
    if redirect.get("scheme"):
        out["scheme"] = redirect["scheme"]
    if redirect.get("port"):
        out["port"] = redirect["port"]
    else:  # "when empty, port (if specified) of the request is used"
        out["derivePort"] = "FROM_PROTOCOL_DEFAULT" if redirect.get("scheme") else "FROM_REQUEST_PORT"
    path = redirect.get("path") or {}
    if path.get("type") == "ReplaceFullPath":
        out["uri"] = path["replaceFullPath"]
    elif path.get("type") == "ReplacePrefixMatch":
        out["prefixRewrite"] = path["replacePrefixMatch"]
    return out


def _rewrite(rewrite: Mapping[str, Any]) -> Rule:
    out: Rule = {}
    path = rewrite.get("path") or {}
    if path.get("type") == "ReplacePrefixMatch":
        out["uri"] = path["replacePrefixMatch"].removesuffix("/") or "/"
    elif path.get("type") == "ReplaceFullPath":
        out["uriRegexRewrite"] = {"match": "/.*", "rewrite": path["replaceFullPath"]}
    if rewrite.get("hostname"):
        out["authority"] = rewrite["hostname"]
    return out


def _cors(cors: Mapping[str, Any]) -> Rule:
    out: Rule = {"allowOrigins": [_origin(one) for one in cors.get("allowOrigins") or ()]}
    if cors.get("allowCredentials"):
        out["allowCredentials"] = True
    for name in ("allowMethods", "allowHeaders", "exposeHeaders"):
        if cors.get(name):
            out[name] = list(cors[name])
    if cors.get("maxAge"):
        out["maxAge"] = f"{cors['maxAge']}s"
    out["unmatchedPreflights"] = "IGNORE"
    return out


def _origin(origin: str) -> Rule:
    if origin == "*":
        return {"regex": _ANY_ORIGIN}
    if "*" not in origin:
        return {"exact": origin}
    if origin.count("*") == 1 and origin.endswith("*"):
        return {"prefix": origin.removesuffix("*")}
    pattern = ".*".join(re.sub(r"([.+?()\[\]{}|^$\\])", r"\\\1", part) for part in origin.split("*"))
    return {"regex": f"^{pattern}$"}


def _retry_and_timeouts(out: Rule, rule: Mapping[str, Any]) -> None:
    retry = rule.get("retry")
    if retry is not None:
        attempts = retry.get("attempts")
        retries: Rule = {"attempts": _RETRIES if attempts is None else attempts}
        if retries["attempts"]:
            retries["retryOn"] = ",".join([*_RETRY_ON, *map(str, retry.get("codes") or ())])
        if retry.get("backoff"):
            retries["backoff"] = retry["backoff"]
        out["retries"] = retries
    timeouts = rule.get("timeouts") or {}
    if timeouts.get("request") and seconds(timeouts["request"]):
        out["timeout"] = timeouts["request"]
    if timeouts.get("backendRequest") and seconds(timeouts["backendRequest"]):
        if "retries" in out:
            out["retries"]["perTryTimeout"] = timeouts["backendRequest"]
        else:
            out["timeout"] = timeouts["backendRequest"]
