"""What pocket does with each field of the Istio kinds and of ServiceMonitor: an overlay over upstream's schemas.

The fields, their types, enums and bounds are those of `pocket/schemas` (Istio's and the Prometheus operator's own
definitions). Here stands only what pocket refuses or leaves without effect, and why; and what istiod's validation asks
of a value that the schemas do not say. Admission walks it, and `markdown()` renders it for docs/pocket.md: what a
newer upstream brings shows there, as honoured, until it is named here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Status = Literal["honoured", "no effect", "refused"]
Type = Literal["string", "integer", "number", "boolean", "object", "map", "any"]

_SCHEMAS = Path(__file__).parents[1] / "schemas"


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


PROTOCOLS = ("HTTP", "HTTPS", "GRPC", "GRPC-WEB", "HTTP2", "MONGO", "TCP", "TLS", "MYSQL", "REDIS")
"""The protocols of a port that Istio knows; the case of the letters does not count."""

# The overlay. A field is named by the end of its path, long enough to mean nothing else; the kind is the path's first
# part, and `*` stands for the values of a map.

REFUSED: Mapping[str, tuple[str, ...]] = {
    "deprecated, and refused by Istio too": ("servers.port.targetPort",),
    "everything in pocket listens on 127.0.0.1": ("servers.bind",),
    "Istio does not implement it either": ("defaultEndpoint", "exponentialDelay", "http2Error"),
    "certificates come from a Secret: use credentialName": (
        "serverCertificate", "clientCertificate", "privateKey", "caCertificates", "caCrl", "caCertCredentialName",
        "tlsCertificates",
    ),
    "a gateway checks the certificates of its clients": ("servers.tls.insecureSkipVerify",),
    "the way out of a pod is a proxy: destinations have names there, not addresses": ("destinationSubnets",),
    "every source is 127.0.0.1": ("sourceSubnet",),
    "there is no second proxy to tunnel through": ("trafficPolicy.tunnel",),
    "no service here reads it": ("proxyProtocol",),
    "there are no waypoints: use selector": ("targetRef", "targetRefs"),
    "there is no external authorizer: meshConfig.extensionProviders has none": ("AuthorizationPolicy.provider",),
    "the old name of jwksUri": ("jwks_uri",),
    "the old name of mirrorPercent": ("mirror_percent",),
    "pods in pocket answer scrapes without it": (
        "bearerTokenFile", "bearerTokenSecret", "endpoints.authorization", "basicAuth", "oauth2",
    ),
    "pocket's Prometheus has its certificate of the mesh, and no other": (
        "tlsConfig.ca", "tlsConfig.cert", "tlsConfig.keySecret", "tlsConfig.serverName", "tlsConfig.minVersion",
        "tlsConfig.maxVersion",
    ),
    "pocket relabels by the operator's defaults only": ("relabelings", "metricRelabelings"),
    "pocket scrapes the plain path": ("endpoints.params",),
    "scrapes go to 127.0.0.1 directly": ("proxyUrl", "noProxy", "proxyFromEnvironment", "proxyConnectHeader"),
    "there is no node metadata": ("attachMetadata",),
    "there are no scrape classes": ("scrapeClass",),
}  # fmt: skip
"""Why -> the fields with which an object is refused."""

NO_EFFECT: Mapping[str, tuple[str, ...]] = {
    "only Istio's standard metrics are kept": ("statPrefix",),
    "one machine is one locality and one network": (
        "localityLbSetting", "zoneAwareLbSetting", "endpoints.network", "endpoints.locality",
    ),
    "deprecated, and ignored by Istio too: use consecutive5xxErrors": ("consecutiveErrors",),
    "endpoints outside of pods have no identity here": ("endpoints.serviceAccount",),
    "Prometheus' default is used": (
        "honorLabels", "honorTimestamps", "trackTimestampsStaleness", "followRedirects", "enableHttp2", "filterRunning",
        "nativeHistogramMinBucketFactor", "convertClassicHistogramsToNHCB", "scrapeClassicHistograms",
        "scrapeNativeHistograms", "scrapeProtocols", "fallbackScrapeProtocol", "extraScrapeMetrics",
    ),
    "a cluster on one machine does not reach such limits": (
        "sampleLimit", "targetLimit", "labelLimit", "labelNameLengthLimit", "labelValueLengthLimit",
        "nativeHistogramBucketLimit", "keepDroppedTargets", "bodySizeLimit",
    ),
    "both mechanisms find the same targets": ("selectorMechanism",),
    "both roles find the same targets": ("serviceDiscoveryRole",),
}  # fmt: skip
"""Why -> the fields that are accepted, and of which nothing comes."""

REFUSED_VALUES: Mapping[str, Mapping[str, str]] = {
    "servers.tls.mode": {
        "AUTO_PASSTHROUGH": "there is no mutual TLS between sidecars to pass through",
        "ISTIO_MUTUAL": "there is no mutual TLS between sidecars",
    },
    "loadBalancer.simple": {"PASSTHROUGH": "there is no original address: pods send to a proxy"},
    "AuthorizationPolicy.action": {
        "CUSTOM": "there is no external authorizer: meshConfig.extensionProviders has none"
    },
}
"""Field -> value -> why an object with it is refused."""

FORMATS: Mapping[str, tuple[str, ...]] = {
    "protocol": ("port.protocol", "ports.protocol"),
    "host": ("VirtualService.hosts", "ServiceEntry.hosts", "DestinationRule.host", "destination.host", "mirror.host",
             "sniHosts"),
    "gateway-host": ("servers.hosts",),
    "gateway": ("gateways",),
    "regex": ("regex", "uriRegexRewrite.match"),
    "header-value": ("set.*", "add.*"),
    "header-name": ("headers.request.remove", "headers.response.remove", "fromHeaders.name", "outputPayloadToHeader",
                    "outputClaimToHeaders.header"),
    "base64": ("body.bytes",),
    "duration": (
        "http.timeout", "perTryTimeout", "backoff", "fixedDelay", "maxAge", "warmupDurationSecs", "warmup.duration",
        "connectTimeout", "tcpKeepalive.time", "tcpKeepalive.interval", "maxConnectionDuration", "http.idleTimeout",
        "http2KeepAlive.interval", "http2KeepAlive.timeout", "outlierDetection.interval", "baseEjectionTime",
        "budgetInterval", "jwtRules.timeout",
    ),
    "duration-or-zero": ("httpCookie.ttl", "tcp.idleTimeout"),
    "prometheus-duration": ("endpoints.interval", "scrapeTimeout"),
    "retry-on": ("retryOn",),
    "grpc-status": ("grpcStatus",),
    "export": ("exportTo",),
    "prime": ("tableSize",),
    "label": ("subsets.name",),
    "address": ("ServiceEntry.addresses", "ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"),
    "endpoint-address": ("endpoints.address",),
    "pattern": (
        "principals", "notPrincipals", "requestPrincipals", "notRequestPrincipals", "namespaces", "notNamespaces",
        "serviceAccounts", "notServiceAccounts", "trustDomains", "notTrustDomains", "operation.hosts", "notHosts",
        "methods", "notMethods",
    ),
    "port": ("operation.ports", "notPorts"),
    "path-pattern": ("paths", "notPaths"),
    "condition": ("when.key",),
    "int-or-string": ("endpoints.targetPort",),
}  # fmt: skip
"""What a value looks like (admission.FORMATS) -> the fields."""

_INT32 = 2147483647
BOUNDS: Mapping[tuple[float, float | None], tuple[str, ...]] = {
    (1, 65535): ("port.number", "match.port", "redirect.port", "ports.number", "ports.targetPort", "endpoints.ports.*"),
    (0, _INT32): (
        "route.weight", "attempts", "maxConnections", "http1MaxPendingRequests", "http2MaxRequests", "maxRetries",
        "maxConcurrentStreams",
    ),
    (200, 599): ("directResponse.status", "httpStatus"),
    (0, 100): (
        "percentage.value", "mirrorPercentage.value", "delay.percent", "mirrorPercent", "maxEjectionPercent",
        "minHealthPercent",
    ),
    (0, 8388608): ("minimumRingSize",),
    (2, 5000011): ("tableSize",),
    (0.000001, None): ("aggression",),
    (0, 536870912): ("maxRequestsPerConnection",),
    (1, 128): ("endpoints.weight",),
}  # fmt: skip
"""Bounds of a number that are narrower than the schema's -> the fields."""

REQUIRED = (
    "Gateway.selector", "Gateway.servers", "destination.port.number", "mirror.port.number", "tls.route", "tcp.route",
    "http2KeepAlive.interval", "http2KeepAlive.timeout", "portLevelSettings.port", "portLevelSettings.port.number",
    "endpoints.address", "jwtRules.issuer",
)  # fmt: skip
"""Fields that an object cannot do without, though the schema lets it."""

ENUMS: Mapping[str, tuple[str, ...]] = {
    "matchExpressions.operator": ("In", "NotIn", "Exists", "DoesNotExist"),
    "tlsConfig.caFile": ("/etc/prom-certs/root-cert.pem",),
    "tlsConfig.certFile": ("/etc/prom-certs/cert-chain.pem",),
    "tlsConfig.keyFile": ("/etc/prom-certs/key.pem",),
}
"""Values that the schema does not list."""


def _by_end(table: Mapping[Any, tuple[str, ...]]) -> dict[str, Any]:
    return {end: value for value, ends in table.items() for end in ends}


_REFUSED, _NO_EFFECT = _by_end(REFUSED), _by_end(NO_EFFECT)
_FORMAT, _BOUNDS, _REQUIRED = _by_end(FORMATS), _by_end(BOUNDS), dict.fromkeys(REQUIRED, True)
OVERLAY = (_REFUSED, _NO_EFFECT, REFUSED_VALUES, _FORMAT, _BOUNDS, _REQUIRED, ENUMS)


def _said(table: Mapping[str, Any], path: str) -> Any:
    """What the overlay says of the field at a path, by the longest end that it knows; None: nothing."""
    parts = path.split(".")
    return next((table[end] for n in range(len(parts)) if (end := ".".join(parts[n:])) in table), None)


def _field(source: Mapping[str, Any], path: str) -> Field:
    """A field as upstream has it, with the overlay."""
    required = bool(_said(_REQUIRED, path))
    if why := _said(_REFUSED, path):
        return Field("any", "refused", why, required=required)
    if source.get("type") == "array":
        return replace(_field(source["items"], path), many=True)
    note = _said(_NO_EFFECT, path) or ""
    status: Status = "no effect" if note else "honoured"
    made = Field(_type(source), status, note, required=required, format=_said(_FORMAT, path) or "")
    if made.type == "map":
        return replace(made, values=_field(source["additionalProperties"], f"{path}.*"))
    if made.type == "object":
        fields = {name: _field(entry, f"{path}.{name}") for name, entry in (source.get("properties") or {}).items()}
        for name in source.get("required") or ():
            fields[name] = replace(fields[name], required=True)
        return replace(made, fields=fields)
    low, high = _said(_BOUNDS, path) or (source.get("minimum"), source.get("maximum"))
    enum = tuple(source.get("enum") or ()) or _said(ENUMS, path) or ()
    return replace(made, enum=enum, refused_values=_said(REFUSED_VALUES, path) or {}, low=low, high=high)


def _type(source: Mapping[str, Any]) -> Type:
    if source.get("x-kubernetes-int-or-string"):
        return "any"
    if source.get("type") == "object":
        return "map" if "additionalProperties" in source else "object"
    return source.get("type", "any")  # type: ignore[no-any-return]  # the schemas are structural


_FILES = {
    "Gateway": "istio",
    "VirtualService": "istio",
    "DestinationRule": "istio",
    "ServiceEntry": "istio",
    "PeerAuthentication": "istio",
    "AuthorizationPolicy": "istio",
    "RequestAuthentication": "istio",
    "ServiceMonitor": "monitoring",
}
"""The kinds that the mesh and the scraping act on, and the file that upstream's definition stands in."""


class _Specs(Mapping[str, Field]):
    """Made when asked for: the definitions are large."""

    def __getitem__(self, kind: str) -> Field:
        return _spec(kind)

    def __contains__(self, kind: object) -> bool:
        return kind in _FILES

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)


@functools.cache
def _spec(kind: str) -> Field:
    for line in (_SCHEMAS / f"{_FILES[kind]}.jsonl").read_bytes().splitlines():
        definition = json.loads(line)
        if definition["spec"]["names"]["kind"] == kind:
            version = next(entry for entry in definition["spec"]["versions"] if entry["name"] == "v1")
            return _field(version["schema"]["openAPIV3Schema"]["properties"]["spec"], kind)
    raise KeyError(kind)


SPECS: Mapping[str, Field] = _Specs()
"""The `spec` of each kind."""


def leaves(spec: Field, path: str = "", seen: dict[str, str] | None = None) -> Iterator[tuple[str, Field]]:
    """The fields below `spec` by their paths (`http[].timeout`).

    An object that is honoured in all its parts is one of them; so is one that came before, with a note that says where.
    """
    seen = {} if seen is None else seen
    for name, one in sorted(spec.fields.items(), key=lambda item: item[1].many):  # lists repeat what stands beside them
        where = f"{path}.{name}" if path else name
        where += "[]" if one.many else ""
        inner = one.values if one.type == "map" and one.values else one
        if one.status != "honoured" or not inner.fields or _whole(inner):
            yield where, one
        elif (same := repr(inner.fields)) in seen:
            yield where, Field("object", note=f"like {seen[same]}")
        else:
            seen[same] = where
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
