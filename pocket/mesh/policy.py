"""Traffic policies of DestinationRules: how their levels merge, and what they make of a cluster.

The rules are Istio's (https://istio.io/latest/docs/reference/config/networking/destination-rule/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocket.mesh.model import Resource
from pocket.mesh.names import envoy_duration, seconds

Policy = dict[str, Any]

_FIELDS = ("loadBalancer", "connectionPool", "outlierDetection", "tls")
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


def merge(original: Mapping[str, Any] | None, override: Mapping[str, Any] | None, port: int) -> Policy:
    """A policy with a more specific one laid over it, for one port of the service.

    A field of the more specific one replaces the whole field. Settings for the port replace all four, so that what they
    leave out falls back to the defaults, as Istio documents it.
    """
    merged: Policy = {name: value for name, value in (original or {}).items() if name in _FIELDS}
    merged |= {name: value for name, value in (override or {}).items() if name in _FIELDS}
    for settings in (override or {}).get("portLevelSettings") or ():
        if (settings.get("port") or {}).get("number") == port:
            merged = {name: value for name, value in settings.items() if name in _FIELDS}
    return merged


def apply(policy: Policy, *, http: bool, http2: bool) -> Resource:
    """The fields of an Envoy Cluster that a merged policy decides."""
    pool = policy.get("connectionPool") or {}
    tcp, pool_http = pool.get("tcp") or {}, pool.get("http") or {}
    cluster: Resource = {
        "connect_timeout": envoy_duration(tcp.get("connectTimeout") or CONNECT_TIMEOUT),
        "circuit_breakers": {"thresholds": [_thresholds(tcp, pool_http)]},
        # A panic would send requests to hosts that outlier detection took out.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "ignore_health_on_host_removal": True,
    }
    if keepalive := _keepalive(tcp.get("tcpKeepalive")):
        cluster["upstream_connection_options"] = {"tcp_keepalive": keepalive}
    cluster |= _load_balancer(policy.get("loadBalancer") or {})
    if outlier := policy.get("outlierDetection"):
        cluster["outlier_detection"], threshold = _outlier(outlier)
        cluster["common_lb_config"]["healthy_panic_threshold"]["value"] = threshold
    if http:
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http_options(tcp, pool_http, http2=http2)
        }
    return cluster


def http_options(
    tcp: Mapping[str, Any] | None = None, pool: Mapping[str, Any] | None = None, *, http2: bool
) -> dict[str, Any]:
    """The HTTP protocol options of a cluster."""
    tcp, pool = tcp or {}, pool or {}
    common: dict[str, Any] = {"idle_timeout": envoy_duration(pool.get("idleTimeout") or IDLE_TIMEOUT)}
    if limit := pool.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = limit
    if age := tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = envoy_duration(age)
    streams = {"max_concurrent_streams": pool["maxConcurrentStreams"]} if pool.get("maxConcurrentStreams") else {}
    options: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": common,
    }
    if pool.get("useClientProtocol"):
        options["use_downstream_protocol_config"] = {
            "http_protocol_options": {}, "http2_protocol_options": streams,
        }  # fmt: skip
    elif http2 or pool.get("h2UpgradePolicy") == "UPGRADE":
        options["explicit_http_config"] = {"http2_protocol_options": streams}
    else:
        options["explicit_http_config"] = {"http_protocol_options": {}}
    return options


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
        ring = (hashing.get("ringHash") or {}).get("minimumRingSize") or hashing.get("minimumRingSize") or 1024
        return {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": ring}}
    cluster = {"lb_policy": _SIMPLE[settings.get("simple") or "UNSPECIFIED"]}
    warmup = settings.get("warmup") or {}
    window = warmup.get("duration") or settings.get("warmupDurationSecs")
    if window:
        slow: dict[str, Any] = {"slow_start_window": envoy_duration(window)}
        if warmup.get("minimumPercent") is not None:
            slow["min_weight_percent"] = {"value": warmup["minimumPercent"]}
        if warmup.get("aggression") is not None:
            slow["aggression"] = {
                "default_value": warmup["aggression"],
                "runtime_key": "upstream.slow_start.aggression",
            }
        if cluster["lb_policy"] == "LEAST_REQUEST":
            cluster["least_request_lb_config"] = {"slow_start_config": slow}
        elif cluster["lb_policy"] == "ROUND_ROBIN":
            cluster["round_robin_lb_config"] = {"slow_start_config": slow}
    return cluster


def hash_policy(policy: Policy) -> list[dict[str, Any]]:
    """The hash policy that a consistent-hash load balancer asks of every route to it."""
    hashing = (policy.get("loadBalancer") or {}).get("consistentHash")
    if not hashing:
        return []
    if name := hashing.get("httpHeaderName"):
        return [{"header": {"header_name": name}}]
    if cookie := hashing.get("httpCookie"):
        made: dict[str, Any] = {"name": cookie["name"]}
        if cookie.get("path"):
            made["path"] = cookie["path"]
        if cookie.get("ttl") is not None:
            made["ttl"] = envoy_duration(cookie["ttl"])
        return [{"cookie": made}]
    if name := hashing.get("httpQueryParameterName"):
        return [{"query_parameter": {"name": name}}]
    if hashing.get("useSourceIp"):
        return [{"connection_properties": {"source_ip": True}}]
    return []


def _outlier(settings: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    out: dict[str, Any] = {"enforcing_success_rate": 0}
    five = settings.get("consecutive5xxErrors", settings.get("consecutiveErrors"))
    if five is not None:
        out["consecutive_5xx"] = five or 5
        out["enforcing_consecutive_5xx"] = 100 if five else 0
    gateway = settings.get("consecutiveGatewayErrors")
    if gateway is not None:
        out["consecutive_gateway_failure"] = gateway or 5
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
