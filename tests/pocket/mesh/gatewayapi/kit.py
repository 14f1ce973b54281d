"""Gateway API objects for tests, as short as they can be."""

from __future__ import annotations

from typing import Any

from pocket.mesh.model import PodEndpoint
from pocket.objects import Obj
from tests.pocket.mesh.kit import NS, pod

GROUP = "gateway.networking.k8s.io"


def api(kind: str, name: str, spec: Obj, namespace: str | None = NS, **metadata: Any) -> Obj:
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **metadata}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta, "spec": spec}


def ingress(*ports: int) -> Obj:
    """The Service of the ingress gateway."""
    listed = [{"name": f"p{port}", "port": port, "targetPort": 8000 + port} for port in ports or (80,)]
    meta = {"name": "istio-ingressgateway", "namespace": "istio-system"}
    spec = {"selector": {"istio": "ingressgateway"}, "ports": listed}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def ingress_pod(*ports: int) -> PodEndpoint:
    labels = {"istio": "ingressgateway"}
    listening = {8000 + port: 31000 + port for port in ports or (80,)}
    return pod("gateway", namespace="istio-system", labels=labels, ports=listening)


def gateway_of(*listeners: Obj, name: str = "gw", namespace: str = "istio-system", **spec: Any) -> Obj:
    """One that is bound to the ingress gateway's Service."""
    addresses = [{"type": "Hostname", "value": "istio-ingressgateway"}]
    whole = {"gatewayClassName": "istio", "addresses": addresses, "listeners": list(listeners), **spec}
    return api("Gateway", name, whole, namespace)


def listener(name: str = "http", port: int = 80, protocol: str = "HTTP", **more: Any) -> Obj:
    everybody = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    return {"name": name, "port": port, "protocol": protocol, **everybody, **more}


def to_gateway(name: str = "gw", **more: Any) -> Obj:
    return {"name": name, "namespace": "istio-system", **more}


def to_service(name: str = "s2", **more: Any) -> Obj:
    return {"group": "", "kind": "Service", "name": name, **more}


def route(*rules: Obj, name: str = "r", parents: list[Obj] | None = None, kind: str = "HTTPRoute", **more: Any) -> Obj:
    namespace, created = more.pop("namespace", NS), more.pop("created", "2026-01-01T00:00:00Z")
    spec = {"parentRefs": parents or [to_gateway()], "rules": list(rules), **more}
    return api(kind, name, spec, namespace, creationTimestamp=created)


def backend(name: str = "s2", port: int = 30001, **more: Any) -> Obj:
    return {"name": name, "port": port, **more}


def rule(*backends: Obj, path: str | None = None, **more: Any) -> Obj:
    matches = {"matches": [{"path": {"type": "PathPrefix", "value": path}}]} if path else {}
    return {**matches, "backendRefs": list(backends or (backend(),)), **more}


def grant(kind: str = "HTTPRoute", source: str = NS, namespace: str = "other", to: str = "Service", **more: Any) -> Obj:
    spec = {"from": [{"group": GROUP, "kind": kind, "namespace": source}], "to": [{"group": "", "kind": to, **more}]}
    return api("ReferenceGrant", "grant", spec, namespace)
