from __future__ import annotations

from typing import Any

from pocket.controllers.garbage import FOREGROUND, ORPHAN, decide, reconcile
from pocket.objects import Obj, name_of
from pocket.store import Store
from tests.pocket.controllers.kit import ago


def obj(kind: str, name: str, *owners: Obj, **meta: Any) -> Obj:
    references = [
        {
            "kind": o["kind"],
            "name": name_of(o),
            "uid": o["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        for o in owners
    ]
    return {
        "kind": kind,
        "metadata": {
            "name": name, "namespace": "ns", "uid": f"uid-{name}",
            **({"ownerReferences": references} if references else {}), **meta,
        },
        "spec": {"nodeName": "pocket"} if kind == "Pod" else {},
    }  # fmt: skip


def test_what_lost_its_owner_goes() -> None:
    owner, gone = obj("Deployment", "d"), obj("Deployment", "gone")
    kept, lost = obj("ReplicaSet", "kept", owner), obj("ReplicaSet", "lost", gone)
    plan = decide([owner, kept, lost, obj("ConfigMap", "free")])
    assert plan.delete == [lost]
    assert (plan.disown, plan.finish) == ([], [])


def test_one_owner_is_enough_and_the_others_are_forgotten() -> None:
    owner, gone = obj("Deployment", "d"), obj("Deployment", "gone")
    both = obj("ReplicaSet", "both", owner, gone)
    plan = decide([owner, both])
    assert plan.delete == []
    assert plan.disown == [(both, {"uid-gone"})]


def test_another_one_of_the_same_name_is_no_owner() -> None:
    before = obj("Deployment", "d")
    after = {**before, "metadata": {**before["metadata"], "uid": "other"}}
    assert decide([after, obj("ReplicaSet", "rs", before)]).delete != []


def test_cascades_in_a_store() -> None:
    store = Store()
    deployment = store.create(obj("Deployment", "d"))
    replica_set = store.create(obj("ReplicaSet", "rs", deployment))
    store.create(obj("Pod", "p", replica_set))
    store.delete("Deployment", "ns", "d")
    reconcile(store)
    assert store.find("ReplicaSet", "ns", "rs") is None
    reconcile(store)
    assert store.get("Pod", "ns", "p")["metadata"]["deletionTimestamp"]  # the kubelet ends it


def test_orphaning() -> None:
    store = Store()
    deployment = store.create(obj("Deployment", "d", finalizers=[ORPHAN], deletionTimestamp=ago(0)))
    store.create(obj("ReplicaSet", "rs", deployment))
    reconcile(store)
    assert store.find("Deployment", "ns", "d") is None
    assert "ownerReferences" not in store.get("ReplicaSet", "ns", "rs")["metadata"]
    reconcile(store)
    assert store.find("ReplicaSet", "ns", "rs")


def test_foreground_waits_for_those_below() -> None:
    store = Store()
    deployment = store.create(obj("Deployment", "d", finalizers=[FOREGROUND], deletionTimestamp=ago(0)))
    replica_set = store.create(obj("ReplicaSet", "rs", deployment, finalizers=[FOREGROUND]))
    store.create(obj("Pod", "p", replica_set))
    for _ in range(4):
        reconcile(store)
    assert store.find("Deployment", "ns", "d")
    assert store.get("ReplicaSet", "ns", "rs")["metadata"]["deletionTimestamp"]
    assert store.get("Pod", "ns", "p")["metadata"]["deletionTimestamp"]
    store.delete("Pod", "ns", "p")
    for _ in range(3):
        reconcile(store)
    assert store.find("ReplicaSet", "ns", "rs") is None
    assert store.find("Deployment", "ns", "d") is None
