"""What the Kubernetes API knows of the cluster, as far as the graph needs it: a pure view of plain objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Obj = Mapping[str, Any]

PROXY = "istio-proxy"


@dataclass(frozen=True)
class Workload:
    """What runs a set of pods: a Deployment, or whatever owns them."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    pods: int
    without_sidecar: tuple[str, ...]  # names of its pods
    is_gateway: bool
    is_waypoint: bool = False
    is_ambient: bool = False

    @property
    def app(self) -> str:
        return canonical(self.labels)[0]

    @property
    def version(self) -> str:
        return canonical(self.labels)[1]


@dataclass(frozen=True)
class Cluster:
    """Objects by kind. Lists keep the order of the API."""

    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # name -> labels, of the whole cluster
    created: Mapping[str, str] = field(default_factory=dict)  # name -> when the namespace was made, as ISO text
    loaded: frozenset[str] = frozenset()  # the namespaces whose services, deployments and pods are here
    services: tuple[Obj, ...] = ()
    deployments: tuple[Obj, ...] = ()
    pods: tuple[Obj, ...] = ()
    virtual_services: tuple[Obj, ...] = ()
    destination_rules: tuple[Obj, ...] = ()
    service_entries: tuple[Obj, ...] = ()
    gateways: tuple[Obj, ...] = ()
    api_gateways: tuple[Obj, ...] = ()  # of the Gateway API

    def workloads(self, namespaces: Iterable[str]) -> list[Workload]:
        """The workloads of some namespaces, sorted. Finished pods do not count."""
        wanted = set(namespaces)
        labels: dict[tuple[str, str], Mapping[str, str]] = {}
        pods: dict[tuple[str, str], list[Obj]] = {}
        for deployment in self.deployments:
            key = namespace_of(deployment), name_of(deployment)
            if key[0] in wanted:
                labels[key] = deployment["spec"]["template"].get("metadata", {}).get("labels") or {}
        for pod in self.pods:
            if namespace_of(pod) not in wanted or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                continue
            key = namespace_of(pod), workload_of(pod, self.deployments)
            labels.setdefault(key, labels_of(pod))
            pods.setdefault(key, []).append(pod)
        return [
            Workload(
                namespace=key[0],
                name=key[1],
                labels=labels[key],
                pods=len(pods.get(key, ())),
                without_sidecar=tuple(sorted(name_of(pod) for pod in pods.get(key, ()) if not has_sidecar(pod))),
                is_gateway=is_gateway(labels[key]),
                is_waypoint=is_waypoint(labels[key]),
                is_ambient=any(is_captured(pod) for pod in pods.get(key, ())),
            )
            for key in sorted(labels)
        ]

    def is_ambient(self, namespace: str) -> bool:
        return self.namespaces.get(namespace, {}).get("istio.io/dataplane-mode") == "ambient"

    def service(self, namespace: str, name: str) -> Obj | None:
        for service in self.services:
            if name_of(service) == name and namespace_of(service) == namespace:
                return service
        return None


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Obj) -> str:
    return str(obj["metadata"].get("namespace") or "")


def labels_of(obj: Obj) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def canonical(labels: Mapping[str, str]) -> tuple[str, str]:
    """Istio's canonical service and revision of a workload's labels: the names that the metrics carry."""
    app = labels.get("service.istio.io/canonical-name") or labels.get("app.kubernetes.io/name") or labels.get("app", "")
    version = (
        labels.get("service.istio.io/canonical-revision")
        or labels.get("app.kubernetes.io/version")
        or labels.get("version")
    )
    return app, version or ("latest" if app else "")


def is_gateway(labels: Mapping[str, str]) -> bool:
    """Is it one of Istio's own gateways?"""
    return (
        labels.get("operator.istio.io/component") == "IngressGateways"
        or labels.get("istio", "").endswith("ingressgateway")
        or labels.get("istio") == "ingress"
    )


def is_waypoint(labels: Mapping[str, str]) -> bool:
    """Is it a waypoint proxy of the ambient mesh? By Istio's label, or by the name of its Gateway, as Kiali does."""
    by_name = "waypoint" in labels.get("gateway.networking.k8s.io/gateway-name", "").lower()
    return labels.get("gateway.istio.io/managed") == "istio.io-mesh-controller" or by_name


def is_captured(pod: Obj) -> bool:
    """Does the ambient mesh carry the traffic of a pod?"""
    annotations = pod["metadata"].get("annotations") or {}
    return bool(annotations.get("ambient.istio.io/redirection") == "enabled")


def workload_of(pod: Obj, deployments: Iterable[Obj]) -> str:
    """The name of the workload of a pod, as Istio finds it: the Deployment behind the ReplicaSet, or else the owner."""
    labels = labels_of(pod)
    for owner in pod["metadata"].get("ownerReferences") or ():
        if not owner.get("controller"):
            continue
        name, suffix = str(owner["name"]), labels.get("pod-template-hash")
        if owner.get("kind") == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
            return name[: -len(suffix) - 1]
        if owner.get("kind") != "ReplicaSet":
            return name
    for deployment in deployments:
        wanted = deployment["spec"].get("selector", {}).get("matchLabels") or {}
        if namespace_of(deployment) == namespace_of(pod) and wanted and wanted.items() <= dict(labels).items():
            return name_of(deployment)
    return name_of(pod)


def has_sidecar(pod: Obj) -> bool:
    """A proxy among the containers; newer Kubernetes keeps it among the init containers (native sidecars)."""
    spec = pod.get("spec", {})
    return any(
        container.get("name") == PROXY for key in ("containers", "initContainers") for container in spec.get(key) or ()
    )


def injected(labels: Mapping[str, str]) -> bool:
    """Do new pods of a namespace with these labels get a sidecar?"""
    return labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels


def full_host(host: str, namespace: str) -> str:
    """The full name of a host in an Istio object of that namespace: short names are completed, others stay."""
    return f"{host}.{namespace}.svc.cluster.local" if "." not in host and host not in ("", "*") else host


def is_host_of(host: str, object_namespace: str, namespace: str, service: str) -> bool:
    """Does a host, written in an object of one namespace, mean this service?"""
    full, wanted = full_host(host, object_namespace), f"{service}.{namespace}.svc.cluster.local"
    if full.startswith("*"):
        return full != "*" and wanted.endswith(full[1:])
    return full in (wanted, f"{service}.{namespace}", f"{service}.{namespace}.svc")
