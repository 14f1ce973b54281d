"""Traffic policies of DestinationRules: how their levels merge, and what they make of a cluster.

The rules are Istio's (https://istio.io/latest/docs/reference/config/networking/destination-rule/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pocket.mesh.model import Resource
from pocket.mesh.names import envoy_duration, seconds

Policy = dict[str, Any]

_FIELDS = ("loadBalancer", "connectionPool", "outlierDetection", "tls")
_KEPT = ("retryBudget",)  # settings for a port say nothing about it
_UNLIMITED = 4294967295  # Istio's default for every circuit breaker: none
_SIMPLE = {
    "UNSPECIFIED": "LEAST_REQUEST",
    "LEAST_CONN": "LEAST_REQUEST",
    "LEAST_REQUEST": "LEAST_REQUEST",
    "ROUND_ROBIN": "ROUND_ROBIN",
    "RANDOM": "RANDOM",
}

CONNECT_TIMEOUT = "10s"  # Istio's default

IDLE_TIMEOUT = "55s"
"""Envoy closes an idle upstream connection before the server does: ours keep theirs for 75 s (`gunicorn --keep-alive`).
Whoever waits longer may send into a connection that is just being closed."""


def merge(original: Mapping[str, Any] | None, override: Mapping[str, Any] | None, port: int | None) -> Policy:
    """A policy with a more specific one laid over it, for one port of the service (None: whichever).

    A field of the more specific one replaces the whole field. Settings for the port replace all four, so that what they
    leave out falls back to the defaults, as Istio documents it.
    """
    merged: Policy = {name: value for name, value in (original or {}).items() if name in (*_FIELDS, *_KEPT)}
    merged |= {name: value for name, value in (override or {}).items() if name in (*_FIELDS, *_KEPT)}
    for settings in (override or {}).get("portLevelSettings") or ():
        if (settings.get("port") or {}).get("number") == port:
            kept = {name: value for name, value in merged.items() if name in _KEPT}
            return kept | {name: value for name, value in settings.items() if name in _FIELDS}
    return merged


def apply(policy: Policy, *, http: bool, http2: bool, client: bool = False) -> Resource:
    """The fields of an Envoy Cluster that a merged policy decides; `client`: it speaks the version that callers do."""
    pool = policy.get("connectionPool") or {}
    tcp, pool_http = pool.get("tcp") or {}, pool.get("http") or {}
    cluster: Resource = {
        "connect_timeout": envoy_duration(tcp.get("connectTimeout") or CONNECT_TIMEOUT),
        "circuit_breakers": {"thresholds": [_thresholds(tcp, pool_http) | _retry_budget(policy.get("retryBudget"))]},
        # A panic would send requests to hosts that outlier detection took out.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "ignore_health_on_host_removal": True,
    }
    if keepalive := _keepalive(tcp.get("tcpKeepalive")):
        cluster["upstream_connection_options"] = {"tcp_keepalive": keepalive}
    cluster |= _load_balancer(policy.get("loadBalancer") or {})
    if (outlier := policy.get("outlierDetection")) is not None:
        cluster["outlier_detection"], threshold = _outlier(outlier)
        cluster["common_lb_config"]["healthy_panic_threshold"]["value"] = threshold
    if http:
        options = http_options(tcp, pool_http, http2=http2, client=client)
        if codes := (policy.get("outlierDetection") or {}).get("outlierDetectionHttpErrorCodes"):
            options["outlier_detection"] = {"error_matcher": _any_status(codes)}
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        }
    return cluster


def _any_status(codes: Sequence[int]) -> Resource:
    """A MatchPredicate for answers with one of these status codes."""
    rules = [
        {
            "http_response_headers_match": {
                "headers": [{"name": ":status", "string_match": {"exact": str(code)}}],
            }
        }
        for code in codes
    ]
    return rules[0] if len(rules) == 1 else {"or_match": {"rules": rules}}


def http_options(
    tcp: Mapping[str, Any] | None = None, pool: Mapping[str, Any] | None = None, *, http2: bool, client: bool = False
) -> dict[str, Any]:
    """The HTTP protocol options of a cluster."""
    tcp, pool = tcp or {}, pool or {}
    idle = pool.get("idleTimeout") or tcp.get("idleTimeout") or IDLE_TIMEOUT
    common: dict[str, Any] = {"idle_timeout": envoy_duration(idle)}
    if limit := pool.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = limit
    if age := tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = envoy_duration(age)
    second: dict[str, Any] = {}
    if streams := pool.get("maxConcurrentStreams"):
        second["max_concurrent_streams"] = streams
    if keepalive := pool.get("http2KeepAlive"):
        second["connection_keepalive"] = {name: envoy_duration(keepalive[name]) for name in ("interval", "timeout")}
    options: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": common,
    }
    upgrade = pool.get("h2UpgradePolicy") == "UPGRADE"
    if pool.get("useClientProtocol") or (client and not upgrade):
        options["use_downstream_protocol_config"] = {"http_protocol_options": {}, "http2_protocol_options": second}
    elif http2 or upgrade:
        options["explicit_http_config"] = {"http2_protocol_options": second}
    else:
        options["explicit_http_config"] = {"http_protocol_options": {}}
    return options


def _retry_budget(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """How many retries there may be at once, measured by the requests; 20 %, and at least 3, unless it says else."""
    if settings is None:
        return {}
    budget: dict[str, Any] = {
        "budget_percent": {"value": _given(settings.get("percent"), 20)},
        "min_retry_concurrency": settings.get("minRetryConcurrency") or 3,
    }
    if settings.get("budgetInterval"):
        budget["budget_interval"] = envoy_duration(settings["budgetInterval"])
    return {"retry_budget": budget}


def _thresholds(tcp: Mapping[str, Any], http: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "max_connections": tcp.get("maxConnections") or _UNLIMITED,
        "max_pending_requests": http.get("http1MaxPendingRequests") or _UNLIMITED,
        "max_requests": http.get("http2MaxRequests") or _UNLIMITED,
        "max_retries": http.get("maxRetries") or _UNLIMITED,
        "track_remaining": False,
    }


def _keepalive(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    out: dict[str, Any] = {}
    if settings.get("probes"):
        out["keepalive_probes"] = settings["probes"]
    for theirs, ours in (("time", "keepalive_time"), ("interval", "keepalive_interval")):
        if settings.get(theirs):
            out[ours] = max(1, round(seconds(settings[theirs])))
    return out


def _load_balancer(settings: Mapping[str, Any]) -> Resource:
    hashing = settings.get("consistentHash")
    cluster: Resource
    if hashing is not None:
        if "maglev" in hashing:
            cluster = {"lb_policy": "MAGLEV"}
            if size := hashing["maglev"].get("tableSize"):
                cluster["maglev_lb_config"] = {"table_size": size}
            return cluster
        cluster = {"lb_policy": "RING_HASH"}
        ring = hashing.get("ringHash") if hashing.get("ringHash") is not None else {"minimumRingSize": 1024, **hashing}
        if size := ring.get("minimumRingSize"):
            cluster["ring_hash_lb_config"] = {"minimum_ring_size": size}
        return cluster
    cluster = {"lb_policy": _SIMPLE[settings.get("simple") or "UNSPECIFIED"]}
    slow: dict[str, Any] = {}
    if (warmup := settings.get("warmup")) is not None:
        slow = {
            "slow_start_window": envoy_duration(warmup["duration"]),
            "min_weight_percent": {"value": _given(warmup.get("minimumPercent"), 10)},
            "aggression": {
                "default_value": _given(warmup.get("aggression"), 1),
                "runtime_key": "upstream.slow_start.aggression",
            },
        }
    elif window := settings.get("warmupDurationSecs"):
        slow = {"slow_start_window": envoy_duration(window)}
    if slow:
        if cluster["lb_policy"] == "LEAST_REQUEST":
            cluster["least_request_lb_config"] = {"slow_start_config": slow}
        elif cluster["lb_policy"] == "ROUND_ROBIN":
            cluster["round_robin_lb_config"] = {"slow_start_config": slow}
    return cluster


def _given(value: Any, default: Any) -> Any:
    return default if value is None else value


def hash_policy(hashing: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The hash policy that `consistentHash` of a load balancer asks of every route to it."""
    hashing = hashing or {}
    if name := hashing.get("httpHeaderName"):
        return {"header": {"header_name": name}}
    if cookie := hashing.get("httpCookie"):
        made: dict[str, Any] = {"name": cookie["name"]}
        if cookie.get("path"):
            made["path"] = cookie["path"]
        if cookie.get("ttl") is not None:
            made["ttl"] = envoy_duration(cookie["ttl"])
        if cookie.get("attributes"):
            made["attributes"] = [
                {"name": one["name"], "value": one.get("value") or ""} for one in cookie["attributes"]
            ]
        return {"cookie": made}
    if name := hashing.get("httpQueryParameterName"):
        return {"query_parameter": {"name": name}}
    if hashing.get("useSourceIp") is not None:
        return {"connection_properties": {"source_ip": hashing["useSourceIp"]}}
    return None


def _outlier(settings: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    out: dict[str, Any] = {"enforcing_success_rate": 0}
    five = settings.get("consecutive5xxErrors")
    if five is not None:
        out["consecutive_5xx"] = five
        out["enforcing_consecutive_5xx"] = 100 if five else 0
    gateway = settings.get("consecutiveGatewayErrors")
    if gateway is not None:
        out["consecutive_gateway_failure"] = gateway
        out["enforcing_consecutive_gateway_failure"] = 100 if gateway else 0
    if settings.get("interval"):
        out["interval"] = envoy_duration(settings["interval"])
    if settings.get("baseEjectionTime"):
        out["base_ejection_time"] = envoy_duration(settings["baseEjectionTime"])
    if settings.get("maxEjectionPercent"):
        out["max_ejection_percent"] = settings["maxEjectionPercent"]
    if settings.get("splitExternalLocalOriginErrors"):
        out["split_external_local_origin_errors"] = True
        out["enforcing_local_origin_success_rate"] = 0
        if local := settings.get("consecutiveLocalOriginFailures"):
            out["consecutive_local_origin_failure"] = local
            out["enforcing_consecutive_local_origin_failure"] = 100
    return out, int(settings.get("minHealthPercent") or 0)
