"""Stopping every pod without a kubelet: what `pocket stop` does after the control process has ended."""

from __future__ import annotations

import asyncio

from pocket import processes
from pocket.kubelet import records
from pocket.kubelet.folders import remove_folder
from pocket.kubelet.inject import ENVOYS
from pocket.kubelet.records import PodRecord
from pocket.settings import Settings

LONGEST_GRACE = 10.0
"""Seconds that a pod gets at most: a person waits for the end, and nobody is served any more."""


async def stop_pods(settings: Settings) -> int:
    """Stop all pods at once: applications first, then their Envoys, then whatever is left. Returns how many ran."""
    root = settings.home / "pods"
    folders = sorted(root.iterdir()) if root.is_dir() else []
    found = [record for folder in folders if (record := records.load(folder)) is not None]
    running = [record for record in found if any(_processes(record, proxy=None))]
    await asyncio.gather(*(_stop(record) for record in running))
    processes.kill_marked(f"{settings.home}:pod/")
    for folder in folders:
        record = records.load(folder)
        if record is None or not _ended(record):
            remove_folder(folder)
    return len(running)


def _ended(record: PodRecord) -> bool:
    """A finished Job's pod: its log is kept for the next start."""
    return all(container.finished for name, container in record.containers.items() if name not in ENVOYS)


async def _stop(record: PodRecord) -> None:
    grace = min(record.grace, LONGEST_GRACE)
    for proxy in (False, True):
        await asyncio.gather(*(processes.terminate(process, grace) for process in _processes(record, proxy)))


def _processes(record: PodRecord, proxy: bool | None) -> list[processes.ProcessId]:
    return [
        container.process
        for name, container in record.containers.items()
        if container.process is not None
        and processes.is_alive(container.process)
        and proxy in (None, name in ENVOYS)
    ]
