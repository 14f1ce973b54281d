"""The store: versions, conflicts, watches that resume, and a second life after a crash."""

import asyncio
from pathlib import Path

import pytest

from pocket import store as storage
from pocket.objects import Obj
from pocket.store import AlreadyExists, Conflict, Expired, NotFound, Store


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


def test_a_watch_from_before_the_history_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "HISTORY", 2)
    store = Store()
    for name in "abcd":
        store.create(pod(name))
    assert asyncio.run(collect(store, 2, 2)) == [("ADDED", "c"), ("ADDED", "d")]
    with pytest.raises(Expired):
        asyncio.run(collect(store, 1, 1))
