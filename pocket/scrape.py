"""What Prometheus scrapes: from ServiceMonitors, Services and pods to targets. Pure.

Targets reach Prometheus in files (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config),
so that neither a change of pods nor a new ServiceMonitor needs a reload: path and interval travel with each target
in the labels `__metrics_path__` and `__scrape_interval__`, as Prometheus' relabelling allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pocket.mesh.model import PodEndpoint, Proxy
from pocket.objects import Obj, labels_of, matches, name_of, namespace_of

TargetGroup = dict[str, Any]

DEFAULT_INTERVAL = "30s"
DEFAULT_TIMEOUT = "10s"


def sidecar_targets(proxies: Iterable[Proxy]) -> list[TargetGroup]:
    """One target for each Envoy of the mesh: Istio's standard metrics."""
    return [
        {
            "targets": [f"127.0.0.1:{proxy.metrics_port}"],
            "labels": {"namespace": proxy.namespace, "pod": proxy.name},
        }
        for proxy in sorted(proxies, key=lambda proxy: proxy.id)
        if proxy.metrics_port
    ]


def monitored_targets(
    monitors: Sequence[Obj], services: Sequence[Obj], endpoints: Sequence[PodEndpoint]
) -> list[TargetGroup]:
    """One target for each pod and port that a ServiceMonitor asks for, with the operator's labels.

    The rules are the Prometheus operator's: a ServiceMonitor selects Services by their labels, in its own namespace
    unless `namespaceSelector` says otherwise; `port` is the name of a Service's port
    (https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ServiceMonitor).
    """
    groups: dict[tuple[str, str], TargetGroup] = {}
    for monitor in monitors:
        for service in services:
            if not _selects(monitor, service):
                continue
            pods = [
                pod
                for pod in endpoints
                if pod.ready
                and pod.namespace == namespace_of(service)
                and matches(service["spec"].get("selector"), pod.labels)
            ]
            for endpoint in monitor["spec"].get("endpoints") or ():
                for pod in pods:
                    target = _target(monitor, service, endpoint, pod)
                    if target:
                        address, path = target["targets"][0], target["labels"]["__metrics_path__"]
                        groups.setdefault((address, path), target)
    return [groups[key] for key in sorted(groups)]


def _selects(monitor: Obj, service: Obj) -> bool:
    spec = monitor["spec"]
    where = spec.get("namespaceSelector") or {}
    names = where.get("matchNames") or [namespace_of(monitor)]
    if not where.get("any") and namespace_of(service) not in names:
        return False
    selector = spec.get("selector") or {}
    labels = labels_of(service)
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case other:
            raise ValueError(f"{other}: no operator of a label selector")  # admission lets none through


def _target(monitor: Obj, service: Obj, endpoint: Mapping[str, Any], pod: PodEndpoint) -> TargetGroup | None:
    container_port = _container_port(service, endpoint, pod)
    if container_port is None or container_port not in pod.ports or container_port in pod.sockets:
        return None  # Prometheus reads no Unix sockets
    spec = monitor["spec"]
    labels = {
        "namespace": pod.namespace,
        "service": name_of(service),
        "pod": pod.name,
        "endpoint": str(endpoint.get("port") or endpoint.get("targetPort")),
        "job": labels_of(service).get(spec.get("jobLabel") or "", name_of(service)),
        "__metrics_path__": endpoint.get("path") or "/metrics",
        "__scrape_interval__": endpoint.get("interval") or DEFAULT_INTERVAL,
        "__scrape_timeout__": endpoint.get("scrapeTimeout") or DEFAULT_TIMEOUT,
    }
    if str(endpoint.get("scheme") or "").lower() == "https":
        labels["__scheme__"] = "https"
    for name in spec.get("targetLabels") or ():
        if name in labels_of(service):
            labels[_label(name)] = labels_of(service)[name]
    for name in spec.get("podTargetLabels") or ():
        if name in pod.labels:
            labels[_label(name)] = pod.labels[name]
    return {"targets": [f"{pod.address}:{pod.ports[container_port]}"], "labels": labels}


def _container_port(service: Obj, endpoint: Mapping[str, Any], pod: PodEndpoint) -> int | None:
    wanted: int | str | None = endpoint.get("targetPort")
    if endpoint.get("port"):
        for port in service["spec"].get("ports") or ():
            if port.get("name") == endpoint["port"]:
                wanted = port.get("targetPort") or port["port"]
    if isinstance(wanted, str):
        return pod.port_names.get(wanted)
    return wanted


def _label(name: str) -> str:
    """A Kubernetes label as a Prometheus label: what is no letter, digit or underscore becomes an underscore."""
    return "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in name)
