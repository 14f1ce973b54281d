"""Finds Prometheus through the Kubernetes API."""

from __future__ import annotations

import os

from graph.kubernetes import Kubernetes


def prometheus(api: Kubernetes, namespace: str) -> str | None:
    """Where the Service `prometheus` of a namespace is reached from here; None where nothing stands behind it.

    From inside a cluster every pod can be reached; from outside the API server passes on what it is asked.
    """
    found = api.get(f"/api/v1/namespaces/{namespace}/endpoints/prometheus") or {}
    for subset in found.get("subsets") or ():
        for address in subset.get("addresses") or ():
            for port in subset.get("ports") or ():
                if "KUBERNETES_SERVICE_HOST" in os.environ:
                    return f"http://{address['ip']}:{port['port']}"
                # By the port's name: its number is the Service's there, and the pod's here.
                service = f"http:prometheus:{port.get('name', '')}".rstrip(":")
                return f"{api.access.server}/api/v1/namespaces/{namespace}/services/{service}/proxy"
    return None
