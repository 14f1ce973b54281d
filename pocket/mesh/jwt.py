"""RequestAuthentications as Envoy's JWT filter: a request without a token passes, one with a wrong token gets 401.

What the token says is left where AuthorizationPolicies look for it
(https://istio.io/latest/docs/reference/config/security/request_authentication/). Pure.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pocket.mesh.model import Resource
from pocket.mesh.names import cluster_name, envoy_duration, typed
from pocket.mesh.registry import MeshService
from pocket.objects import Obj

FILTER = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"
"""Where the claims stand in the filter's metadata."""

_TIMEOUT = "5s"
_KEPT = "300s"  # seconds that fetched keys hold (PILOT_JWT_PUB_KEY_REFRESH_INTERVAL's order of magnitude)
_SPACED = ("scope", "permission")  # claims that are lists, with spaces between (RFC 8693 4.2)


def rules_of(policies: Iterable[Obj]) -> list[Mapping[str, Any]]:
    """The `jwtRules` of RequestAuthentications that are for one workload."""
    return [rule for obj in policies for rule in (obj.get("spec") or {}).get("jwtRules") or ()]


def filters(rules: Sequence[Mapping[str, Any]], services: Sequence[MeshService]) -> list[Resource]:
    """The HTTP filter, where there are rules."""
    if not rules:
        return []
    providers = {f"origins-{index}": _provider(rule, services) for index, rule in enumerate(rules)}
    wanted: list[Resource] = [*({"provider_name": name} for name in providers), {"allow_missing": {}}]
    config = typed(
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        rules=[{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": wanted}}}],
        bypass_cors_preflight=True,
    )
    return [{"name": FILTER, "typed_config": config}]


def clusters(rules: Iterable[Mapping[str, Any]], services: Sequence[MeshService]) -> dict[str, tuple[str, int, bool]]:
    """Where keys are fetched from that no service of the mesh has: cluster -> host, port, by TLS?"""
    found = {}
    for rule in rules:
        if rule.get("jwksUri") and not rule.get("jwks"):
            name, host, port, tls = _place(rule["jwksUri"], services)
            if name.startswith("jwks|"):
                found[name] = (host, port, tls)
    return found


def _place(uri: str, services: Sequence[MeshService]) -> tuple[str, str, int, bool]:
    parts = urllib.parse.urlsplit(uri)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    for service in services:
        names = (service.host, service.host.removesuffix(".cluster.local"), f"{service.name}.{service.namespace}")
        if host in names and service.port(port):
            return cluster_name(port, "", service.host), host, port, tls
    return f"jwks|{port}|{host}", host, port, tls


def _provider(rule: Mapping[str, Any], services: Sequence[MeshService]) -> Resource:
    provider: Resource = {
        "issuer": rule["issuer"],
        "payload_in_metadata": PAYLOAD,
        "normalize_payload_in_metadata": {"space_delimited_claims": list(rule.get("spaceDelimitedClaims") or _SPACED)},
        "forward": bool(rule.get("forwardOriginalToken")),
    }
    if rule.get("audiences"):
        provider["audiences"] = list(rule["audiences"])
    if rule.get("jwks"):
        provider["local_jwks"] = {"inline_string": rule["jwks"]}
    else:
        uri = rule["jwksUri"]
        timeout = envoy_duration(rule.get("timeout") or _TIMEOUT)
        provider["remote_jwks"] = {
            "http_uri": {"uri": uri, "cluster": _place(uri, services)[0], "timeout": timeout},
            "cache_duration": _KEPT,
        }
    if rule.get("fromHeaders"):
        provider["from_headers"] = [
            {"name": one["name"], "value_prefix": one.get("prefix") or ""} for one in rule["fromHeaders"]
        ]
    for theirs, ours in (("fromParams", "from_params"), ("fromCookies", "from_cookies")):
        if rule.get(theirs):
            provider[ours] = list(rule[theirs])
    if rule.get("outputPayloadToHeader"):
        provider["forward_payload_header"] = rule["outputPayloadToHeader"]
    if rule.get("outputClaimToHeaders"):
        provider["claim_to_headers"] = [
            {"header_name": one["header"], "claim_name": one["claim"]} for one in rule["outputClaimToHeaders"]
        ]
    return provider
