"""`python -m c756 stuck NAMESPACE DEPLOYMENT...`: which new pods of Deployments do not become ready by waiting, a line
for each, with the cure and where to see more. With `--all` as the first argument: whatever is not ready, and why.

Only pods of the newest ReplicaSet count: those of before may well crash, that is why somebody deploys anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from c756 import kubectl
from c756.symptoms import LOG_LINES, Symptom, cure_of, one_line, reason_in, symptoms

Json = Mapping[str, Any]


class Stuck(NamedTuple):
    """What holds up a new pod of a Deployment; no pod's name where there is none."""

    deployment: str
    pod: str
    symptom: Symptom


def stuck(objects: Iterable[Json], deployments: Iterable[str]) -> list[Stuck]:
    """All symptoms of the newest pods of these Deployments, from a list of these, ReplicaSets and Pods."""
    return [
        Stuck(deployment["metadata"]["name"], pod["metadata"]["name"], symptom)
        for deployment, pods in _with_pods(list(objects), set(deployments))
        for pod in pods
        for symptom in symptoms(pod)
    ]


def not_ready(objects: Iterable[Json], deployments: Iterable[str]) -> list[Stuck]:
    """The same, and whatever else of them is not ready."""
    known = list(objects)
    found = stuck(known, deployments)
    for deployment, pods in _with_pods(known, set(deployments)):
        name = deployment["metadata"]["name"]
        if any(entry.deployment == name for entry in found):
            continue
        if not pods:
            found += [Stuck(name, "", Symptom("", _condition(deployment, "ReplicaFailure") or "it has no new pod", ""))]
        for pod in pods:
            if why := _condition(pod, "ContainersReady"):
                found.append(Stuck(name, pod["metadata"]["name"], Symptom("", why, "Look whether its probes can pass")))
    return found


def _condition(obj: Json, kind: str) -> str:
    """The message of a condition that speaks of something that is wrong; empty where there is none."""
    wrong = "False" if kind == "ContainersReady" else "True"
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((str(c.get("message", kind)) for c in conditions if c["type"] == kind and c["status"] == wrong), "")


def _with_pods(objects: Sequence[Json], wanted: set[str]) -> Iterator[tuple[Json, list[Json]]]:
    kinds = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in ("Deployment", "ReplicaSet", "Pod")}
    for deployment in kinds["Deployment"]:
        if deployment["metadata"]["name"] in wanted:
            newest = _newest(deployment, kinds["ReplicaSet"])
            yield deployment, list(_owned(newest, kinds["Pod"])) if newest else []


def _newest(deployment: Json, replica_sets: Iterable[Json]) -> Json | None:
    """The ReplicaSet of what was asked for last; None while the controller has not looked at that yet."""
    if deployment.get("status", {}).get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return None
    return max(_owned(deployment, replica_sets), key=_revision, default=None)


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", 0))


def _owned(owner: Json, objects: Iterable[Json]) -> Iterator[Json]:
    uid = owner["metadata"]["uid"]
    return (item for item in objects if any(ref["uid"] == uid for ref in item["metadata"].get("ownerReferences") or ()))


def line(namespace: str, found: Stuck, log: str) -> str:
    """One line for people; `log` is the end of what a crashed container said."""
    what, cure = found.symptom.what, found.symptom.cure
    if found.symptom.crashed and (said := reason_in(log)) and said not in what:
        what, cure = f"{what}: {said}", cure or cure_of(said)
    who = ", ".join(
        f"{kind} {name}" for kind, name in (("pod", found.pod), ("container", found.symptom.container)) if name
    )
    if found.symptom.crashed:
        cure = cure or "Mend it and deploy again"
        more = f"logs {found.pod} -c {found.symptom.container} --previous"
    else:
        more = f"describe {f'pod {found.pod}' if found.pod else f'deployment {found.deployment}'}"
    start = f"{found.deployment}: {who}: " if who else f"{found.deployment}: "
    return f"{start}{one_line(what).rstrip('.')}. {f'{cure}. ' if cure else ''}More: kubectl -n {namespace} {more}"


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0, stuck or not; who asks looks at the lines. Raises Trouble."""
    everything = arguments[:1] == ["--all"]
    namespace, *deployments = arguments[1:] if everything else arguments
    objects = json.loads(kubectl.ask("-n", namespace, "get", "deployments,replicasets,pods", "-o", "json"))["items"]
    for found in not_ready(objects, deployments) if everything else stuck(objects, deployments):
        if everything or found.symptom.hopeless:
            print(line(namespace, found, _log(namespace, found)))
    return 0


def _log(namespace: str, found: Stuck) -> str:
    """What the container said before it ended; nothing where it ended before it could."""
    if not found.symptom.crashed:
        return ""
    who = ("-n", namespace, "logs", found.pod, "-c", found.symptom.container, f"--tail={LOG_LINES}")
    return kubectl.run(*who, "--previous").stdout or kubectl.run(*who).stdout
