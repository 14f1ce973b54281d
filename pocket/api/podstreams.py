"""What every long connection to a pod has to do (exec, attach, port-forward): end with the server, and with the pod."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator

from pocket.objects import Obj, kind_of, name_of, namespace_of, uid_of
from pocket.store import Expired, Store


@contextlib.contextmanager
def registered(streams: set[asyncio.Task[object]]) -> Iterator[None]:
    """The present task is one of `streams`, which the server cancels when it stops."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a stream runs in a task")
    streams.add(task)
    try:
        yield
    finally:
        streams.discard(task)


async def until_one_ends(*coroutines: Coroutine[object, object, None]) -> None:
    """Run them side by side until the first has ended, and raise what it raised; the others are cancelled."""
    parts = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    for part in done:
        part.result()


async def removed(store: Store, pod: Obj, since: int) -> None:
    """Wait until the pod is gone. `since`: the resource version at which it was known to be there."""
    while True:
        try:
            async for event in store.watch(since):
                if event.type == "DELETED" and kind_of(event.object) == "Pod" and uid_of(event.object) == uid_of(pod):
                    return
        except Expired:  # too much happened since: look
            current = store.find("Pod", namespace_of(pod), name_of(pod))
            if current is None or uid_of(current) != uid_of(pod):
                return
            since = store.version
