from __future__ import annotations

import asyncio

import pytest

from pocket.api import podstreams
from pocket.store import Store


def pod(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns"}}


async def ended(waiting: asyncio.Task[None]) -> bool:
    """Has it, after everything that can happen has happened?"""
    for _ in range(20):
        await asyncio.sleep(0)
    return waiting.done()


def test_the_end_of_a_pod_and_of_no_other() -> None:
    async def scenario() -> None:
        store = Store()
        ours, _ = store.create(pod("ours")), store.create(pod("other"))
        waiting = asyncio.create_task(podstreams.removed(store, ours, store.version))
        store.delete("Pod", "ns", "other")
        assert not await ended(waiting)
        store.delete("Pod", "ns", "ours")
        assert await ended(waiting)

    asyncio.run(scenario())


def test_an_end_before_somebody_looked() -> None:
    async def scenario() -> None:
        store = Store()
        ours = store.create(pod("ours"))
        since = store.version
        store.delete("Pod", "ns", "ours")
        assert await ended(asyncio.create_task(podstreams.removed(store, ours, since)))

    asyncio.run(scenario())


def test_what_happened_is_forgotten_by_the_store() -> None:
    async def scenario() -> None:
        store = Store()
        ours = store.create(pod("ours"))
        store._oldest = store.version
        waiting = asyncio.create_task(podstreams.removed(store, ours, 0))
        assert not await ended(waiting), "it is still there"
        store.delete("Pod", "ns", "ours")
        assert await ended(waiting)
        store.create(pod("ours"))
        assert await ended(asyncio.create_task(podstreams.removed(store, ours, 0))), "another of its name"

    asyncio.run(scenario())


def test_streams_are_known_while_they_run() -> None:
    async def scenario() -> None:
        streams: set[asyncio.Task[object]] = set()
        with podstreams.registered(streams):
            assert streams == {asyncio.current_task()}
        assert streams == set()

    asyncio.run(scenario())


def test_the_first_end_ends_them_all_and_its_error_is_told() -> None:
    ended: list[str] = []

    async def lasting(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def short() -> None:
        await asyncio.sleep(0)

    async def wrong() -> None:
        raise RuntimeError("out of order")

    asyncio.run(podstreams.until_one_ends(lasting("a"), short()))
    assert ended == ["a"]
    with pytest.raises(RuntimeError, match="out of order"):
        asyncio.run(podstreams.until_one_ends(lasting("b"), wrong()))
    assert ended == ["a", "b"]
