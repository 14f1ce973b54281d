"""Events: what `kubectl describe` shows at the end. The same event again counts up instead of filling the store."""

from __future__ import annotations

import logging
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import Literal

from pocket.kinds.event import moment_of
from pocket.objects import Obj, name_of, namespace_of
from pocket.store import NotFound, Store, now

LIFETIME = timedelta(hours=1)  # as in Kubernetes: kube-apiserver --event-ttl

_LOG = logging.getLogger(__name__)

_REMEMBERED = 4096  # different events that may count up


class EventRecorder:
    """Writes Events in the name of one component (`kubelet`, `deployment-controller`)."""

    def __init__(self, store: Store, component: str, host: str = "") -> None:
        self._store = store
        self._component = component
        self._host = host
        self._names: dict[tuple[str, str, str, str, str], str] = {}

    def event(
        self, obj: Obj, kind: Literal["Normal", "Warning"], reason: str, message: str, field_path: str = ""
    ) -> None:
        """Say what happened to `obj`. One with the same words counts up.

        An Event is a remark: where it cannot be stored (a full disk), it goes to the log and work goes on.
        """
        try:
            self._write(obj, kind, reason, message, field_path)
        except sqlite3.Error as error:
            _LOG.error("%s: %s: %s (not stored as an Event: %s)", name_of(obj), reason, message, error)

    def _write(self, obj: Obj, kind: str, reason: str, message: str, field_path: str) -> None:
        meta = obj["metadata"]
        identity = (str(meta.get("uid", "")), kind, reason, message, field_path)
        # As in Kubernetes: the time in the name keeps them in order where a second is too coarse.
        name = self._names.pop(identity, None) or f"{name_of(obj)}.{time.time_ns():x}"
        self._names[identity] = name
        if len(self._names) > _REMEMBERED:
            del self._names[next(iter(self._names))]
        namespace = namespace_of(obj) or "default"
        moment = now()

        def again(event: Obj) -> None:
            event["count"] = int(event.get("count", 1)) + 1
            event["lastTimestamp"] = moment

        try:
            self._store.modify("Event", namespace, name, again)
            return
        except NotFound:
            pass  # it is the first one
        involved = {
            "kind": obj["kind"],
            "apiVersion": obj.get("apiVersion", "v1"),
            "name": name_of(obj),
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if namespace_of(obj):
            involved["namespace"] = namespace
        if field_path:
            involved["fieldPath"] = field_path
        self._store.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "reason": reason,
                "message": message,
                "type": kind,
                "count": 1,
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "eventTime": None,
                "source": {"component": self._component, **({"host": self._host} if self._host else {})},
                "reportingComponent": self._component,
                "reportingInstance": self._host,
            }
        )


def forget_old(store: Store) -> int:
    """Remove Events that are older than an hour; returns how many."""
    limit = (datetime.now(UTC) - LIFETIME).strftime("%Y-%m-%dT%H:%M:%SZ")
    old = [event for event in store.list("Event") if moment_of(event) < limit]
    for event in old:
        store.delete("Event", namespace_of(event), name_of(event))
    return len(old)
