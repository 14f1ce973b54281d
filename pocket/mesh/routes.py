"""VirtualService rules as Envoy routes: where a request goes, and what happens to it on the way.

The rules follow Istio's reference (https://istio.io/latest/docs/reference/config/networking/virtual-service/); where it
leaves something open, the behaviour of Istio's own control plane is the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from pocket.mesh import policy, telemetry
from pocket.mesh.matching import concerns, is_catch_all, route_match, string_match
from pocket.mesh.model import Proxy, Resource
from pocket.mesh.names import (
    cluster_name,
    config_path,
    envoy_duration,
    external_cluster_name,
    fqdn,
    is_gateway_api,
    seconds,
    typed,
)
from pocket.mesh.registry import MeshService
from pocket.objects import Obj

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
RETRIES = 2
"""Istio's default retry policy; it names no status codes (since 1.24, 503 is not retried unasked)."""

REUSE_RETRY = {"retry_on": "reset-before-request", "num_retries": 1}
"""Outside the mesh nobody repeats requests; but a kept-alive connection that the server closes in the very moment of
its next use is a matter between Envoy and server, of which the client is to know nothing."""

GRPC_TIMEOUT = {"grpc_timeout_header_max": "0s"}
"""The `grpc-timeout` of a request ends it. Not beside a rule's own timeout, which Envoy would then not look at; the
field that knows both (Istio's) is deprecated, and Envoy says so at every change."""

_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
}
_PREVIOUS_PRIORITIES = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": typed(
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig", update_frequency=2
    ),
}
UNKNOWN = "UnknownService"
"""A cluster that is nowhere; Istio's name."""

_MILLION = {"denominator": "MILLION"}
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_SCHEME_PORTS = {"http": 80, "https": 443}
GRPC_STATUS = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


@dataclass(frozen=True)
class Context:
    """Whose routes are made, for which gateways and which port."""

    proxy: Proxy
    services: Mapping[str, MeshService]  # by host
    gateways: Set[str]  # {"mesh"} or {"ns/gateway"}
    port: int  # of the service called, or of the gateway's server
    hash_of: Callable[
        [MeshService, str, int | None], Mapping[str, Any] | None
    ]  # service, subset, port -> consistentHash
    tls: bool = False  # requests come by TLS


def http_routes(virtual_service: Obj, context: Context) -> list[Resource]:
    """The routes of a VirtualService's `http` rules at this place, in order, up to the first that catches all."""
    namespace = virtual_service["metadata"].get("namespace") or "default"
    source = {"config": config_path("virtual-service", namespace, virtual_service["metadata"]["name"])}
    routes: list[Resource] = []
    for rule in virtual_service["spec"].get("http") or ():
        for match in rule.get("match") or [None]:
            if match is not None and not concerns(match, context.proxy, context.gateways, context.port, namespace):
                continue
            route = _route(rule, match, namespace, context)
            if is_gateway_api(virtual_service):
                _as_gateway_api(route, rule, match)
            routes.append({**route, "metadata": {"filter_metadata": {"istio": source}}})
            if is_catch_all(routes[-1]):
                return routes
    return routes


def _as_gateway_api(route: Resource, rule: Mapping[str, Any], match: Mapping[str, Any] | None) -> None:
    """What the Gateway API wants otherwise than Istio: prefixes of whole segments, and 500 for what is not there."""
    route["match"] = route_match(match, whole_segments=True)
    action = route.get("route")
    if action is None:
        return
    action["cluster_not_found_response_code"] = "INTERNAL_SERVER_ERROR"
    if (rule.get("rewrite") or {}).get("uri") == "/" and "prefix_rewrite" in action:  # the prefix goes away
        del action["prefix_rewrite"]
        prefix = re.escape(route["match"].get("path_separated_prefix", ""))
        action["regex_rewrite"] = {"pattern": {"regex": f"^{prefix}(/?)(.*)"}, "substitution": r"/\2"}


def default_route(service: MeshService, context: Context) -> Resource:
    """The route to a service that no VirtualService speaks of."""
    action: Resource = {"cluster": cluster_name(context.port, "", service.host), "timeout": "0s"}
    if context.proxy.mode != "plain":
        action["max_stream_duration"] = GRPC_TIMEOUT
    route: Resource = {"name": "default", "match": {"prefix": "/"}, "route": action}
    if context.proxy.mode == "plain":
        action["retry_policy"] = REUSE_RETRY
        return route
    action["retry_policy"] = _retries(None, hashing=False)
    if hashing := policy.hash_policy(context.hash_of(service, "", context.port)):
        action["hash_policy"] = [hashing]
    if service.external:
        route["request_headers_to_remove"] = [telemetry.PEER_HEADER]
    return route


def external_route(service: MeshService, port: int) -> Resource:
    """The route of an ExternalName that is no service of the mesh: passed through to where cluster DNS leads."""
    action: Resource = {"cluster": external_cluster_name(port, str(service.alias_of)), "timeout": "0s"}
    remove = [telemetry.PEER_HEADER]
    return {"name": "allow_any", "match": {"prefix": "/"}, "route": action, "request_headers_to_remove": remove}


def tunnel_route(clusters: Resource) -> Resource:
    """The route of a CONNECT request: its bytes go to a cluster (or weighted clusters) as they are."""
    return {
        "name": "tunnel",
        "match": {"connect_matcher": {}},
        "route": {**clusters, "timeout": "0s", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]},
    }


def l4_clusters(rule: Mapping[str, Any], namespace: str, services: Mapping[str, MeshService], port: int) -> Resource:
    """Where a `tls` or `tcp` rule sends connections: `cluster` or `weighted_clusters`, for a route or a TCP proxy."""

    def cluster(destination: Mapping[str, Any]) -> str:
        service = services.get(fqdn(destination["host"], namespace))
        return destination_cluster(destination, namespace, service, _only_port(service) or port)

    named = [(cluster(one["destination"]), one.get("weight") or 0) for one in _weighted(rule.get("route") or ())]
    if len(named) == 1:
        return {"cluster": named[0][0]}
    return {"weighted_clusters": {"clusters": [{"name": name, "weight": weight} for name, weight in named]}}


def destination_cluster(
    destination: Mapping[str, Any], namespace: str, service: MeshService | None, default: int
) -> str:
    """The cluster of a destination; `default` is its port where it names none.

    One that does not exist gives the name of a cluster that does not exist either: Envoy then answers 503, as in Istio.
    """
    if not destination["host"]:  # a backend of the Gateway API that cannot be
        return UNKNOWN
    number = (destination.get("port") or {}).get("number") or default
    host = service.alias_of if service and service.alias_of else fqdn(destination["host"], namespace)
    return cluster_name(number, destination.get("subset") or "", host)


def _only_port(service: MeshService | None) -> int | None:
    return service.ports[0].number if service and len(service.ports) == 1 else None


def _destination(destination: Mapping[str, Any], namespace: str, context: Context) -> tuple[str, MeshService | None]:
    """The cluster of a destination of an HTTP rule, and its service where the mesh knows it.

    Without a port it is, at a gateway, the service's only one, else that of the request. A sidecar knows on each port
    the services with that port and no others, so there it is always the request's.
    """
    service = context.services.get(fqdn(destination["host"], namespace))
    if context.proxy.mode == "gateway":
        return destination_cluster(destination, namespace, service, _only_port(service) or context.port), service
    here = service if service and service.port(context.port) else None
    return destination_cluster(destination, namespace, here, context.port), service


def _route(rule: Mapping[str, Any], match: Mapping[str, Any] | None, namespace: str, context: Context) -> Resource:
    route: Resource = {"match": route_match(match)}
    name = ".".join(part for part in (rule.get("name"), (match or {}).get("name")) if part)
    if name:
        route["name"] = name
    authority = _headers(route, rule.get("headers"))
    if rule.get("redirect") is not None:
        route["redirect"] = _redirect(rule["redirect"], context)
    elif rule.get("directResponse") is not None:
        route["direct_response"] = _direct_response(rule["directResponse"])
    else:
        _forward(route, rule, (rule.get("rewrite") or {}).get("authority") or authority, namespace, context)
    filters: Resource = {}
    if fault := _fault(rule.get("fault") or {}):
        filters["envoy.filters.http.fault"] = fault
    if (cors := rule.get("corsPolicy")) is not None:
        filters["envoy.filters.http.cors"] = _cors(cors)
    if filters:
        route["typed_per_filter_config"] = filters
    return route


def _forward(route: Resource, rule: Mapping[str, Any], authority: str, namespace: str, context: Context) -> None:
    destinations = _weighted(rule.get("route") or ())
    found = [_destination(d["destination"], namespace, context) for d in destinations]
    action: Resource = {}
    alone = len(rule.get("route") or ()) == 1
    if alone:
        action["cluster"], service = found[0]
        # The rule's own Host goes before the destination's.
        authority = authority or _headers(route, destinations[0].get("headers"))
        if service is not None and service.external:
            route.setdefault("request_headers_to_remove", []).append(telemetry.PEER_HEADER)
    else:
        weighted = []
        for destination, (cluster, service) in zip(destinations, found, strict=True):
            entry: Resource = {"name": cluster, "weight": destination["weight"]}
            if host := _headers(entry, destination.get("headers")):
                entry["host_rewrite_literal"] = host
            if service is not None and service.external:
                entry.setdefault("request_headers_to_remove", []).append(telemetry.PEER_HEADER)
            weighted.append(entry)
        action["weighted_clusters"] = {"clusters": weighted}
    action["timeout"] = envoy_duration(rule.get("timeout") or "0s")
    if action["timeout"] == "0s":
        action["max_stream_duration"] = GRPC_TIMEOUT
    hashing = _hash_policies(destinations, found, context)
    if hashing:
        action["hash_policy"] = hashing
    if retries := _retries(rule.get("retries"), hashing=bool(hashing) and alone):
        action["retry_policy"] = retries
    _rewrite(action, rule.get("rewrite") or {})
    if authority:
        action["host_rewrite_literal"] = authority
    if mirrors := _mirrors(rule, namespace, context):
        action["request_mirror_policies"] = mirrors
    route["route"] = action


def _weighted(destinations: Any) -> list[Mapping[str, Any]]:
    """The destinations that get traffic: all of one, or those of several whose weight is not 0."""
    listed = list(destinations)
    return listed if len(listed) == 1 else [d for d in listed if d.get("weight")]


def _hash_policies(destinations: Any, found: Any, context: Context) -> list[dict[str, Any]]:
    """Those of all destinations, in order. Settings for a port count where the destination names the port."""
    policies = []
    for destination, (_, service) in zip(destinations, found, strict=True):
        if service:
            target = destination["destination"]
            port = (target.get("port") or {}).get("number")
            if hashing := policy.hash_policy(context.hash_of(service, target.get("subset") or "", port)):
                policies.append(hashing)
    return policies


def _retries(settings: Mapping[str, Any] | None, *, hashing: bool) -> Resource | None:
    """Envoy's retry policy, Istio's default where there are no settings; None where `attempts: 0` turns retries off.

    A repeated request avoids the host that failed, unless hashing chose it; only the default avoids it even then.
    """
    if settings is None:
        settings, hashing = {"attempts": RETRIES}, False
    if not settings.get("attempts"):
        return None
    out: Resource = {
        "retry_on": RETRY_ON,
        "num_retries": settings["attempts"],
        "host_selection_retry_max_attempts": "5",
    }
    avoid = settings.get("retryIgnorePreviousHosts")
    if avoid if avoid is not None else not hashing:
        out["retry_host_predicate"] = [_PREVIOUS_HOSTS]
    if asked := settings.get("retryOn"):
        parts = [part.strip() for part in asked.split(",") if part.strip()]
        codes = [int(part) for part in parts if part.isdigit()]
        words = [part for part in parts if not part.isdigit()]
        if codes:
            out["retriable_status_codes"] = codes
            if "retriable-status-codes" not in words:
                words.append("retriable-status-codes")
        out["retry_on"] = ",".join(words)
    if settings.get("perTryTimeout"):
        out["per_try_timeout"] = envoy_duration(settings["perTryTimeout"])
    if settings.get("retryRemoteLocalities"):
        out["retry_priority"] = _PREVIOUS_PRIORITIES
    if settings.get("backoff"):
        out["retry_back_off"] = {"base_interval": envoy_duration(settings["backoff"])}
    return out


def _rewrite(action: Resource, rewrite: Mapping[str, Any]) -> None:
    if regex := rewrite.get("uriRegexRewrite"):
        action["regex_rewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex.get("rewrite") or ""}
    elif rewrite.get("uri"):
        # Envoy replaces what the route matched: the prefix, or the whole path of an exact or regex match.
        action["prefix_rewrite"] = rewrite["uri"]


def _mirrors(rule: Mapping[str, Any], namespace: str, context: Context) -> list[Resource]:
    """Copies of requests: of all of them where no percentage stands, of none where it is empty or 0."""
    wanted = []
    if rule.get("mirror"):
        percentage = rule.get("mirrorPercentage")
        if percentage is None and rule.get("mirrorPercent") is not None:
            percentage = {"value": rule["mirrorPercent"]}
        wanted.append((rule["mirror"], percentage))
    wanted += [(mirror["destination"], mirror.get("percentage")) for mirror in rule.get("mirrors") or ()]
    return [
        {
            "cluster": _destination(destination, namespace, context)[0],
            "runtime_fraction": {"default_value": _fraction({"value": 100} if percentage is None else percentage)},
            "disable_shadow_host_suffix_append": True,  # as istiod 1.31: no "-shadow"
        }
        for destination, percentage in wanted
        if percentage is None or percentage.get("value")
    ]


def _headers(target: Resource, headers: Mapping[str, Any] | None) -> str:
    """Istio's header operations onto a route or a weighted cluster; returns what Host shall be, or an empty string."""
    authority = ""
    for side in ("request", "response"):
        operations = (headers or {}).get(side) or {}
        added = target.get(f"{side}_headers_to_add", [])
        for verb, action in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD")):
            for name, value in sorted((operations.get(verb) or {}).items()):
                if name.lower() in ("host", ":authority"):
                    if side == "request":
                        authority = authority or value
                else:
                    added.append({"header": {"key": name, "value": value}, "append_action": action})
        if added:
            target[f"{side}_headers_to_add"] = added
        removed = [*target.get(f"{side}_headers_to_remove", []), *(operations.get("remove") or ())]
        if removed:
            target[f"{side}_headers_to_remove"] = removed
    return authority


def _redirect(redirect: Mapping[str, Any], context: Context) -> Resource:
    out: Resource = {"response_code": _REDIRECTS[redirect.get("redirectCode") or 301]}
    if redirect.get("prefixRewrite"):
        out["prefix_rewrite"] = redirect["prefixRewrite"]
    elif redirect.get("uri"):
        out["path_redirect"] = redirect["uri"]
    if redirect.get("authority"):
        out["host_redirect"] = redirect["authority"]
    if redirect.get("scheme"):
        out["scheme_redirect"] = redirect["scheme"]
    port = redirect.get("port")
    if redirect.get("derivePort") == "FROM_REQUEST_PORT":
        port = context.port
    own = _SCHEME_PORTS.get(redirect.get("scheme") or ("https" if context.tls else "http"))
    if port and port != own:
        out["port_redirect"] = port
    return out


def _direct_response(response: Mapping[str, Any]) -> Resource:
    out: Resource = {"status": response["status"]}
    body = response.get("body") or {}
    if "string" in body:
        out["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        out["body"] = {"inline_bytes": body["bytes"]}  # base64 in both
    return out


def _fault(fault: Mapping[str, Any]) -> dict[str, Any] | None:
    """Without a percentage, none of the requests: so it is in Istio, whatever its reference says."""
    out: dict[str, Any] = {}
    delay, abort = fault.get("delay") or {}, fault.get("abort") or {}
    if delay.get("fixedDelay"):
        share = delay.get("percentage") if delay.get("percentage") is not None else {"value": delay.get("percent")}
        out["delay"] = {"fixed_delay": envoy_duration(delay["fixedDelay"]), "percentage": _fraction(share)}
    if abort.get("grpcStatus"):
        out["abort"] = {"grpc_status": GRPC_STATUS.index(abort["grpcStatus"])}
    elif abort.get("httpStatus"):
        out["abort"] = {"http_status": abort["httpStatus"]}
    if "abort" in out:
        out["abort"]["percentage"] = _fraction(abort.get("percentage"))
    return typed("envoy.extensions.filters.http.fault.v3.HTTPFault", **out) if out else None


def _fraction(percentage: Mapping[str, Any] | None) -> Resource:
    """A percentage in millionths; absent means none."""
    return {"numerator": int(float((percentage or {}).get("value") or 0) * 10000), **_MILLION}


def _cors(cors: Mapping[str, Any]) -> dict[str, Any]:
    out = typed(
        "envoy.extensions.filters.http.cors.v3.CorsPolicy",
        filter_enabled={"default_value": _fraction({"value": 100})},
        # What does not match is passed on unless the rule says `IGNORE`.
        forward_not_matching_preflights=cors.get("unmatchedPreflights") != "IGNORE",
    )
    origins = [string_match(origin) for origin in cors.get("allowOrigins") or ()]
    if origins := origins or [{"exact": origin} for origin in cors.get("allowOrigin") or ()]:
        out["allow_origin_string_match"] = origins
    for theirs, ours in (
        ("allowMethods", "allow_methods"),
        ("allowHeaders", "allow_headers"),
        ("exposeHeaders", "expose_headers"),
    ):
        if cors.get(theirs):
            out[ours] = ",".join(cors[theirs])
    if cors.get("maxAge"):
        out["max_age"] = str(int(seconds(cors["maxAge"])))
    if cors.get("allowCredentials") is not None:
        out["allow_credentials"] = cors["allowCredentials"]
    return out
