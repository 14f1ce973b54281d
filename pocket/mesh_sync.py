"""Brings the state of the store into every Envoy, and tells when it is there: the shell around `mesh.translate`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from pocket.mesh.admin import Dead, validate
from pocket.mesh.deliver import Delivery, NotAcknowledged, Refused
from pocket.mesh.gatewayapi import convert as gatewayapi
from pocket.mesh.holds import Holds, blame, key_of
from pocket.mesh.model import PodEndpoint, Proxy, Snapshot, snapshot_of
from pocket.mesh.peers import PROMETHEUS
from pocket.mesh.translate import Translation, translate
from pocket.objects import Obj, kind_of
from pocket.parts import write_certificate, write_targets
from pocket.refusals import Report
from pocket.scrape import monitored_targets, sidecar_targets
from pocket.settings import Settings
from pocket.store import Event, Store

_LOG = logging.getLogger(__name__)

_KINDS = (
    "Namespace", "Service", "Endpoints", "Gateway", "VirtualService", "DestinationRule", "ServiceEntry", "Secret",
    *gatewayapi.KINDS,
    "PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication",
)  # fmt: skip
_WAKES = frozenset((*_KINDS, "ServiceMonitor"))


class Pods(Protocol):
    """What the mesh asks the kubelet."""

    def proxies(self) -> Sequence[Proxy]:
        """Every Envoy that runs now."""

    def pod_endpoints(self) -> Sequence[PodEndpoint]:
        """Every pod that runs now, ready or not."""


class MeshSync:
    """One per cluster. `sync()` is what the kubelet awaits before it calls a pod ready, or stops it."""

    def __init__(self, settings: Settings, store: Store, pods: Pods, delivery: Delivery, *, retry: float = 5.0) -> None:
        """`retry`: seconds between attempts where files cannot be written (a full disk)."""
        self._settings = settings
        self._retry = retry
        self._store = store
        self._pods = pods
        self._delivery = delivery
        self._asked = 0
        self._done = 0
        self._lock = asyncio.Lock()
        self._pushed: dict[str, Proxy] = {}  # who had the last push
        self._translation: Translation | None = None  # of the last push
        self._holds = Holds()
        self._report = Report(store, settings.home / "run" / "held.json")
        self._report.restore(self._holds)
        self._wake = asyncio.Event()
        store.listen(self._heard)

    def prepare(self, proxy: Proxy) -> None:
        """Have ready what an Envoy about to start will ask for. Raises OSError.

        The state of the last push will do: what is newer comes with the next one, which its pod waits for.
        """
        if self._translation is None:
            objects = self._holds.effective(self._objects())
            self._translation = Translation(snapshot_of(objects, self._pods.pod_endpoints()))
        self._delivery.prepare(proxy, self._translation.of(proxy))

    async def sync(self) -> None:
        """Push the present state everywhere; returns when every Envoy has taken it (or has said why not: logged).

        Calls that come while a push is under way share the next one.
        """
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._done >= mine:
                return
            covers = self._asked
            await self._push()
            self._done = covers

    async def run(self) -> None:
        """Let Envoys connect, and push whenever an object changes that routes or scrapes depend on."""
        async with self._delivery.listening():
            while True:
                # Not wait_for: until Python 3.12 it forgets a cancellation that comes together with the event.
                with contextlib.suppress(TimeoutError):  # then certificates are to be renewed
                    async with asyncio.timeout(self._delivery.identities.due()):
                        await self._wake.wait()
                self._wake.clear()
                try:
                    await self.sync()
                except OSError as error:  # what was not written is written then
                    _LOG.error("the mesh is not brought up to date: %s; again in %.0f s", error, self._retry)
                    await asyncio.sleep(self._retry)
                    self._wake.set()

    def snapshot(self) -> Snapshot:
        """The cluster as people have it now, for who judges what they write."""
        return snapshot_of(self._objects(), self._pods.pod_endpoints())

    def _objects(self) -> list[Obj]:
        return [obj for kind in _KINDS for obj in self._store.list(kind)]

    async def _push(self) -> None:
        """Until all Envoys have taken everything, but for the objects that are held back."""
        while True:
            objects = self._holds.effective(self._objects())
            refusals = await self._deliver(objects)
            if not refusals:
                self._holds.taken(objects)
                break
            if not await self._hold_back(objects, refusals[0]):
                for refused in refusals:
                    self._report.nobody(refused)
                break
        self._report.holds(self._holds)
        if self._translation is not None:
            self._report.statuses(self._translation.statuses)

    async def _hold_back(self, objects: Sequence[Obj], refused: Refused) -> bool:
        """Find which objects an Envoy refuses. False where it is none of them: a port that is taken, say."""
        suspects = self._holds.suspects(objects)
        others = self._holds.without(objects, suspects)
        pods = self._pods.pod_endpoints()

        async def objection(some: Sequence[Obj]) -> str | None:
            known = {key_of(obj) for obj in some}
            whole = [obj for obj in others if key_of(obj) not in known] + list(some)
            return await validate(refused.proxy, translate(snapshot_of(whole, pods), refused.proxy))

        guilty = [] if await objection([]) else await blame(suspects, objection)
        for obj, words in guilty:
            self._holds.hold(obj, words)
            self._report.refused(obj, refused.proxy, words)
        return bool(guilty)

    async def _deliver(self, objects: Sequence[Obj]) -> list[Refused]:
        snapshot = snapshot_of(objects, self._pods.pod_endpoints())
        proxies = list(self._pods.proxies())
        for gone in self._pushed.keys() - {proxy.id for proxy in proxies}:
            self._delivery.forget(self._pushed[gone])
        self._pushed = {proxy.id: proxy for proxy in proxies}
        self._delivery.identities.keep(self._pushed, PROMETHEUS)
        began = time.monotonic()
        translation = self._translation = Translation(snapshot)
        changed = self._delivery.write_all((proxy, translation.of(proxy)) for proxy in proxies)
        write_certificate(self._settings, self._delivery.identities.issue(PROMETHEUS))
        write_targets(self._settings, "sidecars.json", sidecar_targets(proxies))
        write_targets(
            self._settings,
            "servicemonitors.json",
            monitored_targets(self._store.list("ServiceMonitor"), snapshot.services, snapshot.endpoints),
        )
        refusals = []
        for result in await asyncio.gather(*map(self._delivery.acknowledged, proxies), return_exceptions=True):
            if isinstance(result, Dead):
                _LOG.info("%s", result)  # its pod has just ended
            elif isinstance(result, Refused):
                _LOG.error("%s", result)
                refusals.append(result)
            elif isinstance(result, NotAcknowledged):
                _LOG.error("%s", result)
            elif isinstance(result, BaseException):
                raise result
        if changed:
            seconds = time.monotonic() - began
            _LOG.info("in force: a change for %d of %d Envoys, after %.3f s", changed, len(proxies), seconds)
        return refusals

    def _heard(self, event: Event) -> None:
        if kind_of(event.object) in _WAKES:
            self._wake.set()
