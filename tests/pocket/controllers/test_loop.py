import asyncio
import time

import pytest

from pocket.controllers import Controllers, loop
from pocket.objects import Obj
from pocket.store import Store
from tests.pocket.cluster import Cluster, live


def test_one_controllers_trouble_is_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    controllers = Controllers(store, list)
    store.create({"kind": "Namespace", "metadata": {"name": "ns"}})
    store.create({"kind": "Job", "metadata": {"name": "odd", "namespace": "ns"}, "spec": {"completions": "many"}})
    controllers.step()
    assert "controller jobs failed" in caplog.text
    assert store.get("ServiceAccount", "ns", "default")
    failing = next(entry for entry in controllers._controllers if entry.name == "jobs")
    assert failing.due > time.monotonic()  # it waits before it tries again


def test_it_comes_to_rest_and_wakes_for_changes() -> None:
    async def run() -> None:
        store = Store()
        controllers = Controllers(store, list)
        task = asyncio.create_task(controllers.run())
        try:
            store.create({"kind": "Namespace", "metadata": {"name": "ns"}})
            async with asyncio.timeout(20):
                while store.find("ServiceAccount", "ns", "default") is None:
                    await asyncio.sleep(0.01)
                while controllers._wake.is_set():
                    await asyncio.sleep(0.01)
            rest = [entry.due for entry in controllers._controllers if entry.name != "node"]
            assert all(due == float("inf") for due in rest)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_endless_work_does_not_block_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()
    controllers = Controllers(store, list)
    busy = loop._controller("busy", ("Pod",), lambda: 0.0)
    controllers._controllers = [busy]
    controllers.step()  # returns


@live
async def test_a_deployment_in_real_life(cluster: Cluster) -> None:
    cluster.deployment(replicas=2, env={"WORD": "one"})
    await cluster.until_rolled_out()
    floor: list[int] = []

    def count(_: object) -> None:
        floor.append((cluster.get("Deployment", "app").get("status") or {}).get("availableReplicas", 0))

    cluster.store.listen(count)

    def change(deployment: Obj) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "two"

    cluster.store.modify("Deployment", "test", "app", change)
    await cluster.until_rolled_out()
    assert min(floor) >= 2
    assert [await cluster.ask(pod["metadata"]["name"]) for pod in cluster.pods()] == [(200, "two")] * 2


@live
async def test_a_job_in_real_life(cluster: Cluster) -> None:
    spec = {"image": "example.org/app:v1", "name": "app", "command": ["sh", "-c", "echo $JOB_COMPLETION_INDEX"]}
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [spec]}}
    body = {"completions": 2, "parallelism": 2, "completionMode": "Indexed", "template": template}
    cluster.create("Job", "j", body, version="batch/v1")
    await cluster.until(lambda: cluster.get("Job", "j").get("status", {}).get("succeeded") == 2, "the Job to complete")
    logs = sorted(cluster.kubelet.log_file(pod, "app", False).read_text() for pod in cluster.pods())
    assert logs == ["0\n", "1\n"]
    cluster.store.delete("Job", "test", "j")
    await cluster.until(lambda: cluster.pods() == [], "its pods to go with it")


@live
async def test_a_namespace_takes_everything_along(cluster: Cluster) -> None:
    cluster.deployment(replicas=2)
    await cluster.until_rolled_out()
    cluster.store.modify(
        "Namespace", None, "test", lambda obj: obj["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z")
    )
    await cluster.until(lambda: cluster.store.find("Namespace", None, "test") is None, "the namespace to be gone")
    assert cluster.store.list("Pod") == cluster.store.list("ReplicaSet") == cluster.store.list("Event", "test") == []
