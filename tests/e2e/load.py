"""A load: N clients with kept-alive connections, each sending the next when it has its answer, or a pause later."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp

_TIMEOUT = 30.0


@dataclass
class Answers:
    """What came back: answers by status, and requests that got none, by what went wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    served: list[float] = field(default_factory=list)
    """When each 2xx came (time.monotonic)."""

    @property
    def total(self) -> int:
        return sum(self.statuses.values()) + sum(self.lost.values())

    @property
    def failed(self) -> dict[str, int]:
        """Everything but a 2xx."""
        bad = {str(status): count for status, count in self.statuses.items() if not 200 <= status < 300}
        return {**bad, **self.lost}


class Load:
    """`with Load(urls, token, clients=32) as load: ...`; afterwards `load.answers`.

    `fresh`: each request on a connection of its own.
    """

    def __init__(
        self, urls: Sequence[str], token: str, clients: int = 32, pause: float = 0.0, *, fresh: bool = False
    ) -> None:
        self.answers = Answers()
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {token}"}
        self._clients = clients
        self._fresh = fresh
        self._pause = pause  # seconds that each client waits before its next request
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_TIMEOUT * 2)
        assert not self._thread.is_alive(), "the load did not end"

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=self._clients, force_close=self._fresh)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=self._headers) as session:
            await asyncio.gather(*(self._client(session, offset) for offset in range(self._clients)))

    async def _client(self, session: aiohttp.ClientSession, offset: int) -> None:
        for url in itertools.islice(itertools.cycle(self._urls), offset, None):
            if self._stop.is_set():
                return
            try:
                async with session.get(url) as answer:
                    await answer.read()
                    self.answers.statuses[answer.status] += 1
                    if 200 <= answer.status < 300:
                        self.answers.served.append(time.monotonic())
            except (aiohttp.ClientError, TimeoutError) as error:
                self.answers.lost[repr(error)] += 1
            if self._pause:
                await asyncio.sleep(self._pause)
