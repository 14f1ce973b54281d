"""From the path of a request to the resource that it means."""

from __future__ import annotations

from dataclasses import dataclass

from pocket.objects import KINDS, Kind


@dataclass(frozen=True)
class Target:
    """What a request is about."""

    kind: Kind
    version: str  # `v1beta1`: the version that the client speaks
    namespace: str | None = None  # None: without namespace, or all of them
    name: str | None = None
    subresource: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version


BY_PLURAL: dict[tuple[str, str], Kind] = {(kind.group, kind.plural): kind for kind in KINDS.values()}

METRICS = "metrics.k8s.io"
LEASES = "coordination.k8s.io"
COMPUTED: dict[tuple[str, str], Kind] = {
    (kind.group, kind.plural): kind
    for kind in (
        Kind("Lease", "leases", LEASES),
        Kind("NodeMetrics", "nodes", METRICS, ("v1beta1",), namespaced=False),
        Kind("PodMetrics", "pods", METRICS, ("v1beta1",)),
    )
}
"""Kinds that are not stored: they are made when somebody asks, and can be read only."""

SUBRESOURCES: dict[str, tuple[str, ...]] = {
    "Namespace": ("status", "finalize"),
    "Node": ("status",),
    "Pod": ("status", "log", "exec", "attach", "portforward", "eviction"),
    "Service": ("status",),
    "ServiceAccount": ("token",),
    "Deployment": ("status", "scale"),
    "ReplicaSet": ("status", "scale"),
    "Job": ("status",),
    "PodDisruptionBudget": ("status",),
    "HorizontalPodAutoscaler": ("status",),
    "CustomResourceDefinition": ("status",),
    "Gateway": ("status",),
    "VirtualService": ("status",),
    "DestinationRule": ("status",),
    "ServiceEntry": ("status",),
    "ServiceMonitor": ("status",),
}
"""The subresources of each kind."""


def parse(path: str) -> Target | None:
    """`/apis/apps/v1/namespaces/c756ns/deployments/web/scale`; None for a path that means no resource."""
    steps = path.strip("/").split("/")
    if steps[0] == "api" and len(steps) >= 3:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) >= 4:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace: str | None = None
    # `namespaces/NAME/status` is about the namespace itself.
    if rest[0] == "namespaces" and len(rest) >= 3 and not (
        group == "" and len(rest) == 3 and rest[2] in SUBRESOURCES["Namespace"]
    ):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        return None
    kind = BY_PLURAL.get((group, rest[0])) or COMPUTED.get((group, rest[0]))
    if kind is None or version not in kind.versions or (namespace is not None and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else None
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in SUBRESOURCES.get(kind.name, ()):
        return None
    if name is not None and kind.namespaced and namespace is None:
        return None
    return Target(kind, version, namespace, name, subresource)
