"""Conditions of VirtualService routes: whether they concern a proxy at all, and the rest as Envoy's route matchers."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from pocket.mesh.model import Proxy, Resource
from pocket.mesh.names import gateway_name

_CATCH_ALL = {"prefix": "/"}


def concerns(match: Mapping[str, Any], proxy: Proxy, gateways: Set[str], port: int | None, namespace: str) -> bool:
    """Does a match block apply at this proxy, for these gateways (`mesh`, `ns/name`) and this port?

    Gateways named in the match stand for themselves; otherwise labels and namespace of the source must fit
    (https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest).
    """
    if match.get("port") and port is not None and match["port"] != port:
        return False
    named = match.get("gateways")
    if named:
        return any(gateway_name(name, namespace) in gateways for name in named)
    labels = match.get("sourceLabels") or {}
    if any(proxy.labels.get(key) != value for key, value in labels.items()):
        return False
    source = match.get("sourceNamespace")
    return not source or source == proxy.namespace


def route_match(match: Mapping[str, Any] | None, *, whole_segments: bool = False) -> Resource:
    """Envoy's RouteMatch for an HTTPMatchRequest; None matches everything.

    `whole_segments`: a prefix `/a` does not match `/ab`, as in the Gateway API.
    """
    match = match or {}
    out: Resource = _path(match.get("uri"))
    if whole_segments and out.get("prefix", "/") != "/":
        out["path_separated_prefix"] = out.pop("prefix").removesuffix("/")
    if match.get("ignoreUriCase") and "safe_regex" not in out:
        out["case_sensitive"] = False
    headers = [_header(name, condition) for name, condition in sorted((match.get("headers") or {}).items())]
    for name, condition in sorted((match.get("withoutHeaders") or {}).items()):
        matcher = _header(name, condition)
        matcher["invert_match"] = True
        if "string_match" in matcher:
            matcher["treat_missing_header_as_empty"] = True  # a request without the header is one of those meant
        headers.append(matcher)
    for field, name in (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme")):
        if match.get(field):
            headers.append(_header(name, match[field]))
    if headers:
        out["headers"] = headers
    parameters = [_parameter(name, condition) for name, condition in sorted((match.get("queryParams") or {}).items())]
    if parameters:
        out["query_parameters"] = parameters
    return out


def is_catch_all(route: Resource) -> bool:
    """Does nothing get past this route?"""
    return bool(route["match"] == _CATCH_ALL)


def string_match(condition: Mapping[str, Any]) -> Resource:
    """Envoy's StringMatcher for Istio's StringMatch."""
    if "exact" in condition:
        return {"exact": condition["exact"]}
    if "prefix" in condition:
        return {"prefix": condition["prefix"]}
    return {"safe_regex": {"regex": condition["regex"]}}


def _path(uri: Mapping[str, Any] | None) -> Resource:
    if not uri:
        return dict(_CATCH_ALL)
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "prefix" in uri:
        return {"prefix": uri["prefix"]}
    if uri["regex"] in (".*", "/.*"):  # every path begins with a slash
        return dict(_CATCH_ALL)
    return {"safe_regex": {"regex": uri["regex"]}}


def _header(name: str, condition: Mapping[str, Any] | None) -> Resource:
    if not condition or condition == {"prefix": ""} or condition == {"regex": "*"}:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_match(condition)}


def _parameter(name: str, condition: Mapping[str, Any] | None) -> Resource:
    if not condition:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_match(condition)}
