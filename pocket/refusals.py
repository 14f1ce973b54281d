"""Tells people which of their objects an Envoy refuses: an event, `status.conditions`, and a file for our successor."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pocket.files import write_private
from pocket.kubelet.events import EventRecorder
from pocket.mesh.deliver import Refused
from pocket.mesh.gatewayapi.conditions import with_times
from pocket.mesh.holds import Holds, Key, key_of
from pocket.mesh.model import GATEWAY_API, Proxy
from pocket.objects import Obj
from pocket.store import NotFound, Store, now

_LOG = logging.getLogger(__name__)

CONDITION = "Reconciled"
"""The condition in which Istio says whether its proxies have an object
(https://istio.io/latest/docs/reference/config/config-status/)."""


class Report:
    """What is said about objects that are held back. One per cluster."""

    def __init__(self, store: Store, file: Path) -> None:
        """`file`: keeps what is held back, so that the next control process still knows the last good version."""
        self._store = store
        self._file = file
        self._events = EventRecorder(store, "istiod")
        self._told: set[Key] = set()

    def restore(self, holds: Holds) -> None:
        """Hold back what was held back before."""
        try:
            holds.restore(json.loads(self._file.read_text()))
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:  # then it is found out again
            _LOG.warning("%s cannot be read: %s", self._file, error)
        self._told = set(holds.held)

    def refused(self, obj: Obj, proxy: Proxy, words: str) -> None:
        """An Envoy does not take it."""
        message = f"the Envoy of {proxy.id} refuses it: {words}; the last version that it took stays in force"
        _LOG.error("%s %s/%s: %s", *key_of(obj), message)
        self._events.event(obj, "Warning", "Rejected", message)
        self._condition(key_of(obj), "False", "Rejected", message)
        self._told.add(key_of(obj))

    def nobody(self, refused: Refused) -> None:
        """An Envoy does not take something that is no object's fault."""
        pod = self._store.find("Pod", refused.proxy.namespace, refused.proxy.name)
        if pod is not None:
            self._events.event(pod, "Warning", "Rejected", str(refused))

    def holds(self, holds: Holds) -> None:
        """What is held back now, and what is no longer. Raises OSError."""
        text = json.dumps(holds.to_json()).encode()
        if (self._file.read_bytes() if self._file.exists() else b"[]") != text:
            write_private(self._file, text)
        for key in self._told - holds.held.keys():
            self._condition(key, "True", "Accepted", "every Envoy has it")
        self._told = set(holds.held)

    def statuses(self, statuses: Mapping[Key, Mapping[str, Any]]) -> None:
        """The status of each of these objects, where it is another one than before."""
        for (kind, namespace, name), status in statuses.items():
            found = self._store.find(kind, namespace or None, name)
            before = (found or {}).get("status")
            if found is None or with_times(dict(status), before, "") == before:
                continue
            made = with_times(dict(status), before, now())

            def change(obj: Obj, made: dict[str, Any] = made) -> None:
                obj["status"] = made

            try:
                self._store.modify(kind, namespace or None, name, change)
            except NotFound:
                continue
            except sqlite3.Error as error:
                _LOG.error("%s %s/%s: its status cannot be stored: %s", kind, namespace, name, error)

    def _condition(self, key: Key, status: str, reason: str, message: str) -> None:
        kind, namespace, name = key

        def change(obj: Obj) -> None:
            if kind == "Service" or kind.endswith(f".{GATEWAY_API}"):
                return  # their conditions are not ours, or have another form
            entry: dict[str, Any] = {"type": CONDITION, "status": status, "reason": reason, "message": message}
            own = obj.setdefault("status", {})
            own["observedGeneration"] = obj["metadata"].get("generation", 1)
            others = [found for found in own.get("conditions") or () if found["type"] != CONDITION]
            own["conditions"] = [*others, {**entry, "lastTransitionTime": now()}]

        try:
            self._store.modify(kind, namespace or None, name, change)
        except NotFound:
            pass  # it is gone, and what was wrong with it
        except sqlite3.Error as error:
            _LOG.error("%s %s/%s: its condition cannot be stored: %s", *key, error)
