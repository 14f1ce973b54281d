"""Endpoints and EndpointSlices: which pods are behind a Service.

On pocket every pod has ports of its own on the one address, so each pod is a subset, and a slice, of its own.
https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pocket.controllers import common
from pocket.mesh.model import PodEndpoint
from pocket.objects import TERMINAL, Obj, is_ready, labels_of, matches, name_of, namespace_of, uid_of
from pocket.settings import NODE
from pocket.store import NotFound, Store

WATCHES = ("Service", "Pod", "Endpoints", "EndpointSlice", "Namespace")

_MANAGED = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"
_SERVICE = "kubernetes.io/service-name"


def ports_of(service: Obj, pod: PodEndpoint) -> list[Obj]:
    """Where the pod serves each port of the Service; without the ports that it does not have. Pure."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort") or port["port"]
        number = pod.port_names.get(target) if isinstance(target, str) else int(target)
        if number is not None and number in pod.ports:
            entry = {"port": pod.ports[number], "protocol": port.get("protocol", "TCP")}
            if port.get("name"):
                entry["name"] = port["name"]
            if port.get("appProtocol"):
                entry["appProtocol"] = port["appProtocol"]
            found.append(entry)
    return found


def decide(service: Obj, pods: Sequence[Obj], running: Sequence[PodEndpoint]) -> tuple[Obj, list[Obj]]:
    """The Endpoints object and the EndpointSlices of a Service with a selector. Pure."""
    name, namespace = name_of(service), namespace_of(service)
    known = {(endpoint.namespace, endpoint.name): endpoint for endpoint in running}
    subsets, slices = [], []
    for pod in sorted(pods, key=name_of):
        endpoint = known.get((namespace or "", name_of(pod)))
        if endpoint is None or not matches(service["spec"].get("selector"), labels_of(pod)):
            continue
        if (pod.get("status") or {}).get("phase") in TERMINAL:
            continue
        ports = ports_of(service, endpoint)
        if not ports:
            continue
        reference = {"kind": "Pod", "name": name_of(pod), "namespace": namespace, "uid": uid_of(pod)}
        going = bool(pod["metadata"].get("deletionTimestamp"))
        ready = is_ready(pod) or bool(service["spec"].get("publishNotReadyAddresses"))
        address = {"ip": endpoint.address, "nodeName": NODE, "targetRef": reference}
        if not going:
            subsets.append({("addresses" if ready else "notReadyAddresses"): [address], "ports": ports})
        slices.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-{uid_of(pod)[:5]}",
                    "namespace": namespace,
                    "labels": {_SERVICE: name, _MANAGED: _MANAGER},
                    "ownerReferences": [common.owner_reference(service)],
                },
                "addressType": "IPv4",
                "endpoints": [
                    {
                        "addresses": [endpoint.address],
                        "conditions": {"ready": ready and not going, "serving": ready, "terminating": going},
                        "nodeName": NODE,
                        "targetRef": reference,
                    }
                ],
                # A name is never absent in a slice: kubectl describe relies on it.
                "ports": [{"name": "", **port} for port in ports],
            }
        )
    endpoints: Obj = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, "namespace": namespace, "labels": labels_of(service)},
    }
    if subsets:
        endpoints["subsets"] = subsets
    return endpoints, slices


def reconcile(store: Store, running: Callable[[], Sequence[PodEndpoint]]) -> float | None:
    """Bring Endpoints and EndpointSlices of all Services up to date."""
    now = list(running())
    wanted_slices: set[tuple[str | None, str]] = set()
    services = store.list("Service")
    namespaces = {name_of(namespace): namespace for namespace in store.list("Namespace")}
    for service in services:
        namespace = namespace_of(service)
        if not service["spec"].get("selector") or common.is_terminating(namespaces, namespace):
            continue  # somebody else writes its endpoints
        endpoints, slices = decide(service, store.list("Pod", namespace), now)
        for obj in (endpoints, *slices):
            _put(store, obj)
        wanted_slices |= {(namespace, name_of(entry)) for entry in slices}
    for entry in store.list("EndpointSlice", labels={_MANAGED: _MANAGER}):
        if (namespace_of(entry), name_of(entry)) not in wanted_slices:
            common.delete(store, entry)
    names = {(namespace_of(service), name_of(service)) for service in services}
    for entry in store.list("Endpoints"):
        if (namespace_of(entry), name_of(entry)) not in names:
            common.delete(store, entry)  # a Service takes its Endpoints along
    return None


def _put(store: Store, obj: Obj) -> None:
    """Create it, or replace its content where that differs."""
    content = {key: value for key, value in obj.items() if key not in ("metadata", "apiVersion", "kind")}

    def change(stored: Obj) -> None:
        for key in set(stored) - {"metadata", "apiVersion", "kind"}:
            del stored[key]
        stored.update(content)
        if obj["metadata"]["labels"]:
            stored["metadata"]["labels"] = obj["metadata"]["labels"]

    try:
        store.modify(str(obj["kind"]), namespace_of(obj), name_of(obj), change)
    except NotFound:
        store.create(obj)
