"""Lists: the namespaces, and the servers that are asked with their versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graph.cluster import injected, name_of
from graph.errors import Advice, GraphError
from graph.servers import Servers

Json = dict[str, Any]


def namespaces(servers: Servers, now: float) -> list[Json]:
    """As Kiali lists them. Without the Kubernetes API: those that the metrics tell of."""
    try:
        found = [(name_of(item), item["metadata"]) for item in servers.kubernetes().namespaces()]
    except GraphError as error:
        servers.forget_kubernetes(error)
        return [_namespace(servers.settings.cluster_name, name, {}, None) for name in _seen_namespaces(servers, now)]
    return [
        _namespace(servers.settings.cluster_name, name, metadata, injected(metadata.get("labels") or {}))
        for name, metadata in found
    ]


def _seen_namespaces(servers: Servers, now: float) -> list[str]:
    prometheus = servers.prometheus()
    names = {
        name
        for label in ("destination_workload_namespace", "source_workload_namespace")
        for name in prometheus.label_values(label, "istio_requests_total", now - 3600, now)
    }
    return sorted(names - {"unknown", ""})


def versions_of_servers(servers: Servers) -> tuple[list[Json], list[Advice]]:
    """The servers that this one asks, with their versions, and what is wrong with them."""
    questions: dict[str, Callable[[], tuple[str, str | None]]] = {
        "Prometheus": lambda: (servers.prometheus().version(), servers.prometheus().url),
        "Kubernetes": lambda: (servers.kubernetes().version(), servers.kubernetes().access.server),
    }
    found: list[Json] = []
    advice = []
    for name, ask in questions.items():
        try:
            version, url = ask()
            found.append({"name": name, "version": version, "url": url})
        except GraphError as error:
            advice.append(error.advice)
            if name == "Kubernetes":
                servers.forget_kubernetes(error)
    return found, advice


def _namespace(cluster: str, name: str, metadata: Mapping[str, Any], injection: bool | None) -> Json:
    return {
        "name": name,
        "cluster": cluster,
        "isAmbient": False,
        "labels": metadata.get("labels") or {},
        "annotations": metadata.get("annotations") or {},
        "c756": {"injection": injection},
    }
