"""Finds Prometheus through the Kubernetes API."""

from __future__ import annotations

import ipaddress
import os

from graph.kubernetes import Kubernetes


def prometheus(api: Kubernetes, namespace: str) -> str | None:
    """The address behind the Service `prometheus` of a namespace, if it can be reached from here; None otherwise.

    From inside a cluster every pod can be reached; from outside only what stands on this machine.
    """
    found = api.get(f"/api/v1/namespaces/{namespace}/endpoints/prometheus") or {}
    for subset in found.get("subsets") or ():
        for address in subset.get("addresses") or ():
            for port in subset.get("ports") or ():
                if reachable(str(address["ip"])):
                    return f"http://{address['ip']}:{port['port']}"
    return None


def reachable(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback or "KUBERNETES_SERVICE_HOST" in os.environ
