# ruff: noqa: E501, UP031 - YAML flows, full of braces
from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from pocket.mesh.admission import check, warnings
from pocket.mesh.supported import SPECS, Field
from pocket.mesh.translate import translate
from pocket.objects import Obj
from tests.pocket.mesh.kit import gateway_proxy, service, sidecar, snapshot

GOOD: dict[str, str] = {
    "VirtualService": "{hosts: [s2], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: s2}}]}]}",
    "DestinationRule": "{host: s2, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {loadBalancer: {}}}",
    "Gateway": "{selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}",
    "ServiceEntry": "{hosts: [a.com], ports: [{number: 443, name: tls, protocol: TLS}], resolution: DNS}",
    "PeerAuthentication": "{selector: {matchLabels: {app: s2}}, mtls: {mode: STRICT}, portLevelMtls: {'80': {mode: DISABLE}}}",
    "AuthorizationPolicy": "{selector: {matchLabels: {app: s2}}, action: DENY, rules: [{from: [{source: {principals: ['*'], ipBlocks: [10.0.0.0/8]}}], to: [{operation: {ports: ['80'], paths: ['/a/{*}/b'], hosts: ['*.x']}}], when: [{key: 'request.headers[a]', values: [b]}]}]}",
    "RequestAuthentication": "{jwtRules: [{issuer: me, jwksUri: 'http://keys.music:80/jwks', fromHeaders: [{name: x, prefix: 'T '}], timeout: 1s}]}",
    "ServiceMonitor": "{selector: {matchLabels: {app: s2}}, endpoints: [{port: http, interval: 30s}]}",
}


def make(kind: str, spec: str | Any = None) -> Obj:
    parsed = yaml.safe_load(spec if isinstance(spec, str) else GOOD[kind])
    return {"kind": kind, "metadata": {"name": "x", "namespace": "music"}, "spec": parsed}


def says(kind: str, spec: str) -> list[str]:
    return [str(error) for error in check(make(kind, spec))]


@pytest.mark.parametrize("kind", GOOD)
def test_good_objects_come_in(kind: str) -> None:
    assert check(make(kind)) == []


def test_an_object_without_spec() -> None:
    assert [str(e) for e in check({"kind": "Gateway", "metadata": {}})] == ["spec: Required value"]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("{hosts: [a], http: [{rout: []}]}", "spec.http[0].rout"),
        ("{hosts: [a], http: [{route: [{destination: {host: a, sub: v1}}]}]}", "spec.http[0].route[0].destination.sub"),
        ("{hosts: [a], http: [{match: [{headers: {x: {exakt: y}}}]}]}", "spec.http[0].match[0].headers[x].exakt"),
        ("{hosts: [a], htpp: []}", "spec.htpp"),
    ],
)
def test_unknown_fields_are_named(spec: str, path: str) -> None:
    assert f"{path}: unknown field" in says("VirtualService", spec)


VS = "VirtualService"
ROUTE = "route: [{destination: {host: s2}}]"


def http(rule: str) -> str:
    return "{hosts: [s2], http: [{%s}]}" % rule


def heavy(last: int) -> str:
    """Three destinations whose weights add up to 2^32 - 2 and `last`."""
    weights = {"a": 2147483647, "b": 2147483647, "c": last}
    return f"route: [{', '.join(f'{{destination: {{host: {n}}}, weight: {w}}}' for n, w in weights.items())}]"


@pytest.mark.parametrize(
    ("kind", "spec", "problem"),
    [
        # types and values
        (VS, "{hosts: s2}", 'spec.hosts: Invalid value: "string": spec.hosts in body must be of type array: "string"'),
        (VS, http("route: [{destination: {host: s2}, weight: '90'}]"), "must be of type integer"),
        (VS, http("route: [{destination: {host: s2}, weight: true}]"), "must be of type integer"),
        (VS, http("route: [{destination: {host: s2}, weight: -1}]"), "weight: Invalid value: -1: must be greater"),
        (VS, http("route: [{destination: {host: s2, port: {number: 70000}}}]"), "must be less than or equal to 65535"),
        (VS, http("route: [{destination: {subset: v1}}]"), "spec.http[0].route[0].destination.host: Required value"),
        (VS, http("route: 5"), "must be of type array"),
        (VS, http("route: [5]"), "spec.http[0].route[0]: Invalid value"),
        (VS, "{hosts: []}", "spec: Required value: http, tcp or tls"),
        (VS, http(f"{ROUTE}, timeout: 5"), "must be of type string"),
        (VS, http(f"{ROUTE}, timeout: 5 seconds"), "must be a duration such as"),
        (VS, http(f"{ROUTE}, timeout: 1us"), "must be at least 1ms"),
        (VS, http(f"{ROUTE}, corsPolicy: {{unmatchedPreflights: MAYBE}}"), 'Unsupported value: "MAYBE"'),
        (VS, http(f"{ROUTE}, fault: {{abort: {{httpStatus: 500, percentage: {{value: 101}}}}}}"), "equal to 100"),
        (VS, http(f"{ROUTE}, match: [{{uri: {{regex: 'a('}}}}]"), "spec.http[0].match[0].uri.regex: Invalid value"),
        (VS, http(f"{ROUTE}, retries: {{attempts: 1, retryOn: 'sometimes'}}"), "neither a retry condition"),
        (VS, http(f"{ROUTE}, headers: {{request: {{set: {{a: '50%'}}}}}}"), "must be doubled"),
        (VS, http(f"{ROUTE}, headers: {{request: {{remove: [Host]}}}}"), "cannot be removed"),
        (VS, "{hosts: ['a.*.com'], http: [{%s}]}" % ROUTE, "must be a host name"),
        (VS, "{hosts: ['*'], http: [{%s}]}" % ROUTE, 'is not allowed for the gateway "mesh"'),
        (VS, "{hosts: ['*.a.com', b.a.com], http: [{%s}]}" % ROUTE, 'overlaps with "*.a.com"'),
        (VS, "{hosts: ['a b'], http: [{%s}]}" % ROUTE, "must be a host name"),
        (VS, "{hosts: [a], gateways: ['A B'], http: [{%s}]}" % ROUTE, "name of a Gateway"),
        (VS, "{hosts: [a], exportTo: ['?'], http: [{%s}]}" % ROUTE, "name of a namespace"),
        # rules
        (VS, "{hosts: [s2]}", "spec: Required value: http, tcp or tls"),
        (VS, "{hosts: [s2, s2], http: [{%s}]}" % ROUTE, 'spec.hosts[1]: Duplicate value: "s2"'),
        (VS, http("name: x"), "exactly one of route, redirect and directResponse is needed, not none"),
        (VS, http(f"{ROUTE}, redirect: {{uri: /}}"), "not route and redirect"),
        (VS, http("route: []"), "spec.http[0].route: Required value"),
        (VS, http("redirect: {uri: /}, rewrite: {uri: /}"), "cannot be used together with redirect"),
        (
            VS,
            http("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]"),
            "must not all be 0",
        ),
        (VS, http(heavy(2)), "spec.http[0].route: Invalid value: the sum of the weights must be at most 4294967295"),
        (VS, http("route: [{destination: {host: '*'}}]"), "must be the host of one service"),
        (VS, http(f"{ROUTE}, match: [{{uri: {{exact: /, prefix: /}}}}]"), "can be set, not exact and prefix"),
        (VS, http(f"{ROUTE}, match: [{{method: {{prefix: ''}}}}]"), "must not be empty"),
        (VS, http(f"{ROUTE}, match: [{{headers: {{x: {{prefix: ''}}}}}}]"), "headers[x].prefix: Invalid value"),
        (VS, http(f"{ROUTE}, match: [{{headers: {{'a b': {{exact: c}}}}}}]"), "must be the name of an HTTP header"),
        (VS, http(f"{ROUTE}, match: [{{headers: {{'@request.auth.claims.a': {{exact: c}}}}}}]"), "not supported by"),
        (VS, http("redirect: {uri: /, redirectCode: 305}"), "must be 301, 302"),
        (VS, http("redirect: {}"), "spec.http[0].redirect: Required value"),
        (VS, http("redirect: {port: 1, derivePort: FROM_REQUEST_PORT}"), "only one of port, derivePort"),
        (VS, http(f"{ROUTE}, rewrite: {{}}"), "spec.http[0].rewrite: Required value"),
        (VS, http(f"{ROUTE}, rewrite: {{uri: /, uriRegexRewrite: {{match: a}}}}"), "only one of uri"),
        (VS, http(f"{ROUTE}, fault: {{}}"), "must have an abort and/or a delay"),
        (VS, http(f"{ROUTE}, fault: {{abort: {{httpStatus: 500, grpcStatus: OK}}}}"), "of httpStatus, grpcStatus can"),
        (VS, http(f"{ROUTE}, retries: {{attempts: 1, retryOn: '5xx, reset'}}"), '" reset" is neither'),
        (VS, http(f"{ROUTE}, rewrite: {{uriRegexRewrite: {{match: a}}}}"), "Required value: both match and rewrite"),
        (VS, http("match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}"), "that have a prefix as their uri"),
        (VS, http("redirect: {scheme: ftp}"), 'must be "http" or "https"'),
        (
            VS,
            http(f"{ROUTE}, headers: {{request: {{set: {{host: a}}, add: {{':authority': b}}}}}}"),
            "headers.request.set[host] sets the authority already",
        ),
        (VS, http(f"{ROUTE}, headers: {{response: {{set: {{host: a}}}}}}"), "this header cannot be set"),
        (VS, "{hosts: [a], exportTo: ['*', b], http: [{%s}]}" % ROUTE, "must stand alone"),
        (VS, "{hosts: [a], exportTo: [., music], http: [{%s}]}" % ROUTE, 'exportTo[1]: Duplicate value: "music"'),
        (VS, "{hosts: [a], exportTo: ['~'], http: [{%s}]}" % ROUTE, "name of a namespace"),
        (VS, http(f"{ROUTE}, fault: {{abort: {{httpStatus: 99}}}}"), "greater than or equal to 200"),
        (VS, http(f"{ROUTE}, retries: {{attempts: 0, retryOn: 5xx}}"), "0 attempts turn retries off"),
        (VS, http(f"{ROUTE}, mirror: {{host: a}}, mirrors: [{{destination: {{host: a}}}}]"), "only one of mirror"),
        (VS, http(f"{ROUTE}, corsPolicy: {{allowMethods: [FETCH]}}"), "must be an HTTP method"),
        (VS, http(f"{ROUTE}, headers: {{request: {{set: {{x-pocket-peer: a}}}}}}"), "between themselves"),
        (VS, http(f"{ROUTE}, headers: {{response: {{add: {{'a b': a}}}}}}"), "must be the name of an HTTP header"),
        (VS, http("directResponse: {status: 200, body: {string: a, bytes: YQ==}}"), "only one of string, bytes"),
        (VS, http("directResponse: {status: 200, body: {bytes: '?'}}"), "must be base64"),
        (VS, "{hosts: [a.com], tls: [{match: [{sniHosts: [b.com]}], %s}]}" % ROUTE, "must be covered by one of"),
        (VS, "{hosts: [a.com], tls: [{%s}]}" % ROUTE, "spec.tls[0].match: Required value"),
        # what pocket does not do
        (VS, "{hosts: [a], tcp: [{match: [{sourceSubnet: 10.0.0.0/8}], %s}]}" % ROUTE, "not supported by pocket"),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
            "spec.trafficPolicy.tls.credentialName: Required value: mode MUTUAL needs a client certificate",
        ),
        ("DestinationRule", "{host: a, trafficPolicy: {proxyProtocol: {}}}", "proxyProtocol: not supported by pocket"),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, consistentHash: {useSourceIp: true}}}}",
            "only one of simple, consistentHash",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: a, useSourceIp: true}}}}",
            "not httpHeaderName and useSourceIp",
        ),
        ("DestinationRule", "{host: a, trafficPolicy: {}}", "a policy must have at least one field"),
        ("DestinationRule", "{host: a, trafficPolicy: {connectionPool: {}}}", "Required value: tcp or http"),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 3}}}",
            "needs splitExternalLocalOriginErrors",
        ),
        (
            "DestinationRule",
            "{host: a, workloadSelector: {matchLabels: {a: b}}, exportTo: ['*']}",
            "holds in its own namespace only",
        ),
        ("DestinationRule", "{host: a, subsets: [{name: v1}, {name: v1}]}", 'subsets[1].name: Duplicate value: "v1"'),
        ("DestinationRule", "{host: a, subsets: [{name: 'v 1'}]}", "must be letters, digits and dashes"),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 4}}}}}",
            "must be a prime number",
        ),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: ['*']}]}",
            "servers[0].tls: Required value: protocol HTTPS needs TLS settings",
        ),
        ("Gateway", "{selector: {a: b}, servers: []}", "spec.servers: Required value"),
        ("Gateway", "{selector: {}, servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: [a]}]}", "selector"),
        (
            "Gateway",
            "{servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: [a]}]}",
            "spec.selector: Required",
        ),
        ("Gateway", "{selector: {a: b}, servers: [{port: {number: 80, name: x, protocol: FTP}, hosts: [a]}]}", "FTP"),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: ['?/a']}]}",
            "/",
        ),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: [a],"
            " tls: {mode: SIMPLE, credentialName: c}}]}",
            "servers[0].tls: Invalid value: protocol HTTP can have httpsRedirect only",
        ),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE}}]}",
            "servers[0].tls.credentialName: Required value: mode SIMPLE needs a certificate",
        ),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 443, name: x, protocol: TLS}, hosts: [a],"
            " tls: {mode: AUTO_PASSTHROUGH}}]}",
            'not supported by pocket: "AUTO_PASSTHROUGH"',
        ),
        (
            "Gateway",
            "{selector: {a: b}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a],"
            " tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}}]}",
            "not supported by pocket: certificates come from a Secret",
        ),
        ("ServiceEntry", "{hosts: [a.com], resolution: DYNAMIC_DNS}", "DYNAMIC_DNS is for wildcards"),
        (
            "ServiceEntry",
            "{hosts: [a.com, b.com], resolution: DNS, ports: [{number: 1, name: a, protocol: TCP}]}",
            "cannot tell several hosts from each other",
        ),
        ("ServiceEntry", "{hosts: ['*.a.com'], resolution: DNS}", "a wildcard cannot be resolved"),
        ("ServiceEntry", "{hosts: ['*']}", "must name a host or a domain"),
        ("ServiceEntry", "{hosts: [a.com], endpoints: [{address: 10.0.0.1}]}", "NONE cannot have endpoints"),
        (
            "ServiceEntry",
            "{hosts: [a.com], resolution: STATIC, endpoints: [{address: b.com}]}",
            "resolution STATIC needs IP addresses",
        ),
        (
            "ServiceEntry",
            "{hosts: [a.com], resolution: DNS, endpoints: [{address: 'unix:///x'}]}",
            "not supported by pocket: Unix sockets",
        ),
        (
            "ServiceEntry",
            "{hosts: [a.com], ports: [{number: 1, name: a}, {number: 1, name: b}]}",
            'spec.ports[1].number: Duplicate value: "1"',
        ),
        ("ServiceEntry", "{hosts: [a.com], ports: [{number: 1}]}", "spec.ports[0].name: Required value"),
        (
            "ServiceEntry",
            "{hosts: [a.com], resolution: STATIC, endpoints: [{address: 1.2.3.4}], workloadSelector: {labels: {a: b}}}",
            "only one of workloadSelector and endpoints",
        ),
        ("ServiceMonitor", "{selector: {}, endpoints: [{}]}", "port or targetPort"),
        ("ServiceMonitor", "{selector: {}, endpoints: [{port: a, interval: 30}]}", "must be of type string"),
        ("ServiceMonitor", "{selector: {}, endpoints: [{port: a, interval: 1.5s}]}", "must be a Prometheus duration"),
        ("ServiceMonitor", "{selector: {}, endpoints: [{port: a, basicAuth: {}}]}", "not supported by pocket"),
        ("ServiceMonitor", "{selector: {}, endpoints: [{port: a, scheme: https}]}", "TLS as one of the mesh only"),
        (
            "ServiceMonitor",
            "{selector: {}, endpoints: [{port: a, tlsConfig: {caFile: /etc/passwd}}]}",
            "/etc/prom-certs/root-cert.pem",
        ),
        (
            "ServiceMonitor",
            "{selector: {matchExpressions: [{key: a, operator: In}]}, endpoints: [{port: a}]}",
            "In and NotIn need values",
        ),
        ("ServiceMonitor", "{endpoints: [{port: a}]}", "spec.selector: Required value"),
        ("AuthorizationPolicy", "{action: CUSTOM, provider: {name: x}}", "spec.provider: not supported by pocket"),
        ("AuthorizationPolicy", "{action: CUSTOM}", 'not supported by pocket: "CUSTOM": there is no external authorizer'),
        ("AuthorizationPolicy", "{targetRefs: [{kind: Gateway, name: x}]}", "there are no waypoints: use selector"),
        ("AuthorizationPolicy", "{action: DENY}", "DENY without `rules` is never triggered"),
        ("AuthorizationPolicy", "{rules: [{from: [{source: {}}]}]}", "`source` must have a field"),
        ("AuthorizationPolicy", "{rules: [{to: []}]}", "`to` must have at least one entry"),
        ("AuthorizationPolicy", "{rules: [{from: [{source: {principals: []}}]}]}", "principals: Invalid value"),
        ("AuthorizationPolicy", "{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}", "Cannot set"),
        ("AuthorizationPolicy", "{rules: [{from: [{source: {ipBlocks: [x]}}]}]}", "must be an IP address or a range"),
        ("AuthorizationPolicy", "{rules: [{to: [{operation: {ports: ['0']}}]}]}", "must be a port"),
        ("AuthorizationPolicy", "{rules: [{to: [{operation: {hosts: ['a*b']}}]}]}", 'may have "*" at one end only'),
        ("AuthorizationPolicy", "{rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}", "stand for whole parts"),
        ("AuthorizationPolicy", "{rules: [{when: [{key: colour, values: [x]}]}]}", "must be one of request.headers[...]"),
        ("AuthorizationPolicy", "{rules: [{when: [{key: source.ip}]}]}", "at least one of values and notValues"),
        ("AuthorizationPolicy", "{rules: [{when: [{key: source.ip, values: [x]}]}]}", '"x": must be an IP address'),
        ("RequestAuthentication", "{jwtRules: [{issuer: a}]}", "one of jwks and jwksUri is needed"),
        ("RequestAuthentication", "{jwtRules: [{issuer: a, jwks: '{}'}]}", "must be JSON such as"),
        ("RequestAuthentication", "{jwtRules: [{issuer: a, jwksUri: 'ftp://x'}]}", "url must have scheme http://"),
        ("PeerAuthentication", "{mtls: {mode: MAYBE}}", 'Unsupported value: "MAYBE"'),
        ("PeerAuthentication", "{portLevelMtls: {'80': {}}}", "portLevelMtls requires selector"),
        ("PeerAuthentication", GOOD["PeerAuthentication"].replace("80", "0"), "port must be between 1-65535"),
    ],
)
def test_what_is_wrong_is_said(kind: str, spec: str, problem: str) -> None:
    found = says(kind, spec)
    assert any(problem in error for error in found), found


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (VS, http("route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 2}]")),  # any sum
        (VS, http("route: [{destination: {host: a}, weight: 33}, {destination: {host: b}, weight: 67}]")),
        (VS, http(heavy(1))),  # the most that Envoy adds up
        (VS, http("route: [{destination: {host: a}, weight: 100}, {destination: {host: b}}]")),
        (VS, http(f"{ROUTE}, headers: {{request: {{set: {{a: '%REQ(:path)% 100%%'}}}}}}")),
        (VS, http(f"{ROUTE}, match: [{{headers: {{x: {{}}}}}}]")),
        (VS, http(f"{ROUTE}, retries: {{attempts: 0}}")),
        (VS, "{hosts: [10.0.0.1], gateways: [mesh, ns/gw, gw], http: [{%s}]}" % ROUTE),
        ("ServiceEntry", "{hosts: ['*.a.com'], ports: [{number: 443, name: tls, protocol: TLS}]}"),
        ("ServiceMonitor", "{selector: {}, endpoints: [{targetPort: 8080, honorLabels: true}]}"),
        ("Gateway", GOOD["Gateway"].replace("['*']", "[a/b.com, ./c.com, '*/d.com', '*.e.com']")),
    ],
)
def test_what_is_right_though_it_may_look_odd(kind: str, spec: str) -> None:
    assert says(kind, spec) == []


def paths(spec: Field, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    for name, one in spec.fields.items():
        yield (*path, name), one
        yield from paths(one, (*path, name))


@pytest.mark.parametrize("kind", SPECS)
def test_every_refused_field_is_refused_by_name(kind: str) -> None:
    for path, one in paths(SPECS[kind]):
        if one.status != "refused":
            continue
        value: Any = "x"
        field, chain = SPECS[kind], []
        for name in path:
            field = field.fields[name]
            chain.append(field)
        for name, field in zip(reversed(path), reversed(chain), strict=True):
            value = {name: [value] if field.many and field is not chain[-1] else value}
        obj = make(kind)
        obj["spec"] = value
        assert any(
            error.path.endswith(path[-1]) and error.message == f"not supported by pocket: {one.note}"
            for error in check(obj)
        ), path


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("junk", [5, "x", "", [], {}, [{}], [None], {"a": None}, True, 1.5, None])
def test_nothing_that_comes_in_makes_it_stumble(kind: str, junk: Any) -> None:
    """Whatever passes can be translated and warned about; whatever cannot does not pass."""
    good = make(kind)
    check(good | {"spec": junk})
    for holder, key in list(spots(good["spec"])):
        saved = holder[key]
        holder[key] = copy.deepcopy(junk)
        if not check(good):
            warnings(good, snapshot(service()))
            translate(snapshot(service(), good), sidecar())
            translate(snapshot(service(), good), gateway_proxy())
        holder[key] = saved
    assert check(good) == []


def spots(node: Any) -> Iterator[tuple[Any, Any]]:
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in items:
        yield node, key
        yield from spots(value)
