"""What `start` makes of the state of Deployments and pods."""

from typing import Any

from pocket.objects import Obj, name_of
from pocket.rollouts import is_available, is_rolled_out, with_deployments


def obj(kind: str, name: str, owner: Obj | None = None, **more: Any) -> Obj:
    metadata: Obj = {"name": name, "namespace": "ns", "uid": f"{kind}-{name}", "generation": 3}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner["kind"], "uid": owner["metadata"]["uid"], "controller": True}]
    return {"kind": kind, "metadata": metadata, "spec": {}, **more}


def test_rolled_out_as_kubectl_judges() -> None:
    status = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    deployment = obj("Deployment", "a", spec={"replicas": 2}, status=status)
    assert is_rolled_out(deployment, 3)
    assert not is_rolled_out(deployment, 4), "the change has not been seen yet"
    for field, value in (("replicas", 3), ("updatedReplicas", 1), ("availableReplicas", 1)):
        assert not is_rolled_out({**deployment, "status": {**status, field: value}}, 3), field


def test_available_is_enough_of_whatever_version() -> None:
    status = {"observedGeneration": 3, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}
    deployment = obj("Deployment", "a", spec={"replicas": 2}, status=status)
    assert is_available(deployment)
    for field, value in (("availableReplicas", 1), ("observedGeneration", 2)):
        assert not is_available({**deployment, "status": {**status, field: value}}), field
    assert not is_available({**deployment, "status": {}})


def test_pods_and_the_deployments_that_make_them() -> None:
    deployment, lone = obj("Deployment", "d"), obj("ReplicaSet", "lone")
    replica_set = obj("ReplicaSet", "d-1", deployment)
    owners = {"one": replica_set, "two": lone, "three": obj("Job", "j"), "four": None}
    pods = [obj("Pod", name, owner) for name, owner in owners.items()]
    found = {name_of(pod): owner for pod, owner in with_deployments(pods, [replica_set, lone], [deployment])}
    assert found == {"one": deployment, "two": None, "three": None, "four": None}
