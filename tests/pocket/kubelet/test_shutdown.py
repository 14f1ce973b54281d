"""Stopping without a control process; test_adoption.py does it to pods that really run."""

import asyncio

from pocket import processes
from pocket.kubelet.records import ContainerRecord, PodRecord
from pocket.kubelet.shutdown import stop_pods
from tests.pocket.cluster import Cluster


def test_nothing_to_stop(cluster: Cluster) -> None:
    assert asyncio.run(stop_pods(cluster.settings)) == 0


def test_what_has_no_record_is_killed_by_its_mark(cluster: Cluster) -> None:
    mark = f"{cluster.home}:pod/ns/lost/app#0.0"
    process = processes.spawn(["sleep", "60"], cwd=cluster.home, env={"PATH": "/usr/bin:/bin"},
                              log=cluster.home / "log", name=mark)  # fmt: skip
    assert asyncio.run(stop_pods(cluster.settings)) == 0
    assert not processes.is_alive(process)


def test_logs_of_what_has_ended_outlive_a_stop(cluster: Cluster) -> None:
    for uid, finished in (("done", True), ("running", False)):
        folder = cluster.home / "pods" / uid
        folder.mkdir(parents=True)
        PodRecord(uid, "ns", uid, containers={"app": ContainerRecord(finished=finished)}).save(folder)
    asyncio.run(stop_pods(cluster.settings))
    assert [path.name for path in (cluster.home / "pods").iterdir()] == ["done"]
