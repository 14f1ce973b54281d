"""Runs the controllers when something that they watch has changed, or when they asked to be called again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pocket.controllers import budgets, deployment, endpoints, garbage, job, namespace, node, replicaset
from pocket.kinds import strategy
from pocket.kubelet.events import EventRecorder
from pocket.mesh.model import PodEndpoint
from pocket.objects import kind_of
from pocket.store import Event, Store

_LOG = logging.getLogger(__name__)

_GATHER = 0.01  # seconds: changes that come together are dealt with together
_RETRY = 2.0  # seconds after a controller failed
_ROUNDS = 100  # steps in a row after which a controller that never comes to rest must wait


@dataclass
class _Controller:
    name: str
    watches: frozenset[str] | None  # None: everything that others should hear of
    reconcile: Callable[[], float | None]
    due: float = 0.0  # time.monotonic when it is to run; inf: when something changes
    failures: int = field(default=0)


class Controllers:
    """All of them. `endpoints` says which pods run and where (the kubelet's `pod_endpoints`)."""

    def __init__(self, store: Store, endpoints_now: Callable[[], Sequence[PodEndpoint]]) -> None:
        self._store = store
        self._wake = asyncio.Event()

        def recorder(component: str) -> EventRecorder:
            return EventRecorder(store, component)

        of_deployments, of_sets, of_jobs = map(
            recorder, ("deployment-controller", "replicaset-controller", "job-controller")
        )
        self._controllers = [
            _controller("namespaces", namespace.WATCHES, lambda: namespace.reconcile(store)),
            _controller("garbage", garbage.WATCHES, lambda: garbage.reconcile(store)),
            _controller("deployments", deployment.WATCHES, lambda: deployment.reconcile(store, of_deployments)),
            _controller("replicasets", replicaset.WATCHES, lambda: replicaset.reconcile(store, of_sets)),
            _controller("jobs", job.WATCHES, lambda: job.reconcile(store, of_jobs)),
            _controller("endpoints", endpoints.WATCHES, lambda: endpoints.reconcile(store, endpoints_now)),
            _controller("budgets", budgets.WATCHES, lambda: budgets.reconcile(store)),
            _controller("node", node.WATCHES, lambda: node.reconcile(store)),
        ]
        store.listen(self._heard)

    async def run(self) -> None:
        """Without end."""
        while True:
            self.step()
            next_due = min(controller.due for controller in self._controllers)
            wait = max(next_due - time.monotonic(), _GATHER)
            try:
                async with asyncio.timeout(wait if wait != float("inf") else None):
                    await self._wake.wait()
            except TimeoutError:
                pass  # a controller asked for it
            await asyncio.sleep(_GATHER)
            self._wake.clear()

    def step(self) -> None:
        """Run every controller that is due; those that change something for each other come again."""
        for _ in range(_ROUNDS):
            due = [controller for controller in self._controllers if controller.due <= time.monotonic()]
            if not due:
                return
            for controller in due:
                controller.due = float("inf")
                try:
                    wait = controller.reconcile()
                    controller.failures = 0
                except Exception:
                    # One controller's trouble (a full disk, an odd object) is not the others'.
                    _LOG.exception("controller %s failed; it tries again", controller.name)
                    controller.failures += 1
                    wait = min(_RETRY * controller.failures, 60.0)
                if wait is not None:
                    controller.due = min(controller.due, time.monotonic() + wait)

    def _heard(self, event: Event) -> None:
        kind = kind_of(event.object)
        everybodys = strategy(kind).watched
        for controller in self._controllers:
            if everybodys if controller.watches is None else kind in controller.watches:
                controller.due = 0.0
                self._wake.set()


def _controller(name: str, watches: Sequence[str] | None, reconcile: Callable[[], float | None]) -> _Controller:
    return _Controller(name, None if watches is None else frozenset(watches), reconcile)
