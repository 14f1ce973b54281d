"""`kubectl top`: the API metrics.k8s.io/v1beta1, which metrics-server brings to a real cluster."""

from __future__ import annotations

from aiohttp import web

from pocket.api import errors, selectors, tables, watching
from pocket.api import web as w
from pocket.api.contracts import Figures, PodRuntime, Usage
from pocket.api.registry import Registry
from pocket.api.target import Target
from pocket.kinds import strategy
from pocket.objects import Obj, labels_of, name_of, namespace_of, uid_of


class Metrics:
    """Handlers of NodeMetrics and PodMetrics."""

    def __init__(self, registry: Registry, runtime: PodRuntime) -> None:
        self._registry = registry
        self._runtime = runtime

    async def handle(self, request: web.Request, target: Target) -> web.Response:
        """Answer a request. Raises ApiError."""
        if request.method != "GET" or w.flag(request, "watch"):
            raise errors.method_not_allowed()
        labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        chosen = selectors.predicate(target.kind, labels, fields)
        found = await (self._pods(target) if target.kind.namespaced else self._nodes(target))
        items = [item for item in found if chosen is None or chosen(item)]
        if target.name is not None:
            if not items:
                raise errors.not_found(target.kind, target.name)
            items, single = items[:1], items[0]
        else:
            single = {
                "kind": f"{target.kind.name}List", "apiVersion": target.api_version, "metadata": {}, "items": items,
            }  # fmt: skip
        if w.accept(request).form == "table":
            return w.answer(tables.table(strategy(target.kind).columns, items, watching.included(request), {}))
        return w.answer(single)

    async def _pods(self, target: Target) -> list[Obj]:
        pods = self._registry.store.list("Pod", target.namespace)
        pods = [pod for pod in pods if target.name in (None, name_of(pod))]
        figures = await self._runtime.usage(pods)
        return [_pod_metrics(pod, figures[uid_of(pod)]) for pod in pods if uid_of(pod) in figures]

    async def _nodes(self, target: Target) -> list[Obj]:
        nodes = self._registry.store.list("Node")
        figures = self._runtime.machine_usage()
        if figures is None:
            return []
        (usage,) = figures.containers.values()
        found = [node for node in nodes if target.name in (None, name_of(node))]
        return [{**_head("NodeMetrics", node, figures), "usage": quantities(usage)} for node in found]


def _pod_metrics(pod: Obj, figures: Figures) -> Obj:
    containers = [{"name": name, "usage": quantities(usage)} for name, usage in figures.containers.items()]
    return {**_head("PodMetrics", pod, figures), "containers": containers}


def _head(kind: str, obj: Obj, figures: Figures) -> Obj:
    moment = figures.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
    meta: Obj = {"name": name_of(obj), "creationTimestamp": moment}
    if namespace := namespace_of(obj):
        meta["namespace"] = namespace
    if labels := labels_of(obj):
        meta["labels"] = labels
    return {
        "kind": kind,
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": meta,
        "timestamp": moment,
        "window": f"{figures.window:.3f}s",
    }


def quantities(usage: Usage) -> Obj:
    """As metrics-server writes them: nanocores and KiB."""
    return {"cpu": f"{round(usage.cpu * 1e9)}n", "memory": f"{usage.memory // 1024}Ki"}
