"""The objects of the cluster: kept in memory, written through to SQLite, watched by whoever needs to know.

This is what etcd and the storage layer of a real API server do for us: one growing resource version over all
objects, optimistic concurrency, and a bounded history of events from which a watch can resume
(https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).

Everything runs in one asyncio thread. Objects go in and out as copies, so nobody changes one by accident.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from pocket.objects import Obj, kind_of, labels_of, matches, name_of, namespace_of

FRESH = 75.0
"""Seconds that events are kept for watches that resume: as a real API server does, the time between two bookmarks and
15 s more. A watch that wants older ones gets Expired, and lists anew."""

FEWEST, MOST = 100, 1000
"""How many events are kept however old they are, and however young. (A real API server: 100 and 102,400 of each kind.)
A rollout makes about 40 events of 16 KB in memory, so 1000 are at most 16 MB and some 25 rollouts."""

LARGE = 32 * 1024
"""Characters of JSON from which on an object is kept packed in memory."""

Place = tuple[str, str]  # namespace ("" for none), name
Key = tuple[str, str, str]  # kind, namespace, name


class StoreError(Exception):
    """A write or a watch that the store refuses."""


class NotFound(StoreError):
    """No such object."""


class AlreadyExists(StoreError):
    """An object of that kind, namespace and name is there already."""


class Conflict(StoreError):
    """The caller's resource version (or uid) is not the current one."""


class Expired(StoreError):
    """A watch asked for events older than the history."""


@dataclass(frozen=True)
class Event:
    """One change: the object as it was after it (for DELETED: as it was last).

    All who watch share one event, and the history keeps it: its objects are for reading only.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: Obj
    version: int
    old: Obj | None = None  # before a MODIFIED: whoever watches a selection must see what falls out of it


def now() -> str:
    """The current time as Kubernetes writes it: RFC 3339, seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects, by kind, namespace and name.

    `path` is the SQLite file, or None to keep everything in memory (tests); `clock` gives seconds.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._db = _open(path)
        self._objects: dict[str, dict[Place, Obj | _Packed]] = {}
        try:
            for kind, namespace, name, text in self._db.execute("SELECT kind, namespace, name, json FROM objects"):
                obj = json.loads(text)
                self._objects.setdefault(kind, {})[(namespace, name)] = _Packed(obj, text) if len(text) > LARGE else obj
            row = self._db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        except (sqlite3.DatabaseError, ValueError) as error:
            self._db.close()
            raise StoreError(f"{path} is damaged: {error}. {cure(path)}.") from error
        self._version: int = row[0] if row else 0
        self._oldest = self._version
        self._history: deque[tuple[float, Event]] = deque()
        self._watches: set[asyncio.Event] = set()
        self._listeners: list[Callable[[Event], None]] = []

    def forget(self) -> None:
        """Drop the history: for whoever fills the store before anybody watches."""
        self._history.clear()
        self._oldest = self._version

    @property
    def version(self) -> int:
        """The resource version of the last write."""
        return self._version

    def close(self) -> None:
        self._db.close()

    # -- reading ------------------------------------------------------------------------------------------------

    def find(self, kind: str, namespace: str | None, name: str) -> Obj | None:
        """The object, or None."""
        obj = self._objects.get(kind, {}).get((namespace or "", name))
        return _read(obj) if obj is not None else None

    def get(self, kind: str, namespace: str | None, name: str) -> Obj:
        """The object. Raises NotFound."""
        obj = self.find(kind, namespace, name)
        if obj is None:
            raise NotFound(f'{kind} "{name}" not found')
        return obj

    def list(self, kind: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> list[Obj]:
        """All objects of a kind, sorted by namespace and name; in one namespace, with these labels, if asked."""
        return [
            _read(obj)
            for place, obj in sorted(self._objects.get(kind, {}).items())
            if (namespace is None or place[0] == namespace)
            and (labels is None or matches(labels, labels_of(_head(obj))))
        ]

    def kinds(self) -> Sequence[str]:
        """The kinds of which there are objects, or were."""
        return sorted(self._objects)

    def heads(self, kind: str) -> Sequence[Obj]:
        """All objects of a kind, as it were without their bodies: apiVersion, kind, metadata. For reading only."""
        return [_head(obj) for obj in self._objects.get(kind, {}).values()]

    # -- writing ------------------------------------------------------------------------------------------------

    def create(self, obj: Obj) -> Obj:
        """Put a new object in; fills uid (unless it has one), creationTimestamp, generation and resourceVersion.

        Raises AlreadyExists.
        """
        obj = _copy(obj)
        key = _key(obj)
        if key[1:] in self._objects.get(key[0], {}):
            raise AlreadyExists(f'{key[0]} "{key[2]}" already exists')
        meta = obj["metadata"]
        meta["uid"] = meta.get("uid") or str(uuid.uuid4())
        meta["creationTimestamp"] = now()
        meta["generation"] = 1
        return self._put("ADDED", key, obj)

    def update(self, obj: Obj) -> Obj:
        """Replace an object; a change outside metadata and status raises its generation.

        A write that changes nothing is no event. Raises NotFound; Conflict where `obj` carries a resourceVersion
        that is not the current one.
        """
        obj = _copy(obj)
        key = _key(obj)
        found = self._objects.get(key[0], {}).get(key[1:])
        if found is None:
            raise NotFound(f'{key[0]} "{key[2]}" not found')
        old = _shared(found)
        given = obj["metadata"].get("resourceVersion")
        if given not in (None, "", old["metadata"]["resourceVersion"]):
            raise Conflict(
                f'{key[0]} "{key[2]}" has been modified; please apply your changes to the latest version and try again'
            )
        for field in ("uid", "creationTimestamp", "generation", "resourceVersion"):
            obj["metadata"][field] = old["metadata"][field]
        if obj == old:
            return obj
        if _spec(obj) != _spec(old):
            obj["metadata"]["generation"] = old["metadata"]["generation"] + 1
        return self._put("MODIFIED", key, obj, old)

    def modify(self, kind: str, namespace: str | None, name: str, change: Callable[[Obj], object]) -> Obj:
        """Read, let `change` edit the object in place, write. Raises NotFound.

        There is no await in between, so nothing can come between reading and writing.
        """
        obj = self.get(kind, namespace, name)
        change(obj)
        return self.update(obj)

    def delete(self, kind: str, namespace: str | None, name: str) -> Obj:
        """Take an object out at once (graceful deletion is the caller's business). Raises NotFound."""
        key = (kind, namespace or "", name)
        found = self._objects.get(kind, {}).get(key[1:])
        if found is None:
            raise NotFound(f'{kind} "{name}" not found')
        obj = _shared(found)
        version = self._next()
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}}
        with self._db:
            self._db.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", key)
        del self._objects[kind][key[1:]]  # after the file: on a full disk both stay as they were
        self._tell(Event("DELETED", obj, version))
        return _copy(obj)

    # -- watching -----------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every later event, in the writer's own call: it must be quick and must not write."""
        self._listeners.append(listener)

    async def watch(self, since: int | None = None) -> AsyncIterator[Event]:
        """Every event after resource version `since` (None: from now on), without end.

        Raises Expired for what the history no longer has, at the beginning or when the reader is too slow; and for a
        version that is still to come (of a store that was there before): who lists anew is right in either case.
        """
        seen = self._version if since is None else since
        if seen > self._version:
            raise Expired(f"too large resource version: {seen}, current: {self._version}")
        wake = asyncio.Event()
        self._watches.add(wake)
        try:
            while True:
                wake.clear()
                if seen < self._oldest:
                    raise Expired(f"too old resource version: {seen} ({self._oldest})")
                for event in self._after(seen):
                    seen = event.version
                    yield event
                await wake.wait()
        finally:
            self._watches.discard(wake)

    # -- inside -------------------------------------------------------------------------------------------------

    def _put(self, event: Literal["ADDED", "MODIFIED"], key: Key, obj: Obj, old: Obj | None = None) -> Obj:
        version = self._next()
        obj["metadata"]["resourceVersion"] = str(version)
        text = json.dumps(obj)
        self._db.execute("REPLACE INTO objects VALUES (?, ?, ?, ?)", (*key, text))
        kept = _Packed(obj, text) if len(text) > LARGE else obj
        self._objects.setdefault(key[0], {})[key[1:]] = kept  # after the file: on a full disk both stay as they were
        # What is stored is never changed in place, so the event and the history can share it.
        self._tell(Event(event, obj, version, old))
        return _copy(obj)

    def _next(self) -> int:
        self._version += 1
        self._db.execute("REPLACE INTO meta VALUES ('version', ?)", (self._version,))
        return self._version

    def _tell(self, event: Event) -> None:
        now = self._clock()
        self._history.append((now, event))
        while len(self._history) > FEWEST and (self._history[0][0] < now - FRESH or len(self._history) > MOST):
            self._oldest = self._history.popleft()[1].version
        for wake in self._watches:
            wake.set()
        for listener in self._listeners:
            listener(event)

    def _after(self, version: int) -> Sequence[Event]:
        newest_first = takewhile(lambda entry: entry[1].version > version, reversed(self._history))
        return [event for _, event in newest_first][::-1]


class _Packed:
    """A large object (a definition with its schema), which is seldom read: as packed text, and its head."""

    __slots__ = ("head", "text")

    def __init__(self, obj: Obj, text: str) -> None:
        meta = {key: _copied(value) for key, value in obj["metadata"].items() if key != "managedFields"}
        self.head: Obj = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": meta}
        self.text = zlib.compress(text.encode(), 1)


def _shared(kept: Obj | _Packed) -> Obj:
    """The object as it is kept, for reading only."""
    if isinstance(kept, _Packed):
        unpacked: Obj = json.loads(zlib.decompress(kept.text))
        return unpacked
    return kept


def _read(kept: Obj | _Packed) -> Obj:
    return _shared(kept) if isinstance(kept, _Packed) else _copy(kept)


def _head(kept: Obj | _Packed) -> Obj:
    return kept.head if isinstance(kept, _Packed) else kept


def _copy(obj: Obj) -> Obj:
    """A copy that shares nothing. For plain JSON, and twice as fast as copy.deepcopy."""
    return {key: _copied(value) for key, value in obj.items()}


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return _copy(value)
    return [_copied(entry) for entry in value] if isinstance(value, list) else value


def _key(obj: Obj) -> Key:
    return (kind_of(obj), namespace_of(obj) or "", name_of(obj))


def _spec(obj: Obj) -> Obj:
    return {field: value for field, value in obj.items() if field not in ("metadata", "status")}


def _open(path: Path | None) -> sqlite3.Connection:
    """The database, with its tables. Raises StoreError where the file is something else or damaged."""
    database = sqlite3.connect(path or ":memory:", isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")  # survives our own death, not a power cut: enough for a lab
        database.execute(
            "CREATE TABLE IF NOT EXISTS objects (kind TEXT, namespace TEXT, name TEXT, json TEXT NOT NULL,"
            " PRIMARY KEY (kind, namespace, name))"
        )
        database.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL)")
        check(database, path)
    except StoreError:
        database.close()
        raise
    except sqlite3.DatabaseError as error:
        database.close()
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
        raise StoreError(f"{path}: {error}. {'Make room' if full else cure(path)}.") from error
    return database


def check(database: sqlite3.Connection, path: Path | None) -> None:
    """Raises StoreError where pages are damaged (https://www.sqlite.org/pragma.html#pragma_quick_check)."""
    try:
        found = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    if found != ["ok"]:
        raise StoreError(f"{path} is damaged: {found[0].splitlines()[-1]}. {cure(path)}.")


def cure(path: Path | None) -> str:
    """What to do about a damaged store."""
    kept = path and path.with_suffix(".kept.sqlite").exists()
    if kept:
        return "`make -f pocket.mak stop restore start` takes back the copy of the last start"
    return "Remove it to begin with no objects"
