"""The lease of the node, which `kubectl describe node` looks at: made when somebody asks.

On a real cluster the kubelet renews it every ten seconds, as a sign of life. Here the kubelet lives in the process that
answers, so the lease has always just been renewed.
"""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from pocket.api import errors, selectors, tables, watching
from pocket.api import web as w
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.objects import Obj, name_of, uid_of

NAMESPACE = "kube-node-lease"
_SECONDS = 40  # how long a lease holds (kubelet: nodeLeaseDurationSeconds)


def handle(request: web.Request, target: Target, registry: Registry) -> web.Response:
    """Answer a request. Raises ApiError."""
    if request.method != "GET" or w.flag(request, "watch"):
        raise errors.method_not_allowed()
    chosen = selectors.predicate(
        target.kind, request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    )
    moment = datetime.now(UTC)
    found = [lease(node, moment) for node in registry.store.list("Node") if target.namespace in (None, NAMESPACE)]
    found = [obj for obj in found if target.name in (None, name_of(obj)) and (chosen is None or chosen(obj))]
    if target.name is not None and not found:
        raise errors.not_found(target.kind, target.name)
    if w.accept(request).form == "table":
        return w.answer(tables.table(target.kind, found, watching.included(request), ""))
    if target.name is not None:
        return w.answer(found[0])
    return w.answer({"kind": "LeaseList", "apiVersion": target.api_version, "metadata": {}, "items": found})


def lease(node: Obj, moment: datetime) -> Obj:
    """The lease that a node has at a moment. Pure."""
    return {
        "kind": "Lease",
        "apiVersion": "coordination.k8s.io/v1",
        "metadata": {
            "name": name_of(node),
            "namespace": NAMESPACE,
            "uid": uid_of(node),
            "creationTimestamp": node["metadata"]["creationTimestamp"],
        },
        "spec": {
            "holderIdentity": name_of(node),
            "leaseDurationSeconds": _SECONDS,
            "renewTime": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
