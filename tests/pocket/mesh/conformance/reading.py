"""Envoy configuration read in the words of the conformance cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocket.mesh.model import EnvoyConfig, Resource

NOWHERE = "no cluster"
NOBODY = "none (503)"


def endpoints(config: EnvoyConfig, name: str) -> Any:
    """Where a cluster leads: kind, and each address with its share."""
    cluster = config.clusters.get(name)
    if cluster is None:
        return NOWHERE
    kind = cluster.get("cluster_type") or {}
    if kind.get("name") == "envoy.clusters.dynamic_forward_proxy":
        return {"kind": "original", "at": []}
    listed = [
        (
            "{address}:{port_value}".format(**one["endpoint"]["address"]["socket_address"]),
            one.get("load_balancing_weight", 1),
        )
        for group in (config.endpoints.get(name) or cluster.get("load_assignment") or {}).get("endpoints") or ()
        for one in group["lb_endpoints"]
    ]
    if not listed:
        return NOBODY
    total = sum(weight for _, weight in listed)
    at = sorted([address, round(weight / total, 4)] for address, weight in listed)
    if kind.get("name") == "envoy.cluster.dns":
        return {"kind": "DNS1" if kind["typed_config"].get("all_addresses_in_single_endpoint") else "DNS", "at": at}
    return {"kind": "fixed", "at": at}


def settings(cluster: Resource) -> dict[str, Any]:
    (limits,) = cluster["circuit_breakers"]["thresholds"]
    out: dict[str, Any] = {
        "breakers": {
            name: limits[name] for name in ("max_connections", "max_pending_requests", "max_requests", "max_retries")
        },
        "connect": _seconds(cluster["connect_timeout"]),
        "panic": cluster["common_lb_config"]["healthy_panic_threshold"]["value"],
        "max_connection_duration": None,
        "max_requests_per_connection": None,
    }
    if "lb_policy" in cluster and cluster["lb_policy"] != "CLUSTER_PROVIDED":
        out["lb"] = cluster["lb_policy"]
    for options in (cluster.get("typed_extension_protocol_options") or {}).values():
        common = options["common_http_protocol_options"]
        if "max_connection_duration" in common:
            out["max_connection_duration"] = _seconds(common["max_connection_duration"])
        out["max_requests_per_connection"] = common.get("max_requests_per_connection")
        if "use_downstream_protocol_config" in options:
            out["protocol"] = "client"
        else:
            explicit = options["explicit_http_config"]
            out["protocol"] = "h2" if "http2_protocol_options" in explicit else "h1"
    for name in ("ring_hash_lb_config", "maglev_lb_config"):
        if name in cluster:
            out[name] = cluster[name]
    if "outlier_detection" in cluster:
        out["outlier"] = {
            name: _seconds(value) if isinstance(value, str) else value
            for name, value in cluster["outlier_detection"].items()
        }
    if "upstream_connection_options" in cluster:
        out["keepalive"] = cluster["upstream_connection_options"]
    for name in ("least_request_lb_config", "round_robin_lb_config"):
        if slow := (cluster.get(name) or {}).get("slow_start_config"):
            out["slow_start"] = {**slow}
            if "aggression" in slow:
                out["slow_start"]["aggression"] = {"default_value": slow["aggression"]["default_value"]}
    return out


def shares(action: Resource) -> dict[str, float]:
    """Each cluster of a route with its share of the requests."""
    if "cluster" in action:
        return {action["cluster"]: 1.0}
    listed = action["weighted_clusters"]["clusters"]
    total = sum(one["weight"] for one in listed)
    out: dict[str, float] = {}
    for one in listed:
        out[one["name"]] = out.get(one["name"], 0) + one["weight"] / total
    return {name: round(share, 4) for name, share in out.items()}


def action(config: EnvoyConfig, route: Resource) -> dict[str, Any]:
    """What a route's action says besides where it leads."""
    found = route["route"]
    return {
        "timeout": _seconds(found.get("timeout") or "15s"),
        "retry": _retry(found.get("retry_policy")),
        "hash": [_hash(one) for one in found.get("hash_policy") or ()],
        "mirror": [
            [one["cluster"], _percent(one["runtime_fraction"]["default_value"]), endpoints(config, one["cluster"])]
            for one in found.get("request_mirror_policies") or ()
        ],
    }


def filters(route: Resource) -> dict[str, Any]:
    """Faults and CORS."""
    out: dict[str, Any] = {}
    for name, config in (route.get("typed_per_filter_config") or {}).items():
        if name.endswith(".fault"):
            fault: dict[str, Any] = {}
            if delay := config.get("delay"):
                fault["delay"] = [_seconds(delay["fixed_delay"]), _percent(delay["percentage"])]
            if abort := config.get("abort"):
                what = {one: abort[one] for one in ("http_status", "grpc_status") if one in abort}
                fault["abort"] = [what, _percent(abort["percentage"])]
            out["fault"] = fault
        elif name.endswith(".cors"):
            cors = {one: value for one, value in config.items() if one != "@type"}
            cors["filter_enabled"] = _percent(cors["filter_enabled"]["default_value"])
            out["cors"] = cors
    return out


def redirect(route: Resource) -> dict[str, Any]:
    out = {name: value for name, value in route["redirect"].items() if name != "response_code"}
    return {"code": route["redirect"]["response_code"], **out}


def _retry(policy: Mapping[str, Any] | None) -> Any:
    if policy is None:
        return None
    out: dict[str, Any] = {"n": policy["num_retries"], "on": sorted(filter(None, policy["retry_on"].split(",")))}
    if "per_try_timeout" in policy:
        out["per_try"] = _seconds(policy["per_try_timeout"])
    if policy.get("retriable_status_codes"):
        out["codes"] = sorted(policy["retriable_status_codes"])
    if policy.get("retry_host_predicate"):
        out["avoid_previous"] = True
    if policy.get("retry_priority"):
        out["remote_localities"] = True
    if policy.get("retry_back_off"):
        out["backoff"] = _seconds(policy["retry_back_off"]["base_interval"])
    return out


def _hash(one: Mapping[str, Any]) -> dict[str, Any]:
    cookie = one.get("cookie")
    if cookie and "ttl" in cookie:
        return {"cookie": {**cookie, "ttl": _seconds(cookie["ttl"])}}
    return dict(one)


def _percent(fraction: Mapping[str, Any]) -> float:
    whole = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}[fraction.get("denominator") or "HUNDRED"]
    return round(float(fraction.get("numerator") or 0) * 100 / whole, 4)


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))
