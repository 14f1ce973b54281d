"""Names: hosts, clusters and durations as Istio writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pocket.mesh.model import CLUSTER_DOMAIN

PASSTHROUGH = "PassthroughCluster"
"""Where requests to hosts that the mesh does not know go, as in Istio's ALLOW_ANY."""

PASSTHROUGH_TCP = "PassthroughCluster-tcp"
"""The same for tunnels; a cluster of its own, since its bytes are counted."""

BLACK_HOLE = "BlackHoleCluster"
"""A cluster without endpoints."""

MESH = "mesh"
"""The reserved gateway name that means every sidecar."""

ROOT_NAMESPACE = "istio-system"

GATEWAY_SEMANTICS = ("internal.istio.io/route-semantics", "gateway")
"""The annotation of a VirtualService that was an HTTPRoute: some fields mean something else there."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def fqdn(host: str, namespace: str) -> str:
    """A host of an Istio object as a full name: one without a dot is a Service of the object's own namespace.

    `reviews`, `prod` -> `reviews.prod.svc.cluster.local`; anything with a dot, and `*`, stays as it is
    (https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination).
    """
    return host if "." in host or "*" in host else f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def gateway_name(name: str, namespace: str) -> str:
    """A gateway as an Istio object names it, in full: `mesh` stays, `gw` -> `ns/gw`."""
    if name == MESH or "/" in name:
        return name.replace("./", f"{namespace}/", 1) if name.startswith("./") else name
    return f"{namespace}/{name}"


def service_host(name: str, namespace: str) -> str:
    """The full name of a Service."""
    return f"{name}.{namespace}.svc.{CLUSTER_DOMAIN}"


def cluster_name(port: int, subset: str, host: str) -> str:
    """`outbound|30001|v1|cmpt756s2.c756ns.svc.cluster.local`."""
    return f"outbound|{port}|{subset}|{host}"


def external_cluster_name(port: int, host: str) -> str:
    """`PassthroughCluster|80|real.example.com`: where an ExternalName leads that is no service of the mesh."""
    return f"{PASSTHROUGH}|{port}|{host}"


def inbound_cluster_name(port: int) -> str:
    """`inbound|30001||`."""
    return f"inbound|{port}||"


def config_path(kind: str, namespace: str, name: str) -> str:
    """How istiod's routes and clusters name the object that they come from, in `filter_metadata.istio.config`;
    `istioctl proxy-config` reads it. `kind` is `virtual-service` or `destination-rule`."""
    return f"/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}"


def host_matches(pattern: str, host: str) -> bool:
    """Does a host pattern (exact, `*.suffix` or `*`) cover a host, which may be a pattern itself?"""
    if pattern == "*":
        return True
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host


def most_specific(patterns: Sequence[str], host: str) -> str | None:
    """The pattern that fits best: the exact one, else the longest wildcard; None where none fits."""
    fitting = [pattern for pattern in patterns if host_matches(pattern, host)]
    return max(fitting, key=lambda pattern: (not pattern.startswith("*"), len(pattern)), default=None)


def seconds(duration: str) -> float:
    """A duration as Go writes it (`1.5s`, `100ms`, `1h30m`) in seconds. Raises ValueError."""
    if duration == "0":
        return 0.0
    parts = list(_DURATION.finditer(duration))
    if not parts or "".join(part.group() for part in parts) != duration:
        raise ValueError(f"{duration!r} is not a duration such as 10s, 1.5s, 100ms or 1h30m")
    return sum(float(part.group(1)) * _UNITS[part.group(2)] for part in parts)


@cache
def envoy_duration(duration: str) -> str:
    """The same duration as protobuf's JSON writes it: seconds with at most nine decimals, `1.5s`."""
    text = f"{seconds(duration):.9f}".rstrip("0").rstrip(".")
    return f"{text}s"


def typed(kind: str, **fields: Any) -> dict[str, Any]:
    """A protobuf Any: `typed("envoy.config.cluster.v3.Cluster", name=...)`."""
    return {"@type": f"type.googleapis.com/{kind}", **fields}


def exported(obj: Mapping[str, Any], namespace: str) -> bool:
    """May a proxy in `namespace` see this Istio object (`spec.exportTo`: `*`, `.` or names; none means all)?"""
    return visible(obj["spec"].get("exportTo"), obj["metadata"].get("namespace") or "default", namespace)


def visible(targets: Sequence[str] | None, own: str, namespace: str) -> bool:
    """Does `exportTo` of an object of the namespace `own` reach `namespace`?"""
    listed = targets or ["*"]
    return "*" in listed or ("~" not in listed and (namespace in listed or ("." in listed and own == namespace)))


def is_gateway_api(virtual_service: Mapping[str, Any]) -> bool:
    """Was it an HTTPRoute or GRPCRoute?"""
    key, value = GATEWAY_SEMANTICS
    return bool((virtual_service["metadata"].get("annotations") or {}).get(key) == value)


def export_rank(obj: Mapping[str, Any], namespace: str) -> int:
    """The order in which Istio takes what a namespace sees: its private objects, those exported to it, public ones."""
    targets = obj["spec"].get("exportTo") or ["*"]
    if "*" in targets:
        return 2
    return 0 if (obj["metadata"].get("namespace") or "default") == namespace else 1


def oldest_first(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """The key by which Istio sorts objects: creation, name, namespace."""
    meta = obj["metadata"]
    return meta.get("creationTimestamp") or "", meta["name"], meta.get("namespace") or "default"
