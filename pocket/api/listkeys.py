"""How lists and maps of the built-in kinds merge, which the type declarations do not say.

Two tables of Kubernetes' own: `patchMergeKey` for strategic merge patches
(https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/) and
`x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` for server-side apply
(https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy). A list that is not named here
is replaced as a whole (atomic).
"""

from __future__ import annotations

PATCH_KEYS: dict[tuple[str, str], str] = {
    ("core_v1.PodSpec", "containers"): "name",
    ("core_v1.PodSpec", "initContainers"): "name",
    ("core_v1.PodSpec", "ephemeralContainers"): "name",
    ("core_v1.PodSpec", "volumes"): "name",
    ("core_v1.PodSpec", "imagePullSecrets"): "name",
    ("core_v1.PodSpec", "hostAliases"): "ip",
    ("core_v1.PodSpec", "topologySpreadConstraints"): "topologyKey",
    ("core_v1.PodSpec", "resourceClaims"): "name",
    ("core_v1.PodSpec", "schedulingGates"): "name",
    ("core_v1.Container", "ports"): "containerPort",
    ("core_v1.Container", "env"): "name",
    ("core_v1.Container", "volumeMounts"): "mountPath",
    ("core_v1.Container", "volumeDevices"): "devicePath",
    ("core_v1.EphemeralContainer", "ports"): "containerPort",
    ("core_v1.EphemeralContainer", "env"): "name",
    ("core_v1.EphemeralContainer", "volumeMounts"): "mountPath",
    ("core_v1.EphemeralContainer", "volumeDevices"): "devicePath",
    ("core_v1.PodStatus", "conditions"): "type",
    ("core_v1.PodStatus", "podIPs"): "ip",
    ("core_v1.PodStatus", "hostIPs"): "ip",
    ("core_v1.ServiceSpec", "ports"): "port",
    ("core_v1.ServiceStatus", "conditions"): "type",
    ("core_v1.ServiceAccount", "secrets"): "name",
    ("core_v1.NamespaceStatus", "conditions"): "type",
    ("core_v1.NodeStatus", "conditions"): "type",
    ("core_v1.NodeStatus", "addresses"): "type",
    ("apps_v1.DeploymentStatus", "conditions"): "type",
    ("apps_v1.ReplicaSetStatus", "conditions"): "type",
    ("batch_v1.JobStatus", "conditions"): "type",
    ("policy_v1.PodDisruptionBudgetStatus", "conditions"): "type",
    ("autoscaling_v2.HorizontalPodAutoscalerStatus", "conditions"): "type",
    ("meta_v1.ObjectMeta", "ownerReferences"): "uid",
}
"""List of objects -> the field by which a strategic merge patch finds an element."""

PATCH_SETS: frozenset[tuple[str, str]] = frozenset({
    ("meta_v1.ObjectMeta", "finalizers"),
    ("core_v1.NodeSpec", "podCIDRs"),
})
"""Lists of plain values that a strategic merge patch adds to instead of replacing."""

RETAIN_KEYS: frozenset[tuple[str, str]] = frozenset({
    ("core_v1.PodSpec", "volumes"),
    ("apps_v1.DeploymentSpec", "strategy"),
})
"""Unions, which the client patches with `$retainKeys` so that only one member stays."""

APPLY_KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    **{place: (key,) for place, key in PATCH_KEYS.items()},
    ("core_v1.Container", "ports"): ("containerPort", "protocol"),
    ("core_v1.EphemeralContainer", "ports"): ("containerPort", "protocol"),
    ("core_v1.ServiceSpec", "ports"): ("port", "protocol"),
    ("core_v1.PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    ("core_v1.ResourceRequirements", "claims"): ("name",),
}
"""List of objects -> the fields that identify an element for server-side apply."""

APPLY_DEFAULTS: dict[tuple[str, str], dict[str, str]] = {
    ("core_v1.Container", "ports"): {"protocol": "TCP"},
    ("core_v1.EphemeralContainer", "ports"): {"protocol": "TCP"},
    ("core_v1.ServiceSpec", "ports"): {"protocol": "TCP"},
}
"""Values that an identifying field has when it is left out."""

APPLY_SETS: frozenset[tuple[str, str]] = frozenset({("meta_v1.ObjectMeta", "finalizers")})
"""Lists of plain values in which server-side apply owns each value by itself."""

ATOMIC_MAPS: frozenset[tuple[str, str]] = frozenset({
    ("core_v1.PodSpec", "nodeSelector"),
    ("core_v1.ServiceSpec", "selector"),
})
"""Maps that have one owner."""

ATOMIC_STRUCTS: frozenset[str] = frozenset({
    "meta_v1.LabelSelector",
    "core_v1.ConfigMapKeySelector",
    "core_v1.LocalObjectReference",
    "core_v1.NodeSelector",
    "core_v1.ObjectFieldSelector",
    "core_v1.ObjectReference",
    "core_v1.ResourceFieldSelector",
    "core_v1.SecretKeySelector",
    "core_v1.SecretReference",
    "core_v1.TypedLocalObjectReference",
})
"""Objects that have one owner."""
