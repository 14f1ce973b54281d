"""Rules between the fields of one object, as Istio's own validation has them. Field types are right already."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pocket.mesh.names import MESH, fqdn, host_matches, seconds
from pocket.mesh.telemetry import PEER_HEADER
from pocket.objects import FieldError, Obj

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*")
_PSEUDO_HEADERS = (":method", ":scheme", ":authority", ":path", ":status")
_NAMED_HOSTS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTPS", "TLS")
_MEGABYTE = 1 << 20

HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""The name of an HTTP header (RFC 9110, `token`)."""

_REDIRECT_CODES = (301, 302, 303, 307, 308)


def virtual_service(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    namespace = obj["metadata"].get("namespace") or "default"
    hosts = spec.get("hosts") or ()
    if not hosts:
        for name in ("gateways", "tls", "tcp"):
            if spec.get(name):
                yield FieldError(f"spec.{name}", "Invalid value: a delegate (no hosts) has http rules only")
    for index, host in enumerate(hosts):
        if host == "*" and MESH in (spec.get("gateways") or [MESH]):
            yield _bad(f"spec.hosts[{index}]", host, 'is not allowed for the gateway "mesh": name the hosts')
        for other in hosts[:index]:
            if host == other:
                yield FieldError(f"spec.hosts[{index}]", f'Duplicate value: "{host}"')
            elif host_matches(host, other) or host_matches(other, host):
                yield _bad(f"spec.hosts[{index}]", host, f'overlaps with "{other}"')
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
                    if not any(host_matches(fqdn(host, namespace), sni) for host in hosts):
                        yield _bad(where, sni, "must be covered by one of spec.hosts")
    yield from _exports(obj)


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
        for name in ("rewrite", "fault"):
            if rule.get(name) is not None:
                yield FieldError(f"{path}.{name}", f"Invalid value: cannot be used together with {actions[0]}")
    yield from _weights(rule.get("route") or (), f"{path}.route")
    for index, match in enumerate(rule.get("match") or ()):
        yield from _match(match, f"{path}.match[{index}]")
    yield from _redirect(rule.get("redirect"), rule.get("match") or (), f"{path}.redirect")
    yield from _rewrite(rule.get("rewrite"), f"{path}.rewrite")
    yield from _fault(rule.get("fault"), f"{path}.fault")
    yield from _retries(rule.get("retries"), f"{path}.retries")
    if rule.get("mirror") is not None and rule.get("mirrors"):
        yield FieldError(f"{path}.mirrors", "Invalid value: only one of mirror and mirrors can be set")
    yield from _cors(rule.get("corsPolicy"), f"{path}.corsPolicy")
    yield from _headers(rule.get("headers"), f"{path}.headers")
    yield from _one_authority(rule, path)
    for index, destination in enumerate(rule.get("route") or ()):
        yield from _headers(destination.get("headers"), f"{path}.route[{index}].headers")
    body = (rule.get("directResponse") or {}).get("body") or {}
    yield from _at_most_one(body, ("string", "bytes"), f"{path}.directResponse.body")
    if len(body.get("string") or body.get("bytes") or "") > _MEGABYTE:
        yield FieldError(f"{path}.directResponse.body", "Invalid value: must be at most 1 MiB")


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
    for name in ("uri", "scheme", "method", "authority"):
        # A path may have an empty prefix, as every path does.
        yield from _string_match(match.get(name) or {}, f"{path}.{name}", empty_prefix=name == "uri")
    for name in ("headers", "withoutHeaders", "queryParams"):
        for key, condition in (match.get(name) or {}).items():
            where = f"{path}.{name}[{key}]"
            if condition is None and name == "headers":
                yield FieldError(where, "Required value")
            if not (name == "withoutHeaders" and (condition or {}).get("regex") == "*"):
                yield from _string_match(condition or {}, where, empty_prefix=False)
            if name == "queryParams":
                continue
            if key.lower() == PEER_HEADER:
                yield FieldError(where, "Invalid value: this header is the sidecars' own")
            elif key.startswith("@request.auth.claims"):
                yield FieldError(where, "not supported by pocket: nobody checks tokens at the gateway")
            elif key not in _PSEUDO_HEADERS and not HEADER_NAME.fullmatch(key):
                yield FieldError(where, "Invalid value: must be the name of an HTTP header")


def _string_match(condition: Mapping[str, Any], path: str, *, empty_prefix: bool) -> Iterator[FieldError]:
    yield from _at_most_one(condition, ("exact", "prefix", "regex"), path)
    if condition.get("prefix") == "" and not empty_prefix:
        yield FieldError(f"{path}.prefix", "Invalid value: must not be empty")
    if condition.get("regex") == "":
        yield FieldError(f"{path}.regex", "Invalid value: must not be empty")


def _redirect(
    redirect: Mapping[str, Any] | None, matches: Sequence[Mapping[str, Any]], path: str
) -> Iterator[FieldError]:
    if redirect is None:
        return
    if not any(redirect.get(name) for name in ("uri", "prefixRewrite", "authority", "scheme", "port", "derivePort")):
        yield FieldError(path, "Required value: uri, prefixRewrite, authority, scheme or port")
    yield from _at_most_one(redirect, ("port", "derivePort"), path)
    if redirect.get("uri") and redirect.get("prefixRewrite"):
        yield FieldError(path, "Invalid value: only one of uri and prefixRewrite can be set")
    if redirect.get("prefixRewrite") and any(m.get("uri") and m["uri"].get("prefix") is None for m in matches):
        yield FieldError(f"{path}.prefixRewrite", "Invalid value: needs matches that have a prefix as their uri")
    if redirect.get("scheme") not in (None, "", "http", "https"):
        yield _bad(f"{path}.scheme", redirect["scheme"], 'must be "http" or "https"')
    code = redirect.get("redirectCode")
    if code and code not in _REDIRECT_CODES:
        yield _bad(f"{path}.redirectCode", code, "must be 301, 302, 303, 307 or 308")


def _rewrite(rewrite: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if rewrite is None:
        return
    if not any(rewrite.get(name) for name in ("uri", "authority")) and rewrite.get("uriRegexRewrite") is None:
        yield FieldError(path, "Required value: uri, authority or uriRegexRewrite")
    if rewrite.get("uri") and rewrite.get("uriRegexRewrite") is not None:
        yield FieldError(path, "Invalid value: only one of uri and uriRegexRewrite can be set")
    if (regex := rewrite.get("uriRegexRewrite")) is not None and not (regex.get("match") and regex.get("rewrite")):
        yield FieldError(f"{path}.uriRegexRewrite", "Required value: both match and rewrite")


def _fault(fault: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if fault is None:
        return
    delay, abort = fault.get("delay"), fault.get("abort")
    if delay is None and abort is None:
        yield FieldError(path, "Required value: HTTP fault injection must have an abort and/or a delay")
    if abort is not None:
        yield from _at_most_one(abort, ("httpStatus", "grpcStatus"), f"{path}.abort")


def _retries(retries: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if retries is None or retries.get("attempts"):
        return
    others = [name for name in ("perTryTimeout", "retryOn", "retryRemoteLocalities") if retries.get(name) is not None]
    if others:
        yield FieldError(path, f"Invalid value: {', '.join(others)} without attempts: 0 attempts turn retries off")


def _cors(cors: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if cors is None:
        return
    for index, origin in enumerate(cors.get("allowOrigins") or ()):
        yield from _at_most_one(origin, ("exact", "prefix", "regex"), f"{path}.allowOrigins[{index}]")
        if not any(origin.get(name) for name in ("exact", "prefix", "regex")):
            yield FieldError(f"{path}.allowOrigins[{index}]", "Required value: exact, prefix or regex")
    for index, method in enumerate(cors.get("allowMethods") or ()):
        if method not in _METHODS:
            yield _bad(f"{path}.allowMethods[{index}]", method, "must be an HTTP method")
    for kind in ("allowHeaders", "exposeHeaders"):
        for index, name in enumerate(cors.get(kind) or ()):
            if name != "*" and not HEADER_NAME.fullmatch(name):
                yield _bad(f"{path}.{kind}[{index}]", name, "must be the name of an HTTP header")
    if cors.get("maxAge") and seconds(cors["maxAge"]) % 1:
        yield _bad(f"{path}.maxAge", cors["maxAge"], "must be whole seconds")


def _headers(headers: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    for side, operations in (headers or {}).items():
        for verb in ("set", "add"):
            for name in (operations or {}).get(verb) or {}:
                where = f"{path}.{side}.{verb}[{name}]"
                if name.lower() == PEER_HEADER:
                    yield FieldError(where, "Invalid value: pocket's sidecars use this header between themselves")
                elif _is_authority(name) and side == "request":
                    continue
                elif name.startswith(":") or _is_authority(name):
                    yield FieldError(where, "Invalid value: this header cannot be set")
                elif not HEADER_NAME.fullmatch(name):
                    yield FieldError(where, "Invalid value: must be the name of an HTTP header")


def _one_authority(rule: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    request = (rule.get("headers") or {}).get("request") or {}
    places = [f"headers.request.{verb}[{n}]" for verb in ("set", "add") for n in request.get(verb) or {}]
    told = [place for place in places if _is_authority(place.partition("[")[2][:-1])]
    if (rule.get("rewrite") or {}).get("authority"):
        told.insert(0, "rewrite.authority")
    if len(told) > 1:
        yield FieldError(f"{path}.{told[1]}", f"Invalid value: {told[0]} sets the authority already")


def _is_authority(name: str) -> bool:
    return name.lower() in ("host", ":authority")


def gateway(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    if not spec["selector"]:
        yield FieldError("spec.selector", "Required value: it must not be empty")
    for index, server in enumerate(spec["servers"]):
        if server["port"]["name"] == "":
            yield FieldError(f"spec.servers[{index}].port.name", "Required value")
        yield from _server_tls(server, f"spec.servers[{index}].tls")
    yield from _unique([server["port"]["name"] for server in spec["servers"]], "spec.servers", "port.name")


def _server_tls(server: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    tls = server.get("tls")
    protocol = server["port"]["protocol"].upper()
    if protocol in ("HTTPS", "TLS"):
        if tls is None:
            yield FieldError(path, f"Required value: protocol {protocol} needs TLS settings")
            return
    elif tls is None:
        return
    mode = tls.get("mode") or "PASSTHROUGH"
    if protocol not in ("HTTPS", "TLS"):
        if protocol not in ("HTTP", "HTTP2", "GRPC", "GRPC-WEB") or mode != "PASSTHROUGH" or _certificates(tls):
            yield FieldError(path, f"Invalid value: protocol {protocol} can have httpsRedirect only")
        return
    if len(_certificates(tls)) > 1:
        yield FieldError(path, f"Invalid value: only one of {', '.join(_certificates(tls))} can be set")
    if mode in ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL") and not _certificates(tls):
        yield FieldError(f"{path}.credentialName", f"Required value: mode {mode} needs a certificate")


def _certificates(tls: Mapping[str, Any]) -> list[str]:
    return [name for name in ("credentialName", "credentialNames") if tls.get(name)]


def destination_rule(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from _policy(spec.get("trafficPolicy"), "spec.trafficPolicy")
    yield from _unique([subset["name"] for subset in spec.get("subsets") or ()], "spec.subsets", "name")
    for index, subset in enumerate(spec.get("subsets") or ()):
        yield from _policy(subset.get("trafficPolicy"), f"spec.subsets[{index}].trafficPolicy")
    yield from _exports(obj)
    own = {".", obj["metadata"].get("namespace") or "default"}
    if spec.get("workloadSelector") is not None and not set(spec.get("exportTo") or ()) <= own:
        yield FieldError("spec.exportTo", "Invalid value: a rule with workloadSelector holds in its own namespace only")


def _policy(policy: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    if policy is None:
        return
    if not any(value is not None for name, value in policy.items() if name != "port"):
        yield FieldError(path, "Required value: a policy must have at least one field")
    yield from _load_balancer(policy.get("loadBalancer") or {}, f"{path}.loadBalancer")
    if (pool := policy.get("connectionPool")) is not None:
        if pool.get("tcp") is None and pool.get("http") is None:
            yield FieldError(f"{path}.connectionPool", "Required value: tcp or http")
        http = pool.get("http") or {}
        if http.get("h2UpgradePolicy") == "UPGRADE" and http.get("useClientProtocol"):
            where = f"{path}.connectionPool.http.useClientProtocol"
            yield FieldError(where, "Invalid value: cannot be used together with h2UpgradePolicy UPGRADE")
    outlier = policy.get("outlierDetection") or {}
    if outlier.get("consecutiveLocalOriginFailures") and not outlier.get("splitExternalLocalOriginErrors"):
        where = f"{path}.outlierDetection.consecutiveLocalOriginFailures"
        yield FieldError(where, "Invalid value: needs splitExternalLocalOriginErrors: true")
    yield from _client_tls(policy.get("tls") or {}, f"{path}.tls")
    for index, one in enumerate(policy.get("portLevelSettings") or ()):
        yield from _policy(one, f"{path}.portLevelSettings[{index}]")


def _load_balancer(balancer: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    yield from _at_most_one(balancer, ("simple", "consistentHash"), path)
    yield from _at_most_one(balancer, ("localityLbSetting", "zoneAwareLbSetting"), path)
    hashing = balancer.get("consistentHash")
    if hashing is not None:
        where = f"{path}.consistentHash"
        keys = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
        yield from _at_most_one(hashing, keys, where)
        yield from _at_most_one(hashing, ("minimumRingSize", "ringHash", "maglev"), where)
        cookie = hashing.get("httpCookie") or {}
        yield from _unique([one.get("name") for one in cookie.get("attributes") or ()], f"{where}.httpCookie", "name")


def _client_tls(tls: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    if tls.get("insecureSkipVerify") and tls.get("subjectAltNames"):
        yield FieldError(f"{path}.subjectAltNames", "Invalid value: nothing is checked with insecureSkipVerify")
    if tls.get("mode") == "MUTUAL" and not tls.get("credentialName"):
        yield FieldError(f"{path}.credentialName", "Required value: mode MUTUAL needs a client certificate")


def service_entry(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    resolution = spec.get("resolution") or "NONE"
    endpoints = spec.get("endpoints") or []
    ports = spec.get("ports") or []
    yield from _unique([port["number"] for port in ports], "spec.ports", "number")
    yield from _unique([port["name"] for port in ports], "spec.ports", "name")
    for index, host in enumerate(spec["hosts"]):
        if host == "*":
            yield _bad(f"spec.hosts[{index}]", host, "must name a host or a domain")
        elif host.startswith("*") and resolution in ("DNS", "DNS_ROUND_ROBIN") and not endpoints:
            yield _bad(f"spec.hosts[{index}]", host, f"a wildcard cannot be resolved: {resolution} needs endpoints")
        elif not host.startswith("*") and resolution == "DYNAMIC_DNS":
            yield _bad(f"spec.hosts[{index}]", host, "resolution DYNAMIC_DNS is for wildcards")
    if endpoints and spec.get("workloadSelector") is not None:
        yield FieldError("spec.endpoints", "Invalid value: only one of workloadSelector and endpoints can be set")
    if resolution in ("NONE", "DYNAMIC_DNS") and endpoints:
        yield FieldError("spec.endpoints", f"Invalid value: resolution {resolution} cannot have endpoints")
    if resolution == "DNS_ROUND_ROBIN" and len(endpoints) > 1:
        yield FieldError("spec.endpoints", "Invalid value: resolution DNS_ROUND_ROBIN can have one endpoint only")
    if resolution == "DYNAMIC_DNS" and spec.get("addresses"):
        yield FieldError("spec.addresses", "Invalid value: resolution DYNAMIC_DNS cannot have addresses")
    for index, port in enumerate(ports):
        protocol = (port.get("protocol") or "").upper()
        if resolution == "DYNAMIC_DNS" and protocol not in ("HTTP", "TLS", "GRPC", "HTTP2"):
            yield _bad(f"spec.ports[{index}].protocol", protocol, "DYNAMIC_DNS is for HTTP, HTTP2, GRPC and TLS")
        if len(spec["hosts"]) > 1 and resolution != "NONE" and protocol not in (*_NAMED_HOSTS, ""):
            yield _bad(f"spec.ports[{index}].protocol", protocol, "cannot tell several hosts from each other")
    names = {port["name"] for port in ports}
    for index, endpoint in enumerate(endpoints):
        where = f"spec.endpoints[{index}]"
        if resolution == "STATIC" and not is_address(endpoint["address"]):
            yield _bad(f"{where}.address", endpoint["address"], "resolution STATIC needs IP addresses")
        for name in endpoint.get("ports") or {}:
            if name not in names:
                yield FieldError(f"{where}.ports[{name}]", "Invalid value: no port of spec.ports")
    for index, address in enumerate(spec.get("addresses") or ()):
        if "/" in address and resolution not in ("NONE", "STATIC"):
            yield _bad(f"spec.addresses[{index}]", address, "ranges are allowed with resolution NONE and STATIC only")
    yield from _exports(obj, hidden=True)


def _exports(obj: Obj, *, hidden: bool = False) -> Iterator[FieldError]:
    """`exportTo`: nothing twice, and neither all nor nobody together with others; `hidden`: may it be nobody?"""
    namespace = obj["metadata"].get("namespace") or "default"
    listed = obj["spec"].get("exportTo") or []
    yield from _unique([namespace if one == "." else one for one in listed], "spec.exportTo")
    for index, one in enumerate(listed):
        if one == "~" and not hidden:
            yield _bad(f"spec.exportTo[{index}]", one, 'must be "*", "." or the name of a namespace')
        elif one in ("*", "~") and len(listed) > 1:
            yield _bad(f"spec.exportTo[{index}]", one, "must stand alone")


_TLS_OF_THE_MESH = {
    "caFile": "/etc/prom-certs/root-cert.pem",
    "certFile": "/etc/prom-certs/cert-chain.pem",
    "keyFile": "/etc/prom-certs/key.pem",
    "insecureSkipVerify": True,
}
"""As Istio's documentation has it: https://istio.io/latest/docs/ops/integrations/prometheus/#tls-settings"""


def service_monitor(obj: Obj) -> Iterator[FieldError]:
    for index, endpoint in enumerate(obj["spec"]["endpoints"]):
        if endpoint.get("port") is None and endpoint.get("targetPort") is None:
            yield FieldError(f"spec.endpoints[{index}].port", "Required value: port or targetPort")
        secure, tls = str(endpoint.get("scheme") or "").lower() == "https", endpoint.get("tlsConfig") or {}
        if secure and tls != _TLS_OF_THE_MESH:
            given = ", ".join(f"{name}: {str(value).lower()}" for name, value in _TLS_OF_THE_MESH.items())
            yield FieldError(
                f"spec.endpoints[{index}].tlsConfig",
                f"Invalid value: pocket's Prometheus begins TLS as one of the mesh only: {given}",
            )
    for index, one in enumerate(obj["spec"]["selector"].get("matchExpressions") or ()):
        if (one["operator"] in ("In", "NotIn")) != bool(one.get("values")):
            where = f"spec.selector.matchExpressions[{index}].values"
            yield FieldError(where, "Invalid value: In and NotIn need values, Exists and DoesNotExist take none")


def peer_authentication(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    if spec.get("portLevelMtls") and not (spec.get("selector") or {}).get("matchLabels"):
        yield FieldError("spec", 'Invalid value: "object": portLevelMtls requires selector')
    for port in spec.get("portLevelMtls") or {}:
        if not port.isdigit() or not 1 <= int(port) <= 65535:
            yield FieldError(f"spec.portLevelMtls[{port}]", "Invalid value: port must be between 1-65535")


def authorization_policy(obj: Obj) -> Iterator[FieldError]:
    spec = obj["spec"]
    if spec.get("action") == "DENY" and not spec.get("rules"):
        yield FieldError("spec", "Invalid value: DENY without `rules` is never triggered: use `rules: [{}]`")
    for index, rule in enumerate(spec.get("rules") or ()):
        for name, inner in (("from", "source"), ("to", "operation")):
            listed = (rule or {}).get(name)
            if listed == []:
                yield FieldError(f"spec.rules[{index}].{name}", f"Invalid value: `{name}` must have at least one entry")
            for number, one in enumerate(listed or ()):
                where = f"spec.rules[{index}].{name}[{number}].{inner}"
                given = (one or {}).get(inner)
                if not given:
                    yield FieldError(where, f"Required value: `{inner}` must have a field")
                    continue
                for key, values in given.items():
                    if values == []:
                        yield FieldError(f"{where}.{key}", "Invalid value: it must not be empty")
                accounts = given.get("serviceAccounts") or given.get("notServiceAccounts")
                if accounts and any(given.get(key) for key in _NOT_WITH_ACCOUNTS):
                    yield FieldError(where, "Invalid value: Cannot set serviceAccounts with namespaces or principals")
        for number, condition in enumerate((rule or {}).get("when") or ()):
            where = f"spec.rules[{index}].when[{number}]"
            if not condition.get("values") and not condition.get("notValues"):
                yield FieldError(where, "Required value: at least one of values and notValues")
            form = _CONDITION_FORMS.get(condition["key"])
            for value in [*(condition.get("values") or ()), *(condition.get("notValues") or ())]:
                if form == "block" and not is_block(value):
                    yield FieldError(where, f'Invalid value: "{value}": must be an IP address or a range')
                if form == "port" and not (value.isdigit() and 1 <= int(value) <= 65535):
                    yield FieldError(where, f'Invalid value: "{value}": must be a port')


_NOT_WITH_ACCOUNTS = ("principals", "notPrincipals", "namespaces", "notNamespaces")
_CONDITION_FORMS = {"source.ip": "block", "remote.ip": "block", "destination.ip": "block", "destination.port": "port"}


def is_block(value: str) -> bool:
    """An IP address or a range of them."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


def request_authentication(obj: Obj) -> Iterator[FieldError]:
    for index, rule in enumerate(obj["spec"].get("jwtRules") or ()):
        where = f"spec.jwtRules[{index}]"
        if not rule["issuer"]:
            yield FieldError(f"{where}.issuer", "Required value: it must not be empty")
        if bool(rule.get("jwks")) == bool(rule.get("jwksUri")):
            yield FieldError(where, "Invalid value: one of jwks and jwksUri is needed: pocket asks no issuer")
        if rule.get("jwks"):
            try:
                keys = json.loads(rule["jwks"])["keys"]
            except (ValueError, KeyError, TypeError):
                keys = None
            if not isinstance(keys, list) or not keys:
                yield FieldError(f"{where}.jwks", 'Invalid value: must be JSON such as {"keys": [...]}')
        uri = rule.get("jwksUri")
        if uri and not re.fullmatch(r"https?://[^\s/:]+(:\d{1,5})?(/\S*)?", uri):
            yield FieldError(f"{where}.jwksUri", "Invalid value: url must have scheme http:// or https://")
        if "" in (rule.get("audiences") or ()):
            yield FieldError(f"{where}.audiences", "Invalid value: it must not be empty")


RULES: Mapping[str, Callable[[Obj], Iterator[FieldError]]] = {
    "VirtualService": virtual_service,
    "Gateway": gateway,
    "DestinationRule": destination_rule,
    "ServiceEntry": service_entry,
    "PeerAuthentication": peer_authentication,
    "AuthorizationPolicy": authorization_policy,
    "RequestAuthentication": request_authentication,
    "ServiceMonitor": service_monitor,
}


def _at_most_one(value: Mapping[str, Any], names: Sequence[str], path: str) -> Iterator[FieldError]:
    present = [name for name in names if value.get(name) is not None]
    if len(present) > 1:
        yield FieldError(path, f"Invalid value: only one of {', '.join(names)} can be set, not {' and '.join(present)}")


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
