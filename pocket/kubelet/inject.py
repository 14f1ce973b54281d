"""Which pods get an Envoy, and what that adds to the pod. Pure.

The labels and annotations are Istio's: https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/
and, for gateways, https://istio.io/latest/docs/setup/additional-setup/gateway/
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

from pocket.objects import Obj, annotations_of, labels_of

PROXY = "istio-proxy"
IMAGE = "docker.io/istio/proxyv2:pocket"
"""What `kubectl describe` shows for an Envoy of pocket's; nothing is fetched from there."""

SERVICES = ".services"
"""The Envoy of a pod without sidecar, which stands for kube-proxy and cluster DNS. No container can have that name."""

ENVOYS = (PROXY, SERVICES)

NAMES_ONLY = ("istio-system", "kube-system")
"""Namespaces whose pods find Services by their NAME_SERVICE_HOST alone: they are part of the cluster itself, and an
Envoy costs 20 MiB."""

_STATUS = "sidecar.istio.io/status"
_INJECT = "sidecar.istio.io/inject"
_TEMPLATES = "inject.istio.io/templates"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

Mode = Literal["sidecar", "gateway"]


def mode_of(pod: Obj, namespace_labels: Mapping[str, str]) -> Mode | None:
    """Is the pod an ingress gateway, does it get a sidecar, or neither?"""
    annotations = annotations_of(pod)
    if "gateway" in annotations.get(_TEMPLATES, "").split(","):
        return "gateway"
    wish = labels_of(pod).get(_INJECT, annotations.get(_INJECT))
    if wish is not None:
        return "sidecar" if wish == "true" else None
    return "sidecar" if namespace_labels.get("istio-injection") == "enabled" else None


def injected(pod: Obj, mode: Mode | None) -> Obj:
    """The pod with its Envoy as one of its containers. Done once: an injected pod stays as it is."""
    if mode is None or _STATUS in annotations_of(pod):
        return pod
    pod = copy.deepcopy(pod)
    containers = pod["spec"]["containers"]
    proxy = next((container for container in containers if container["name"] == PROXY), None)
    if proxy is None:
        proxy = {"name": PROXY, "image": IMAGE, "imagePullPolicy": "IfNotPresent"}
        containers.append(proxy)
    if proxy.get("image") in (None, "auto"):
        proxy["image"] = IMAGE
    annotations = pod["metadata"].setdefault("annotations", {})
    annotations[_STATUS] = f'{{"containers":["{PROXY}"]}}'
    annotations.setdefault(_DEFAULT_CONTAINER, containers[0]["name"])
    return pod


def is_injected(pod: Obj) -> bool:
    """Has `injected` been there?"""
    return _STATUS in annotations_of(pod)
