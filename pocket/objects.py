"""Kubernetes objects as plain JSON dictionaries: the kinds that pocket serves, and small questions about them.

An object stays the dictionary that came in over the wire. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of object: where it stands in the API and how people call it."""

    name: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)  # the first one is the stored and preferred one
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scalable: bool = False

    @property
    def api_versions(self) -> tuple[str, ...]:
        """`apps/v1`, or `v1` in the core group; the preferred one first."""
        return tuple(f"{self.group}/{v}" if self.group else v for v in self.versions)

    @property
    def singular(self) -> str:
        return self.name.lower()


_ISTIO = "networking.istio.io"
_ISTIO_VERSIONS = ("v1", "v1beta1", "v1alpha3")

_ALL_KINDS = (
    Kind("Namespace", "namespaces", namespaced=False, short=("ns",)),
    Kind("Node", "nodes", namespaced=False, short=("no",)),
    Kind("Pod", "pods", short=("po",), categories=("all",)),
    Kind("Service", "services", short=("svc",), categories=("all",)),
    Kind("ServiceAccount", "serviceaccounts", short=("sa",)),
    Kind("Secret", "secrets"),
    Kind("ConfigMap", "configmaps", short=("cm",)),
    Kind("Event", "events", short=("ev",)),
    Kind("Endpoints", "endpoints", short=("ep",)),
    Kind("EndpointSlice", "endpointslices", "discovery.k8s.io"),
    Kind("Deployment", "deployments", "apps", short=("deploy",), categories=("all",), scalable=True),
    Kind("ReplicaSet", "replicasets", "apps", short=("rs",), categories=("all",), scalable=True),
    Kind("Job", "jobs", "batch", categories=("all",)),
    Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy", short=("pdb",)),
    Kind(
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "autoscaling",
        ("v2",),
        short=("hpa",),
        categories=("all",),
    ),
    Kind(
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "apiextensions.k8s.io",
        namespaced=False,
        short=("crd", "crds"),
    ),
    Kind("Gateway", "gateways", _ISTIO, _ISTIO_VERSIONS, short=("gw",), categories=("istio-io",)),
    Kind("VirtualService", "virtualservices", _ISTIO, _ISTIO_VERSIONS, short=("vs",), categories=("istio-io",)),
    Kind("DestinationRule", "destinationrules", _ISTIO, _ISTIO_VERSIONS, short=("dr",), categories=("istio-io",)),
    Kind("ServiceEntry", "serviceentries", _ISTIO, _ISTIO_VERSIONS, short=("se",), categories=("istio-io",)),
    Kind("ServiceMonitor", "servicemonitors", "monitoring.coreos.com", short=("smon",)),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL_KINDS}
"""Every kind, by its name. Names are unique across groups here (Event is the core one)."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of an object."""

    path: str  # `spec.http[0].route[0].weight`
    message: str  # `unknown field`, `must be an integer`, `not supported by pocket: ...`

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def kind_of(obj: Obj) -> str:
    return str(obj["kind"])


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Obj) -> str | None:
    """The namespace, or None for an object without one (a Namespace, a Node)."""
    namespace = obj["metadata"].get("namespace")
    return None if namespace is None else str(namespace)


def uid_of(obj: Obj) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Obj) -> dict[str, str]:
    return dict(obj["metadata"].get("labels") or {})


def annotations_of(obj: Obj) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Does an equality selector (a Service's `spec.selector`) pick these labels? An empty one picks nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())


def owner_of(obj: Obj) -> Obj | None:
    """The owner reference of the controller that made the object, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def condition(obj: Obj, kind: str) -> Obj | None:
    """The status condition of that type, if the object has it."""
    for entry in (obj.get("status") or {}).get("conditions") or ():
        if entry.get("type") == kind:
            return dict(entry)
    return None


def is_ready(pod: Obj) -> bool:
    """Is the pod's Ready condition true, and the pod not on its way out?"""
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True" and not pod["metadata"].get("deletionTimestamp")
