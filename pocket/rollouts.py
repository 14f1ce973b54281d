"""How far Deployments are: questions that `start` asks of what the API server lists. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pocket.objects import Obj, owner_of, uid_of


def is_available(deployment: Obj) -> bool:
    """Has it as many available pods as it asks for, of whatever version?"""
    status = deployment.get("status") or {}
    seen = int(status.get("observedGeneration", 0)) >= int(deployment["metadata"]["generation"])
    return seen and int(status.get("availableReplicas", 0)) >= int(deployment["spec"].get("replicas", 1))


def is_rolled_out(deployment: Obj, generation: int) -> bool:
    """Is a change that made this generation in force: as many pods as asked for, all of them new and available?

    As `kubectl rollout status` judges.
    """
    status = deployment.get("status") or {}
    replicas = deployment["spec"].get("replicas", 1)
    counts = [int(status.get(name, 0)) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return int(status.get("observedGeneration", 0)) >= generation and counts == [replicas] * 3


def with_deployments(
    pods: Sequence[Obj], replica_sets: Sequence[Obj], deployments: Sequence[Obj]
) -> Iterator[tuple[Obj, Obj | None]]:
    """Each pod, and the Deployment that makes it, if one does."""
    by_uid = {uid_of(obj): obj for obj in (*replica_sets, *deployments)}
    for pod in pods:
        owner = owner_of(pod)
        replica_set = by_uid.get(str(owner["uid"])) if owner else None
        above = owner_of(replica_set) if replica_set else None
        yield pod, by_uid.get(str(above["uid"])) if above else None
