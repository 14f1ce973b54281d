"""Pods that stand for processes of pocket's own, as a kubelet's mirror pods stand for static ones.

Prometheus and what answers in istiod's place are no pods here, but programs look for them as such: `kubectl
port-forward service/prometheus` wants a pod behind the Service, istioctl wants pods `app=istiod`.
https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pocket import credentials
from pocket.mesh.model import PodEndpoint
from pocket.objects import MIRROR, Obj, annotations_of, name_of, namespace_of
from pocket.schemas import kubernetes
from pocket.settings import NODE, Settings
from pocket.sockets import Address

NAMESPACE = "istio-system"
XDS, MONITORING = 15012, 15014  # istiod's ports (https://istio.io/latest/docs/ops/deployment/application-requirements/)


@dataclass(frozen=True)
class StandIn:
    """One of them."""

    name: str
    labels: Mapping[str, str]
    ports: Mapping[str, int]  # what the pod calls them
    addresses: Mapping[int, Address]  # where the API server finds them
    log: Path
    listens: Mapping[int, int] = field(default_factory=dict)  # where Envoys find them, on loopback
    authorization: str = field(default="", repr=False)  # the header that is asked for there


def all_of(settings: Settings) -> tuple[StandIn, ...]:
    """Every stand-in of a pocket."""
    return (
        StandIn(
            f"prometheus-{NODE}",
            {"app.kubernetes.io/name": "prometheus"},
            {"http": 9090},
            {9090: settings.prometheus_socket},
            settings.logs / "prometheus.log",
            {9090: settings.prometheus_port},
            credentials.prometheus_authorization(settings),
        ),
        StandIn(
            f"istiod-{NODE}",
            {"app": "istiod", "istio": "pilot", "istio.io/rev": "default"},
            {"tls-xds": XDS, "http-monitoring": MONITORING},
            {XDS: settings.istiod_socket(XDS), MONITORING: settings.istiod_socket(MONITORING)},
            settings.logs / "control.log",
        ),
    )


def find(settings: Settings, pod: Obj) -> StandIn | None:
    """Whom a pod stands for, if it does."""
    if MIRROR not in annotations_of(pod) or namespace_of(pod) != NAMESPACE:
        return None
    return next((entry for entry in all_of(settings) if entry.name == name_of(pod)), None)


def pod(entry: StandIn, image: str = "pocket") -> Obj:
    """The object."""
    container = entry.name.removesuffix(f"-{NODE}")
    running = {"running": {"startedAt": None}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": entry.name,
            "namespace": NAMESPACE,
            "labels": dict(entry.labels),
            "annotations": {MIRROR: container, "kubernetes.io/config.source": "file"},
        },
        "spec": {
            "nodeName": NODE,
            "containers": [
                {
                    "name": container,
                    "image": image,
                    "ports": [{"name": name, "containerPort": number} for name, number in entry.ports.items()],
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "hostIP": "127.0.0.1",
            "conditions": [
                {"type": name, "status": "True"} for name in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [
                {"name": container, "image": image, "imageID": "", "ready": True, "restartCount": 0, "started": True,
                 "state": running}
            ],
        },
    }  # fmt: skip


def endpoint(entry: StandIn) -> PodEndpoint:
    """As Services find it. What listens on a Unix socket is reached through the API server only."""
    return PodEndpoint(
        entry.name,
        NAMESPACE,
        entry.labels,
        entry.name.removesuffix(f"-{NODE}"),
        entry.listens,
        entry.ports,
        has_sidecar=False,
        authorization=entry.authorization,
    )


def istio_version() -> str:
    """The version of Istio whose API pocket has: `1.31.4`."""
    return kubernetes.module_version("istio.io/api")
