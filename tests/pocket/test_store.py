"""The store: versions, conflicts, watches that resume, and a second life after a crash."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from pocket import store as storage
from pocket.objects import Obj
from pocket.store import FEWEST, FRESH, AlreadyExists, Conflict, Expired, NotFound, Store, StoreError


def pod(name: str, **labels: str) -> Obj:
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "ns", "labels": labels}}


def test_create_find_update_delete() -> None:
    store = Store()
    made = store.create(pod("a"))
    assert made["metadata"]["resourceVersion"] == "1"
    assert made["metadata"]["generation"] == 1
    with pytest.raises(AlreadyExists):
        store.create(pod("a"))
    made["spec"] = {"nodeName": "pocket"}
    assert store.update(made)["metadata"]["generation"] == 2
    with pytest.raises(Conflict):
        store.update({**made, "spec": {}})
    status = store.modify("Pod", "ns", "a", lambda obj: obj.update(status={"phase": "Running"}))
    assert status["metadata"]["generation"] == 2, "a change of status is no new generation"
    store.delete("Pod", "ns", "a")
    assert store.find("Pod", "ns", "a") is None
    with pytest.raises(NotFound):
        store.delete("Pod", "ns", "a")


def test_what_comes_out_is_a_copy() -> None:
    store = Store()
    store.create(pod("a", app="x"))
    store.get("Pod", "ns", "a")["metadata"]["labels"]["app"] = "y"
    store.list("Pod")[0]["metadata"]["labels"]["app"] = "y"
    assert store.get("Pod", "ns", "a")["metadata"]["labels"] == {"app": "x"}


def test_a_write_that_changes_nothing_is_no_event() -> None:
    store = Store()
    made = store.create(pod("a"))
    store.update(made)
    assert store.version == 1


def test_list_by_namespace_and_labels() -> None:
    store = Store()
    for name, app in (("b", "x"), ("a", "x"), ("c", "y")):
        store.create(pod(name, app=app))
    assert [obj["metadata"]["name"] for obj in store.list("Pod", "ns", {"app": "x"})] == ["a", "b"]
    assert store.list("Pod", "elsewhere") == []


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    first = Store(path)
    made = first.create(pod("a"))
    # no close(): as after a crash
    second = Store(path)
    assert second.get("Pod", "ns", "a") == made
    assert second.create(pod("b"))["metadata"]["resourceVersion"] == "2"


async def collect(store: Store, since: int | None, count: int) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    async for event in store.watch(since):
        seen.append((event.type, event.object["metadata"]["name"]))
        if len(seen) == count:
            break
    return seen


def test_a_watch_resumes_and_goes_on() -> None:
    async def story() -> list[tuple[str, str]]:
        store = Store()
        store.create(pod("a"))
        store.create(pod("b"))
        watcher = asyncio.create_task(collect(store, 1, 3))
        await asyncio.sleep(0)
        store.delete("Pod", "ns", "a")
        store.create(pod("c"))
        return await asyncio.wait_for(watcher, 5)

    assert asyncio.run(story()) == [("ADDED", "b"), ("DELETED", "a"), ("ADDED", "c")]


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def numbered(store: Store, count: int) -> None:
    """Events number 1 to `count`."""
    for number in range(store.version + 1, store.version + count + 1):
        store.create(pod(str(number)))


def oldest(store: Store) -> int:
    """The first version from which a watch can go on."""
    for since in range(store.version + 1):
        try:
            asyncio.run(asyncio.wait_for(collect(store, since, store.version - since), 5))
            return since
        except Expired:
            continue
    raise AssertionError("no version at all")


def test_a_few_events_are_kept_however_old() -> None:
    clock = Clock()
    store = Store(clock=clock)
    numbered(store, FEWEST)
    clock.seconds += 100 * FRESH
    assert oldest(store) == 0
    numbered(store, 3)
    assert oldest(store) == 3


def test_young_events_are_kept_and_old_ones_go() -> None:
    clock = Clock()
    store = Store(clock=clock)
    numbered(store, 2 * FEWEST)
    clock.seconds += FRESH
    numbered(store, 2 * FEWEST)
    assert oldest(store) == 0, "just fresh enough"
    clock.seconds += 1
    numbered(store, 1)
    assert oldest(store) == 2 * FEWEST


def test_never_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST", 150)
    store = Store(clock=Clock())
    numbered(store, 500)
    assert oldest(store) == 350
    with pytest.raises(Expired, match=r"too old resource version: 349 \(350\)"):
        asyncio.run(collect(store, 349, 1))


def test_a_version_that_never_was_is_told_and_not_waited_for() -> None:
    store = Store()
    with pytest.raises(Expired, match="too large resource version: 7, current: 0"):
        asyncio.run(collect(store, 7, 1))


def test_a_reader_that_is_too_slow_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST", 150)

    async def story() -> None:
        store = Store(clock=Clock())
        numbered(store, 1)
        reader = store.watch(0)
        assert (await anext(reader)).version == 1
        numbered(store, 300)
        with pytest.raises(Expired):
            await anext(reader)
        numbered(store, 1)
        assert (await anext(store.watch(store.version - 1))).version == store.version

    asyncio.run(asyncio.wait_for(story(), 5))


def test_a_write_that_failed_leaves_watches_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has used a version up, of which no event will ever come."""

    async def story() -> list[tuple[str, str]]:
        store = Store()
        with monkeypatch.context() as patch:
            patch.setattr(store, "_tell", lambda _: None)
            store.create(pod("lost"))
        watcher = asyncio.create_task(collect(store, 0, 1))
        await asyncio.sleep(0)
        store.create(pod("a"))
        return await watcher

    assert asyncio.run(asyncio.wait_for(story(), 5)) == [("ADDED", "a")]


def test_a_full_disk_is_no_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def execute(self, _: str) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error

        def close(self) -> None: ...

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Full())
    with pytest.raises(StoreError, match=r"store.sqlite: database or disk is full. Make room\.$"):
        Store(tmp_path / "store.sqlite")
