"""Cordon and taints: who may go to the node, and who may stay."""

from __future__ import annotations

import pytest

from pocket.kubelet import scheduling
from pocket.objects import Obj
from pocket.settings import NODE
from tests.pocket.cluster import NAMESPACE, Cluster, live


def node(*taints: Obj) -> Obj:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": {"taints": list(taints)}}


def pod(*tolerations: Obj) -> Obj:
    return {"spec": {"tolerations": list(tolerations)}}


def taint(effect: str = "NoSchedule", key: str = "a", value: str = "b") -> Obj:
    return {"key": key, "value": value, "effect": effect}


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        ({"key": "a", "value": "b"}, True),
        ({"key": "a", "operator": "Equal", "value": "c"}, False),
        ({"key": "a", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoSchedule"}, True),
        ({"key": "a", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "x", "operator": "Exists"}, False),
        ({"value": "b"}, False),
    ],
)
def test_a_toleration(toleration: Obj, tolerated: bool) -> None:
    assert (scheduling.objection(node(taint()), pod(toleration)) == "") is tolerated


def test_the_words() -> None:
    assert scheduling.objection(node(), pod()) == ""
    assert scheduling.objection(node(taint("PreferNoSchedule")), pod()) == ""
    why = scheduling.objection(node(taint()), pod())
    assert why == "0/1 nodes are available: 1 node(s) had untolerated taint {a: b}."
    cordoned = node({"key": scheduling.UNSCHEDULABLE, "effect": "NoSchedule"})
    assert scheduling.objection(cordoned, pod()) == "0/1 nodes are available: 1 node(s) were unschedulable."


def test_how_long_a_pod_may_stay() -> None:
    assert scheduling.stay(node(taint()), pod()) is None
    assert scheduling.stay(node(taint("NoExecute")), pod()) == 0
    assert scheduling.stay(node(taint("NoExecute")), pod({"key": "a", "operator": "Exists"})) is None
    some = pod({"key": "a", "operator": "Exists", "tolerationSeconds": 30}, {"key": "a", "value": "b"})
    assert scheduling.stay(node(taint("NoExecute")), some) == 30


def test_a_pod_waits_for_the_node_and_leaves_it(cluster: Cluster) -> None:
    @live
    async def run(cluster: Cluster) -> None:
        cluster.store.create(node(taint()))
        cluster.pod()
        await cluster.until(lambda: "FailedScheduling" in cluster.reasons("p"), "FailedScheduling")
        status = cluster.get("Pod", "p")["status"]
        assert status["phase"] == "Pending"
        (said,) = [entry for entry in status["conditions"] if entry["type"] == "PodScheduled"]
        assert (said["status"], said["reason"]) == ("False", "Unschedulable")
        cluster.store.update({**cluster.store.get("Node", None, NODE), "spec": {}})
        await cluster.until_ready("p")
        cluster.store.modify("Node", None, NODE, lambda obj: obj["spec"].update(taints=[taint("NoExecute")]))
        await cluster.until(lambda: cluster.store.find("Pod", NAMESPACE, "p") is None, "the end of the pod")

    run(cluster)
