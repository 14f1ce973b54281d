"""Which pods of a rollout cannot become ready by waiting. Reads the List of a namespace's Deployments, ReplicaSets and
Pods as JSON on standard input; `tools/stuck.py DEPLOYMENT...` prints a line `DEPLOYMENT POD CONTAINER WHY` for each.

Only pods of the newest ReplicaSet count: those of before may well crash, that is why somebody deploys anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Json = Mapping[str, Any]

RESTARTS = 2
"""Crashes that count as hopeless: one may be bad luck (the datastore was away), the second is a pattern."""
WRONG = ("ErrImageNeverPull", "InvalidImageName")
"""What the kubelet waits with, though only another object would help (pkg/kubelet/images in Kubernetes)."""


class Stuck(NamedTuple):
    """A container that waiting does not help."""

    deployment: str
    pod: str
    container: str
    why: str


def stuck(objects: Iterable[Json], deployments: Iterable[str]) -> list[Stuck]:
    """The containers of the newest pods of these Deployments that crash again and again, or cannot be made."""
    by_kind: dict[str, list[Json]] = {"Deployment": [], "ReplicaSet": [], "Pod": []}
    for item in objects:
        by_kind.setdefault(item["kind"], []).append(item)
    wanted = set(deployments)
    return [
        found
        for deployment in by_kind["Deployment"]
        if deployment["metadata"]["name"] in wanted
        and (newest := _newest(deployment, by_kind["ReplicaSet"])) is not None
        for pod in _owned(newest, by_kind["Pod"])
        for found in _hopeless(deployment["metadata"]["name"], pod)
    ]


def _newest(deployment: Json, replica_sets: Iterable[Json]) -> Json | None:
    """The ReplicaSet of what was asked for last; None while the controller has not looked at that yet."""
    if deployment.get("status", {}).get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return None
    return max(_owned(deployment, replica_sets), key=_revision, default=None)


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", 0))


def _owned(owner: Json, objects: Iterable[Json]) -> Iterator[Json]:
    uid = owner["metadata"]["uid"]
    return (
        item for item in objects if any(ref["uid"] == uid for ref in item["metadata"].get("ownerReferences") or ())
    )


def _hopeless(deployment: str, pod: Json) -> Iterator[Stuck]:
    if "deletionTimestamp" in pod["metadata"]:
        return
    status = pod.get("status", {})
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = container.get("state", {}).get("waiting", {})
        reason = waiting.get("reason", "")
        if reason in WRONG:
            why = f"{reason}: {waiting.get('message', 'no reason given')}"
        elif reason == "CrashLoopBackOff" and container.get("restartCount", 0) >= RESTARTS:
            why = f"{reason}, restarted {container['restartCount']} times"
        else:
            continue
        yield Stuck(deployment, pod["metadata"]["name"], container["name"], why)


def main(deployments: list[str]) -> int:
    """Returns the exit code: 0, stuck or not; who asks looks at the lines."""
    for line in stuck(json.load(sys.stdin)["items"], deployments):
        print(*line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
