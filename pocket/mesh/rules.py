"""Rules between the fields of one object, as Istio's own validation has them. Field types are right already."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pocket.mesh.names import fqdn, host_matches
from pocket.mesh.telemetry import PEER_HEADER
from pocket.objects import FieldError, Obj

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*")
_REDIRECT_CODES = (301, 302, 303, 307, 308)


def virtual_service(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    hosts = spec.get("hosts") or ()
    if not hosts:
        for name in ("gateways", "tls", "tcp"):
            if spec.get(name):
                yield FieldError(f"spec.{name}", "Invalid value: a delegate (no hosts) has http rules only")
    yield from _unique(hosts, "spec.hosts")
    if not any(spec.get(kind) for kind in ("http", "tls", "tcp")):
        yield FieldError("spec", "Required value: http, tcp or tls must be provided in virtual service")
    for index, rule in enumerate(spec.get("http") or ()):
        yield from _http(rule, f"spec.http[{index}]", delegate=not hosts)
    for kind in ("tls", "tcp"):
        for index, rule in enumerate(spec.get(kind) or ()):
            path = f"spec.{kind}[{index}]"
            yield from _weights(rule["route"], f"{path}.route")
            for number, match in enumerate(rule.get("match") or ()):
                for position, sni in enumerate(match.get("sniHosts") or ()):
                    where = f"{path}.match[{number}].sniHosts[{position}]"
                    namespace = obj["metadata"].get("namespace") or "default"
                    if not any(host_matches(fqdn(host, namespace), sni) for host in hosts):
                        yield _bad(where, sni, "must be covered by one of spec.hosts")


def _http(rule: Mapping[str, Any], path: str, *, delegate: bool) -> Iterator[FieldError]:
    actions = [name for name in ("route", "redirect", "directResponse") if rule.get(name) is not None]
    root = rule.get("delegate") is not None
    if root and delegate:
        yield FieldError(f"{path}.delegate", "Invalid value: a delegate (no hosts) cannot delegate further")
    elif root:
        for name in actions:
            if name != "directResponse":
                yield FieldError(f"{path}.{name}", "Invalid value: cannot be used together with delegate")
        actions = []
    elif len(actions) != 1:
        got = " and ".join(actions) if actions else "none"
        yield FieldError(path, f"Invalid value: exactly one of route, redirect and directResponse is needed, not {got}")
    if rule.get("route") is not None and not rule["route"]:
        yield FieldError(f"{path}.route", "Required value: it must not be empty")
    if actions and "route" not in actions:
        for name in ("rewrite", "mirror", "mirrors", "fault", "retries", "timeout"):
            if rule.get(name) is not None:
                yield FieldError(f"{path}.{name}", f"Invalid value: cannot be used together with {actions[0]}")
    yield from _weights(rule.get("route") or (), f"{path}.route")
    for index, match in enumerate(rule.get("match") or ()):
        yield from _match(match, f"{path}.match[{index}]")
    yield from _redirect(rule.get("redirect"), f"{path}.redirect")
    yield from _rewrite(rule.get("rewrite"), f"{path}.rewrite")
    yield from _fault(rule.get("fault"), f"{path}.fault")
    yield from _retries(rule.get("retries"), f"{path}.retries")
    yield from _mirrors(rule, path)
    yield from _cors(rule.get("corsPolicy"), f"{path}.corsPolicy")
    yield from _headers(rule.get("headers"), f"{path}.headers")
    for index, destination in enumerate(rule.get("route") or ()):
        yield from _headers(destination.get("headers"), f"{path}.route[{index}].headers")
    body = (rule.get("directResponse") or {}).get("body")
    if body is not None:
        yield from _exactly_one(body, ("string", "bytes"), f"{path}.directResponse.body")


def _weights(route: Sequence[Mapping[str, Any]], path: str) -> Iterator[FieldError]:
    total = sum(destination.get("weight") or 0 for destination in route)
    if len(route) > 1 and total == 0:
        yield FieldError(path, "Invalid value: the weights of several destinations must not all be 0")
    if total > 4294967295:
        yield FieldError(path, "Invalid value: the sum of the weights must be at most 4294967295")
    for index, destination in enumerate(route):
        if destination["destination"]["host"] == "*":
            yield _bad(f"{path}[{index}].destination.host", "*", "must be the host of one service")


def _match(match: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if not match:
        yield FieldError(path, "Invalid value: must not be empty")
    for name in ("uri", "scheme", "method", "authority"):
        if match.get(name) is not None:
            yield from _string_match(match[name], f"{path}.{name}", empty=False)
    for name in ("headers", "withoutHeaders", "queryParams"):
        for key, condition in (match.get(name) or {}).items():
            yield from _string_match(condition or {}, f"{path}.{name}[{key}]", empty=True)
            if name != "queryParams" and key.lower() == PEER_HEADER:
                yield FieldError(f"{path}.{name}[{key}]", "Invalid value: this header is the sidecars' own")


def _string_match(condition: Mapping[str, Any], path: str, *, empty: bool) -> Iterator[FieldError]:
    if condition or not empty:
        yield from _exactly_one(condition, ("exact", "prefix", "regex"), path)
    if not empty and condition.get("prefix") == "":
        yield FieldError(f"{path}.prefix", "Invalid value: must not be empty")


def _redirect(redirect: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if redirect is None:
        return
    if not any(redirect.get(name) for name in ("uri", "authority", "scheme", "port", "derivePort", "redirectCode")):
        yield FieldError(path, "Required value: uri, authority, scheme or port")
    if redirect.get("port") is not None and redirect.get("derivePort") is not None:
        yield FieldError(path, "Invalid value: only one of port and derivePort can be set")
    code = redirect.get("redirectCode")
    if code is not None and code not in _REDIRECT_CODES:
        yield _bad(f"{path}.redirectCode", code, "must be 301, 302, 303, 307 or 308")


def _rewrite(rewrite: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if rewrite is None:
        return
    if not any(rewrite.get(name) for name in ("uri", "authority", "uriRegexRewrite")):
        yield FieldError(path, "Required value: uri, authority or uriRegexRewrite")
    if rewrite.get("uri") and rewrite.get("uriRegexRewrite"):
        yield FieldError(path, "Invalid value: only one of uri and uriRegexRewrite can be set")


def _fault(fault: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if fault is None:
        return
    delay, abort = fault.get("delay"), fault.get("abort")
    if delay is None and abort is None:
        yield FieldError(path, "Required value: HTTP fault injection must have an abort and/or a delay")
    if delay is not None:
        if delay.get("fixedDelay") is None:
            yield FieldError(f"{path}.delay.fixedDelay", "Required value")
        if delay.get("percent") is not None and delay.get("percentage") is not None:
            yield FieldError(f"{path}.delay", "Invalid value: only one of percent and percentage can be set")
    if abort is not None:
        yield from _exactly_one(abort, ("httpStatus", "grpcStatus"), f"{path}.abort")


def _retries(retries: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if retries is None or retries.get("attempts"):
        return
    others = [name for name in retries if name != "attempts" and retries[name] is not None]
    if others:
        yield FieldError(path, f"Invalid value: {', '.join(others)} without attempts: 0 attempts turn retries off")


def _mirrors(rule: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if rule.get("mirror") is not None and rule.get("mirrors"):
        yield FieldError(f"{path}.mirrors", "Invalid value: only one of mirror and mirrors can be set")
    if rule.get("mirrorPercent") is not None and rule.get("mirrorPercentage") is not None:
        yield FieldError(path, "Invalid value: only one of mirrorPercent and mirrorPercentage can be set")
    for name in ("mirrorPercent", "mirrorPercentage"):
        if rule.get(name) is not None and rule.get("mirror") is None:
            yield FieldError(f"{path}.{name}", "Invalid value: there is no mirror that it would be for")


def _cors(cors: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if cors is None:
        return
    for index, origin in enumerate(cors.get("allowOrigins") or ()):
        yield from _string_match(origin, f"{path}.allowOrigins[{index}]", empty=False)
    for index, method in enumerate(cors.get("allowMethods") or ()):
        if method not in _METHODS:
            yield _bad(f"{path}.allowMethods[{index}]", method, "must be an HTTP method")


def _headers(headers: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    for side, operations in (headers or {}).items():
        for verb in ("set", "add"):
            for name in (operations or {}).get(verb) or {}:
                where = f"{path}.{side}.{verb}[{name}]"
                if name.lower() == PEER_HEADER:
                    yield FieldError(where, "Invalid value: pocket's sidecars use this header between themselves")
                elif name.startswith(":") and name != ":authority":
                    yield FieldError(where, "Invalid value: this header cannot be set")
                elif not name or any(char in name for char in ' \t\r\n"(),/;<=>?@[\\]{}'):
                    yield FieldError(where, "Invalid value: must be the name of an HTTP header")


def gateway(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    if not spec["selector"]:
        yield FieldError("spec.selector", "Required value: it must not be empty")
    for index, server in enumerate(spec["servers"]):
        if server["port"]["name"] == "":
            yield FieldError(f"spec.servers[{index}].port.name", "Required value")
    yield from _unique([server["port"]["name"] for server in spec["servers"]], "spec.servers", "port.name")


def destination_rule(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    if spec["host"] == "*":
        yield _bad("spec.host", "*", "must name a host or a domain")
    yield from _policy(spec.get("trafficPolicy"), "spec.trafficPolicy")
    yield from _unique([subset["name"] for subset in spec.get("subsets") or ()], "spec.subsets", "name")
    for index, subset in enumerate(spec.get("subsets") or ()):
        yield from _policy(subset.get("trafficPolicy"), f"spec.subsets[{index}].trafficPolicy")


def _policy(policy: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if policy is None:
        return
    balancer = policy.get("loadBalancer") or {}
    where = f"{path}.loadBalancer"
    if balancer.get("simple") is not None and balancer.get("consistentHash") is not None:
        yield FieldError(where, "Invalid value: only one of simple and consistentHash can be set")
    hashing = balancer.get("consistentHash")
    if hashing is not None:
        keys = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
        yield from _exactly_one(hashing, keys, f"{where}.consistentHash")
        if hashing.get("ringHash") is not None and hashing.get("maglev") is not None:
            yield FieldError(f"{where}.consistentHash", "Invalid value: only one of ringHash and maglev can be set")
    if balancer.get("warmup") is not None and balancer.get("warmupDurationSecs") is not None:
        yield FieldError(where, "Invalid value: only one of warmup and warmupDurationSecs can be set")
    numbers = [one["port"]["number"] for one in policy.get("portLevelSettings") or ()]
    yield from _unique(numbers, f"{path}.portLevelSettings", "port.number")
    for index, one in enumerate(policy.get("portLevelSettings") or ()):
        yield from _policy(one, f"{path}.portLevelSettings[{index}]")


def service_entry(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    resolution = spec.get("resolution") or "NONE"
    endpoints = spec.get("endpoints") or []
    ports = spec.get("ports") or []
    yield from _unique(spec["hosts"], "spec.hosts")
    yield from _unique([port["number"] for port in ports], "spec.ports", "number")
    yield from _unique([port["name"] for port in ports], "spec.ports", "name")
    for index, host in enumerate(spec["hosts"]):
        if host == "*":
            yield _bad(f"spec.hosts[{index}]", host, "must name a host or a domain")
        if host.startswith("*.") and resolution in ("DNS", "DNS_ROUND_ROBIN") and not endpoints:
            yield _bad(f"spec.hosts[{index}]", host, f"a wildcard cannot be resolved: {resolution} needs endpoints")
    if resolution == "STATIC" and not endpoints:
        yield FieldError("spec.endpoints", "Required value: resolution STATIC needs endpoints")
    if resolution == "NONE" and endpoints:
        yield FieldError("spec.endpoints", "Invalid value: resolution NONE cannot have endpoints")
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        yield FieldError("spec.endpoints", "Invalid value: resolution DNS_ROUND_ROBIN can have one endpoint only")
    if resolution == "DYNAMIC_DNS" and spec.get("location") == "MESH_INTERNAL":
        yield FieldError("spec.location", "Invalid value: resolution DYNAMIC_DNS is for MESH_EXTERNAL only")
    names = {port["name"] for port in ports}
    for index, endpoint in enumerate(endpoints):
        if resolution == "STATIC" and not is_address(endpoint["address"]):
            where = f"spec.endpoints[{index}].address"
            yield _bad(where, endpoint["address"], "resolution STATIC needs IP addresses")
        for name in endpoint.get("ports") or {}:
            if name not in names:
                yield FieldError(f"spec.endpoints[{index}].ports[{name}]", "Invalid value: no port of spec.ports")
    for index, address in enumerate(spec.get("addresses") or ()):
        if "/" in address and resolution not in ("NONE", "STATIC"):
            yield _bad(f"spec.addresses[{index}]", address, "ranges are allowed with resolution NONE and STATIC only")


def service_monitor(obj: Obj) -> Iterator[FieldError]:
    for index, endpoint in enumerate(obj["spec"]["endpoints"]):
        if endpoint.get("port") is None and endpoint.get("targetPort") is None:
            yield FieldError(f"spec.endpoints[{index}].port", "Required value: port or targetPort")
    for index, one in enumerate(obj["spec"]["selector"].get("matchExpressions") or ()):
        if (one["operator"] in ("In", "NotIn")) != bool(one.get("values")):
            where = f"spec.selector.matchExpressions[{index}].values"
            yield FieldError(where, "Invalid value: In and NotIn need values, Exists and DoesNotExist take none")


RULES: Mapping[str, Callable[[Obj], Iterator[FieldError]]] = {
    "VirtualService": virtual_service,
    "Gateway": gateway,
    "DestinationRule": destination_rule,
    "ServiceEntry": service_entry,
    "ServiceMonitor": service_monitor,
}


def _exactly_one(value: Mapping[str, Any], names: Sequence[str], path: str) -> Iterator[FieldError]:
    present = [name for name in names if value.get(name) is not None]
    if len(present) != 1:
        got = " and ".join(present) if present else "none"
        yield FieldError(path, f"Invalid value: exactly one of {', '.join(names)} is needed, not {got}")


def _unique(values: Iterable[Any], path: str, name: str = "") -> Iterator[FieldError]:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            yield FieldError(f"{path}[{index}]{'.' if name else ''}{name}", f'Duplicate value: "{value}"')
        seen.add(value)


def _bad(path: str, value: Any, problem: str) -> FieldError:
    shown = f'"{value}"' if isinstance(value, str) else value
    return FieldError(path, f"Invalid value: {shown}: {problem}")


def is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
