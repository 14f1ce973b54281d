"""Every field of the Istio kinds and of ServiceMonitor, and what pocket does with it: the one table of the mesh.

Admission walks it, and `markdown()` renders it for docs/pocket.md. The fields are those of Istio's API reference
(networking.istio.io/v1, release 1.27) and of the Prometheus operator's (monitoring.coreos.com/v1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Status = Literal["honoured", "no effect", "refused"]
Type = Literal["string", "integer", "number", "boolean", "object", "map", "any"]


@dataclass(frozen=True)
class Field:
    """One field: its type, what pocket does with it, and what its value must look like."""

    type: Type
    status: Status = "honoured"
    note: str = ""  # why not, or to what extent
    many: bool = False  # a list of it
    required: bool = False
    fields: Mapping[str, Field] = field(default_factory=dict)  # of an object
    values: Field | None = None  # of a map
    enum: tuple[str, ...] = ()
    refused_values: Mapping[str, str] = field(default_factory=dict)  # of an enum: value -> reason
    format: str = ""  # a name in admission.FORMATS
    low: float | None = None
    high: float | None = None


def _s(form: str = "", **more: object) -> Field:
    return replace(Field("string", format=form), **more)  # type: ignore[arg-type]


def _i(low: float | None = 0, high: float | None = 4294967295, **more: object) -> Field:
    return replace(Field("integer", low=low, high=high), **more)  # type: ignore[arg-type]


def _b(**more: object) -> Field:
    return replace(Field("boolean"), **more)  # type: ignore[arg-type]


def _o(fields: Mapping[str, Field], **more: object) -> Field:
    return replace(Field("object", fields=fields), **more)  # type: ignore[arg-type]


def _m(values: Field, **more: object) -> Field:
    return replace(Field("map", values=values), **more)  # type: ignore[arg-type]


def _e(*values: str, **more: object) -> Field:
    return replace(Field("string", enum=values), **more)  # type: ignore[arg-type]


def _no(reason: str) -> Field:
    return Field("any", status="refused", note=reason)


def _idle(one: Field, reason: str) -> Field:
    return replace(one, status="no effect", note=reason)


def _many(one: Field) -> Field:
    return replace(one, many=True)


def _must(one: Field) -> Field:
    return replace(one, required=True)


PROTOCOLS = ("HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "MYSQL", "REDIS")
"""The protocols of a port that Istio knows; the case of the letters does not count."""

_NO_FILES = "certificates come from a Secret: use credentialName"
_ONE_PLACE = "one machine is one locality and one network"
_PORT = _i(1, 65535)
_PERCENT = _o({"value": Field("number", low=0, high=100)})
_STRING_MATCH = _o({"exact": _s(), "prefix": _s(), "regex": _s("regex")})
_LABELS = _m(_s())
_DURATION = _s("duration")

_HEADER_OPERATIONS = _o(
    {"set": _m(_s("header-value")), "add": _m(_s("header-value")), "remove": _many(_s("header-name"))}
)
_HEADERS = _o({"request": _HEADER_OPERATIONS, "response": _HEADER_OPERATIONS})

_DESTINATION = _o({"host": _must(_s("host")), "subset": _s(), "port": _o({"number": _must(_PORT)})})

_EXPORT_TO = _many(_s("export"))

_HTTP_MATCH = _o(
    {
        "name": _s(),
        "uri": _STRING_MATCH,
        "scheme": _STRING_MATCH,
        "method": _STRING_MATCH,
        "authority": _STRING_MATCH,
        "headers": _m(_STRING_MATCH),
        "withoutHeaders": _m(_STRING_MATCH),
        "queryParams": _m(_STRING_MATCH),
        "ignoreUriCase": _b(),
        "port": _PORT,
        "sourceLabels": _LABELS,
        "sourceNamespace": _s(),
        "gateways": _many(_s("gateway")),
        "statPrefix": _idle(_s(), "only Istio's standard metrics are kept"),
    }
)

_HTTP_ROUTE = _o(
    {
        "name": _s(),
        "match": _many(_HTTP_MATCH),
        "route": _many(_o({"destination": _must(_DESTINATION), "weight": _i(0, 2147483647), "headers": _HEADERS})),
        "redirect": _o(
            {
                "uri": _s(),
                "prefixRewrite": _s(),
                "authority": _s(),
                "scheme": _s(),
                "port": _PORT,
                "derivePort": _e("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
                "redirectCode": _i(),
            }
        ),
        "directResponse": _o({"status": _must(_i(200, 599)), "body": _o({"string": _s(), "bytes": _s("base64")})}),
        "delegate": _o({"name": _s(), "namespace": _s()}),
        "rewrite": _o(
            {
                "uri": _s(),
                "authority": _s(),
                "uriRegexRewrite": _o({"match": _s("regex"), "rewrite": _s()}),
            }
        ),
        "timeout": _DURATION,
        "retries": _o(
            {
                "attempts": _i(0, 2147483647),
                "perTryTimeout": _DURATION,
                "retryOn": _s("retry-on"),
                "retryRemoteLocalities": _b(),
                "retryIgnorePreviousHosts": _b(),
                "backoff": _DURATION,
            }
        ),
        "fault": _o(
            {
                "delay": _o(
                    {
                        "fixedDelay": _DURATION,
                        "percentage": _PERCENT,
                        "percent": _i(0, 100),
                        "exponentialDelay": _no("Istio does not implement it either"),
                    }
                ),
                "abort": _o(
                    {
                        "httpStatus": _i(200, 599),
                        "grpcStatus": _s("grpc-status"),
                        "percentage": _PERCENT,
                        "http2Error": _no("Istio does not implement it either"),
                    }
                ),
            }
        ),
        "mirror": _DESTINATION,
        "mirrors": _many(_o({"destination": _must(_DESTINATION), "percentage": _PERCENT})),
        "mirrorPercent": _i(0, 100),
        "mirrorPercentage": _PERCENT,
        "corsPolicy": _o(
            {
                "allowOrigin": _many(_s()),
                "allowOrigins": _many(_STRING_MATCH),
                "allowMethods": _many(_s()),
                "allowHeaders": _many(_s()),
                "exposeHeaders": _many(_s()),
                "maxAge": _DURATION,
                "allowCredentials": _b(),
                "unmatchedPreflights": _e("UNSPECIFIED", "FORWARD", "IGNORE"),
            }
        ),
        "headers": _HEADERS,
    }
)

_L4_COMMON = {
    "port": _PORT,
    "sourceLabels": _LABELS,
    "sourceNamespace": _s(),
    "gateways": _many(_s("gateway")),
    "destinationSubnets": _no("the way out of a pod is a proxy: destinations have names there, not addresses"),
}
_L4_ROUTE = _many(_o({"destination": _must(_DESTINATION), "weight": _i(0, 2147483647)}))

VIRTUAL_SERVICE = _o(
    {
        "hosts": _many(_s("host")),
        "gateways": _many(_s("gateway")),
        "http": _many(_HTTP_ROUTE),
        "tls": _many(
            _o(
                {
                    "match": _must(_many(_o({"sniHosts": _must(_many(_s("host"))), **_L4_COMMON}))),
                    "route": _must(_L4_ROUTE),
                }
            )
        ),
        "tcp": _many(
            _o(
                {
                    "match": _many(_o({**_L4_COMMON, "sourceSubnet": _no("every source is 127.0.0.1")})),
                    "route": _must(_L4_ROUTE),
                }
            )
        ),
        "exportTo": _EXPORT_TO,
    }
)

_LOCALITY = _idle(
    _o(
        {
            "enabled": _b(),
            "distribute": _many(_o({"from": _s(), "to": _m(_i(0, 100))})),
            "failover": _many(_o({"from": _s(), "to": _s()})),
            "failoverPriority": _many(_s()),
        }
    ),
    _ONE_PLACE,
)

_LOAD_BALANCER = _o(
    {
        "simple": _e(
            "UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST",
            refused_values={"PASSTHROUGH": "there is no original address: pods send to a proxy"},
        ),
        "consistentHash": _o(
            {
                "httpHeaderName": _s(),
                "httpCookie": _o(
                    {
                        "name": _must(_s()),
                        "path": _s(),
                        "ttl": _s("duration-or-zero"),
                        "attributes": _many(_o({"name": _must(_s()), "value": _s()})),
                    }
                ),
                "useSourceIp": _b(),
                "httpQueryParameterName": _s(),
                "ringHash": _o({"minimumRingSize": _i(0, 8388608)}),
                "maglev": _o({"tableSize": _i(2, 5000011, format="prime")}),
                "minimumRingSize": _i(0, 8388608),
            }
        ),
        "localityLbSetting": _LOCALITY,
        "zoneAwareLbSetting": _idle(
            _o(
                {
                    "enabled": _b(),
                    "routingEnabled": Field("any"),
                    "minClusterSize": _i(),
                    "failTrafficOnPanic": _b(),
                    "forceLocalZone": Field("any"),
                }
            ),
            _ONE_PLACE,
        ),
        "warmupDurationSecs": _DURATION,
        "warmup": _o(
            {
                "duration": _must(_DURATION),
                "minimumPercent": Field("number", low=0, high=100),
                "aggression": Field("number", low=0.000001),
            }
        ),
    }
)  # fmt: skip

_CONNECTION_POOL = _o(
    {
        "tcp": _o(
            {
                "maxConnections": _i(0, 2147483647),
                "connectTimeout": _DURATION,
                "tcpKeepalive": _o({"probes": _i(), "time": _DURATION, "interval": _DURATION}),
                "maxConnectionDuration": _DURATION,
                "idleTimeout": _s("duration-or-zero"),
            }
        ),
        "http": _o(
            {
                "http1MaxPendingRequests": _i(0, 2147483647),
                "http2MaxRequests": _i(0, 2147483647),
                "maxRequestsPerConnection": _i(0, 536870912),
                "maxRetries": _i(0, 2147483647),
                "idleTimeout": _DURATION,
                "h2UpgradePolicy": _e("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
                "useClientProtocol": _b(),
                "maxConcurrentStreams": _i(0, 2147483647),
                "http2KeepAlive": _o({"interval": _must(_DURATION), "timeout": _must(_DURATION)}),
            }
        ),
    }
)

_OUTLIER_DETECTION = _o(
    {
        "consecutiveErrors": _idle(_i(0), "deprecated, and ignored by Istio too: use consecutive5xxErrors"),
        "consecutive5xxErrors": _i(0),
        "consecutiveGatewayErrors": _i(0),
        "splitExternalLocalOriginErrors": _b(),
        "consecutiveLocalOriginFailures": _i(0),
        "interval": _DURATION,
        "baseEjectionTime": _DURATION,
        "maxEjectionPercent": _i(0, 100),
        "minHealthPercent": _i(0, 100),
        "outlierDetectionHttpErrorCodes": _many(_i(100, 599)),
    }
)

_CLIENT_TLS = _o(
    {
        "mode": _e("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
        "credentialName": _s(),
        "subjectAltNames": _many(_s()),
        "sni": _s(),
        "insecureSkipVerify": _b(),
        **{name: _no(_NO_FILES) for name in ("clientCertificate", "privateKey", "caCertificates", "caCrl")},
    }
)

_POLICY = {
    "loadBalancer": _LOAD_BALANCER,
    "connectionPool": _CONNECTION_POOL,
    "outlierDetection": _OUTLIER_DETECTION,
    "tls": _CLIENT_TLS,
}

_TRAFFIC_POLICY = _o(
    {
        **_POLICY,
        "portLevelSettings": _many(_o({"port": _must(_o({"number": _must(_PORT)})), **_POLICY})),
        "tunnel": _no("there is no second proxy to tunnel through"),
        "proxyProtocol": _no("no service here reads it"),
        "retryBudget": _o(
            {
                "percent": Field("number", low=0, high=100),
                "budgetInterval": _DURATION,
                "minRetryConcurrency": _i(),
            }
        ),
    }
)

DESTINATION_RULE = _o(
    {
        "host": _must(_s("host")),
        "trafficPolicy": _TRAFFIC_POLICY,
        "subsets": _many(_o({"name": _must(_s("label")), "labels": _LABELS, "trafficPolicy": _TRAFFIC_POLICY})),
        "exportTo": _EXPORT_TO,
        "workloadSelector": _o({"matchLabels": _LABELS}),
    }
)

_TLS_VERSION = _e("TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")

GATEWAY = _o(
    {
        "selector": _must(_LABELS),
        "servers": _must(
            _many(
                _o(
                    {
                        "port": _must(
                            _o(
                                {
                                    "number": _must(_PORT),
                                    "protocol": _must(_s("protocol")),
                                    "name": _must(_s()),
                                    "targetPort": _no("deprecated, and refused by Istio too"),
                                }
                            )
                        ),
                        "hosts": _must(_many(_s("gateway-host"))),
                        "name": _s(),
                        "bind": _no("everything in pocket listens on 127.0.0.1"),
                        "defaultEndpoint": _no("Istio does not implement it either"),
                        "tls": _o(
                            {
                                "httpsRedirect": _b(),
                                "mode": _e(
                                    "PASSTHROUGH", "SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "AUTO_PASSTHROUGH",
                                    "ISTIO_MUTUAL",
                                    refused_values={
                                        "AUTO_PASSTHROUGH": "there is no mutual TLS between sidecars to pass through",
                                        "ISTIO_MUTUAL": "there is no mutual TLS between sidecars",
                                    },
                                ),
                                "credentialName": _s(),
                                "credentialNames": _many(_s()),
                                "subjectAltNames": _many(_s()),
                                "verifyCertificateSpki": _many(_s()),
                                "verifyCertificateHash": _many(_s()),
                                "minProtocolVersion": _TLS_VERSION,
                                "maxProtocolVersion": _TLS_VERSION,
                                "cipherSuites": _many(_s()),
                                **{
                                    name: _no(_NO_FILES)
                                    for name in (
                                        "serverCertificate", "privateKey", "caCertificates", "caCrl",
                                        "caCertCredentialName", "tlsCertificates",
                                    )
                                },
                            }
                        ),
                    }
                )
            )
        ),
    }
)  # fmt: skip

SERVICE_ENTRY = _o(
    {
        "hosts": _must(_many(_s("host"))),
        "addresses": _many(_s("address")),
        "ports": _many(
            _o(
                {
                    "number": _must(_PORT),
                    "name": _must(_s()),
                    "protocol": _s("protocol"),
                    "targetPort": _PORT,
                }
            )
        ),
        "location": _e("MESH_EXTERNAL", "MESH_INTERNAL"),
        "resolution": _e("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
        "endpoints": _many(
            _o(
                {
                    "address": _must(_s("endpoint-address")),
                    "ports": _m(_PORT),
                    "labels": _LABELS,
                    "weight": _i(1, 128),
                    "network": _idle(_s(), _ONE_PLACE),
                    "locality": _idle(_s(), _ONE_PLACE),
                    "serviceAccount": _idle(_s(), "endpoints outside of pods have no identity here"),
                }
            )
        ),
        "exportTo": _EXPORT_TO,
        "subjectAltNames": _many(_s()),
        "workloadSelector": _o({"labels": _LABELS}),
    }
)

_SELECTOR = _o(
    {
        "matchLabels": _LABELS,
        "matchExpressions": _many(
            _o(
                {
                    "key": _must(_s()),
                    "operator": _must(_e("In", "NotIn", "Exists", "DoesNotExist")),
                    "values": _many(_s()),
                }
            )
        ),
    }
)
_NO_AUTH = "pods in pocket answer scrapes without it"
_NO_LIMITS = "a cluster on one machine does not reach such limits"
_WORKLOAD = _o({"matchLabels": _LABELS})
_MTLS = _o({"mode": _e("UNSET", "DISABLE", "PERMISSIVE", "STRICT")})

PEER_AUTHENTICATION = _o({"selector": _WORKLOAD, "mtls": _MTLS, "portLevelMtls": _m(_MTLS)})

_NO_TARGETS = {name: _no("there are no waypoints: use selector") for name in ("targetRef", "targetRefs")}


def _negated(*names: str, form: str = "") -> dict[str, Field]:
    """Lists of values, and `notValues` beside each."""
    return {
        key: _many(_s(form)) for name in names for key in (name, f"not{name[0].upper()}{name[1:]}")
    }


_SOURCE = _o(
    {
        **_negated("principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains", form="pattern"),
        **_negated("ipBlocks", "remoteIpBlocks", form="address"),
    }
)
_OPERATION = _o(
    {
        **_negated("hosts", "methods", form="pattern"),
        **_negated("ports", form="port"),
        **_negated("paths", form="path-pattern"),
    }
)

AUTHORIZATION_POLICY = _o(
    {
        "selector": _WORKLOAD,
        **_NO_TARGETS,
        "action": _e(
            "ALLOW", "DENY", "AUDIT", "CUSTOM",
            refused_values={"CUSTOM": "there is no external authorizer: meshConfig.extensionProviders has none"},
        ),
        "provider": _no("there is no external authorizer: meshConfig.extensionProviders has none"),
        "rules": _many(
            _o(
                {
                    "from": _many(_o({"source": _SOURCE})),
                    "to": _many(_o({"operation": _OPERATION})),
                    "when": _many(
                        _o({"key": _must(_s("condition")), "values": _many(_s()), "notValues": _many(_s())})
                    ),
                }
            )
        ),
    }
)  # fmt: skip

REQUEST_AUTHENTICATION = _o(
    {
        "selector": _WORKLOAD,
        **_NO_TARGETS,
        "jwtRules": _many(
            _o(
                {
                    "issuer": _must(_s()),
                    "audiences": _many(_s()),
                    "jwks": _s(),
                    "jwksUri": _s(),
                    "jwks_uri": _no("the old name of jwksUri"),
                    "fromHeaders": _many(_o({"name": _must(_s("header-name")), "prefix": _s()})),
                    "fromParams": _many(_s()),
                    "fromCookies": _many(_s()),
                    "outputPayloadToHeader": _s("header-name"),
                    "outputClaimToHeaders": _many(
                        _o({"header": _must(_s("header-name")), "claim": _must(_s())})
                    ),
                    "forwardOriginalToken": _b(),
                    "timeout": _DURATION,
                    "spaceDelimitedClaims": _many(_s()),
                }
            )
        ),
    }
)

_PLAIN = "Prometheus' default is used"

SERVICE_MONITOR = _o(
    {
        "selector": _must(_SELECTOR),
        "endpoints": _must(
            _many(
                _o(
                    {
                        "port": _s(),
                        "targetPort": Field("any", format="int-or-string"),
                        "path": _s(),
                        "interval": _s("prometheus-duration"),
                        "scrapeTimeout": _s("prometheus-duration"),
                        "scheme": _e("http", "https", "HTTP", "HTTPS"),
                        "tlsConfig": _o(
                            {
                                "caFile": _e("/etc/prom-certs/root-cert.pem"),
                                "certFile": _e("/etc/prom-certs/cert-chain.pem"),
                                "keyFile": _e("/etc/prom-certs/key.pem"),
                                "insecureSkipVerify": _b(),
                                **{
                                    name: _no("pocket's Prometheus has its certificate of the mesh, and no other")
                                    for name in ("ca", "cert", "keySecret", "serverName", "minVersion", "maxVersion")
                                },
                            }
                        ),
                        **{
                            name: _idle(_b(), _PLAIN)
                            for name in (
                                "honorLabels", "honorTimestamps", "trackTimestampsStaleness", "followRedirects",
                                "enableHttp2", "filterRunning",
                            )
                        },
                        **{
                            name: _no(_NO_AUTH)
                            for name in (
                                "bearerTokenFile", "bearerTokenSecret", "authorization", "basicAuth",
                                "oauth2",
                            )
                        },
                        **{
                            name: _no("pocket relabels by the operator's defaults only")
                            for name in ("relabelings", "metricRelabelings")
                        },
                        "params": _no("pocket scrapes the plain path"),
                        **{
                            name: _no("scrapes go to 127.0.0.1 directly")
                            for name in ("proxyUrl", "noProxy", "proxyFromEnvironment", "proxyConnectHeader")
                        },
                    }
                )
            )
        ),
        "namespaceSelector": _o({"any": _b(), "matchNames": _many(_s())}),
        "jobLabel": _s(),
        "targetLabels": _many(_s()),
        "podTargetLabels": _many(_s()),
        **{
            name: _idle(_i(), _NO_LIMITS)
            for name in (
                "sampleLimit", "targetLimit", "labelLimit", "labelNameLengthLimit", "labelValueLengthLimit",
                "nativeHistogramBucketLimit", "keepDroppedTargets",
            )
        },
        "bodySizeLimit": _idle(_s(), _NO_LIMITS),
        "nativeHistogramMinBucketFactor": _idle(Field("any"), _PLAIN),
        **{
            name: _idle(_b(), _PLAIN)
            for name in ("convertClassicHistogramsToNHCB", "scrapeClassicHistograms", "scrapeNativeHistograms")
        },
        "scrapeProtocols": _idle(_many(_s()), _PLAIN),
        "fallbackScrapeProtocol": _idle(_s(), _PLAIN),
        "selectorMechanism": _idle(_s(), "both mechanisms find the same targets"),
        "serviceDiscoveryRole": _idle(_s(), "both roles find the same targets"),
        "attachMetadata": _no("there is no node metadata"),
        "scrapeClass": _no("there are no scrape classes"),
    }
)  # fmt: skip

SPECS: Mapping[str, Field] = {
    "Gateway": GATEWAY,
    "VirtualService": VIRTUAL_SERVICE,
    "DestinationRule": DESTINATION_RULE,
    "ServiceEntry": SERVICE_ENTRY,
    "PeerAuthentication": PEER_AUTHENTICATION,
    "AuthorizationPolicy": AUTHORIZATION_POLICY,
    "RequestAuthentication": REQUEST_AUTHENTICATION,
    "ServiceMonitor": SERVICE_MONITOR,
}
"""The `spec` of each kind."""


"""Between these two lines of docs/pocket.md stands what `markdown()` says."""


def leaves(spec: Field, path: str = "", seen: dict[int, str] | None = None) -> Iterator[tuple[str, Field]]:
    """The fields below `spec` by their paths (`http[].timeout`).

    An object that is honoured in all its parts is one of them; so is one that came before, with a note that says where.
    """
    seen = {} if seen is None else seen
    for name, one in spec.fields.items():
        where = f"{path}.{name}" if path else name
        where += "[]" if one.many else ""
        inner = one.values if one.type == "map" and one.values else one
        if one.status != "honoured" or not inner.fields or _whole(inner):
            yield where, one
        elif id(inner.fields) in seen:
            yield where, Field("object", note=f"like {seen[id(inner.fields)]}")
        else:
            seen[id(inner.fields)] = where
            yield from leaves(inner, where + (".*" if one.type == "map" else ""), seen)


def _whole(spec: Field) -> bool:
    """Is every part of it honoured?"""
    return all(
        one.status == "honoured" and not one.refused_values and _whole(one.values or one)
        for one in spec.fields.values()
    )


def markdown() -> str:
    """The table for docs/pocket.md: kind by kind what is honoured, accepted without effect, refused and why."""
    lines = ["| Kind | In pocket | Fields |", "|---|---|---|"]
    order = ("honoured", "no effect", "refused")
    for kind, spec in SPECS.items():
        grouped: dict[str, list[str]] = {}
        for path, one in leaves(spec):
            what = f"{one.status}: {one.note}" if one.note else one.status
            grouped.setdefault(what, []).append(path)
            for value, reason in one.refused_values.items():
                grouped.setdefault(f"refused: {reason}", []).append(f"{path}: {value}")
        for what in sorted(grouped, key=lambda what: order.index(what.split(":")[0])):
            lines.append(f"| {kind} | {what} | {', '.join(_short(grouped[what]))} |")
    return "\n".join(lines) + "\n"


def _short(paths: list[str]) -> list[str]:
    """`a.b.c`, `a.b.d` -> `a.b.{c, d}`, in Markdown's backquotes."""
    parents: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        between = ": " if ": " in path else "."
        parent, _, name = path.rpartition(between)
        parents.setdefault((parent, between if parent else ""), []).append(name)
    return [
        f"`{parent}{between}{names[0] if len(names) == 1 else '{' + ', '.join(names) + '}'}`"
        if parent
        else ", ".join(f"`{name}`" for name in names)
        for (parent, between), names in parents.items()
    ]
