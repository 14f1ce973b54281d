"""What pocket makes of the fields of pods and Jobs: the one table. Pure.

A field that is not listed is honoured. `check` refuses what would make a difference that pocket cannot make;
docs/pocket.md shows the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pocket.objects import FieldError, Obj

Effect = Literal["no effect", "refused"]

_ONE_NODE = "there is one node"
_USER = "everything runs as the user who started pocket"
_NO_NAMESPACES = "processes share this machine's namespaces"

POD: Mapping[str, tuple[Effect, str]] = {
    "nodeName": ("no effect", _ONE_NODE),
    "nodeSelector": ("no effect", _ONE_NODE),
    "affinity": ("no effect", _ONE_NODE),
    "topologySpreadConstraints": ("no effect", _ONE_NODE),
    "schedulerName": ("no effect", _ONE_NODE),
    "priority": ("no effect", "nothing is preempted"),
    "priorityClassName": ("no effect", "nothing is preempted"),
    "preemptionPolicy": ("no effect", "nothing is preempted"),
    "overhead": ("no effect", "resources are not limited"),
    "resources": ("no effect", "resources are not limited"),
    "runtimeClassName": ("no effect", "containers are processes"),
    "os": ("no effect", "it is this machine's"),
    "securityContext": ("no effect", _USER),
    "hostUsers": ("no effect", _USER),
    "hostPID": ("no effect", _NO_NAMESPACES),
    "hostIPC": ("no effect", _NO_NAMESPACES),
    "shareProcessNamespace": ("no effect", _NO_NAMESPACES),
    "hostname": ("no effect", "HOSTNAME is the pod's name"),
    "subdomain": ("no effect", "there is no DNS; Envoys route by name"),
    "setHostnameAsFQDN": ("no effect", "HOSTNAME is the pod's name"),
    "dnsPolicy": ("no effect", "there is no DNS; Envoys route by name"),
    "imagePullSecrets": ("no effect", "images are built here"),
    "serviceAccount": ("no effect", "the old name of serviceAccountName"),
    "schedulingGroup": ("no effect", _ONE_NODE),
    "evictionResponders": ("no effect", "nothing is evicted"),
    "dnsConfig": ("refused", "there is no DNS; Envoys route by name"),
    "hostAliases": ("refused", "there is no /etc/hosts of a pod's own"),
    "hostNetwork": ("refused", "every container gets a port of its own, in PORT"),
    "hostnameOverride": ("refused", "HOSTNAME is the pod's name"),
    "ephemeralContainers": ("refused", "use kubectl exec"),
    "readinessGates": ("refused", "nobody sets the conditions"),
    "schedulingGates": ("refused", "nobody removes them"),
    "resourceClaims": ("refused", "there are no devices to claim"),
}
"""Fields of a pod's spec."""

CONTAINER: Mapping[str, tuple[Effect, str]] = {
    "resources": ("no effect", "resources are not limited, and only resourceFieldRef reads them"),
    "resizePolicy": ("no effect", "resources are not limited"),
    "securityContext": ("no effect", _USER),
    "stdin": ("no effect", "a container's input is empty; kubectl exec has one"),
    "stdinOnce": ("no effect", "a container's input is empty"),
    "tty": ("no effect", "kubectl exec -t gives a terminal"),
    "terminationMessagePath": ("no effect", "terminationMessagePolicy FallbackToLogsOnError is honoured"),
    "volumeDevices": ("refused", "there are no block devices"),
    "restartPolicyRules": ("refused", "restartPolicy decides"),
    "lifecycle.stopSignal": ("refused", "it is always SIGTERM"),
    "lifecycle.postStart.tcpSocket": ("refused", "use exec, httpGet or sleep"),
    "lifecycle.preStop.tcpSocket": ("refused", "use exec, httpGet or sleep"),
    "livenessProbe.grpc": ("refused", "use exec, httpGet or tcpSocket"),
    "readinessProbe.grpc": ("refused", "use exec, httpGet or tcpSocket"),
    "startupProbe.grpc": ("refused", "use exec, httpGet or tcpSocket"),
    "ports[].hostPort": ("refused", "use a Service of type NodePort on the ingress gateway"),
    "ports[].hostIP": ("refused", "everything listens on 127.0.0.1"),
    "env[].valueFrom.fileKeyRef": ("refused", "use configMapKeyRef or secretKeyRef"),
    "volumeMounts[].readOnly": ("no effect", _USER),
    "volumeMounts[].recursiveReadOnly": ("no effect", _USER),
    "volumeMounts[].bindMountOptions": ("no effect", "mounts are links"),
    "volumeMounts[].mountPropagation": ("no effect", "mounts are links"),
    "volumeMounts[].subPathExpr": ("refused", "use subPath"),
}
"""Fields of a container."""

VOLUME: Mapping[str, tuple[Effect, str]] = {
    "emptyDir.medium": ("no effect", "it is a folder of the pod's"),
    "emptyDir.sizeLimit": ("no effect", "resources are not limited"),
    "configMap.defaultMode": ("no effect", "files are readable by their owner alone"),
    "secret.defaultMode": ("no effect", "files are readable by their owner alone"),
    "projected.defaultMode": ("no effect", "files are readable by their owner alone"),
    "downwardAPI.defaultMode": ("no effect", "files are readable by their owner alone"),
    "projected.sources[].serviceAccountToken.audience": ("no effect", "it is the API server's"),
    "projected.sources[].serviceAccountToken.expirationSeconds": ("no effect", "the token holds for a year"),
    "projected.sources[].clusterTrustBundle": ("refused", "there are none"),
    "projected.sources[].podCertificate": ("refused", "there are none"),
    "": ("refused", "pocket has emptyDir, configMap, secret, projected and downwardAPI"),  # any other kind
}
"""Fields of a volume; the empty name stands for all kinds of volume that pocket does not have."""

JOB: Mapping[str, tuple[Effect, str]] = {
    "scheduling": ("no effect", _ONE_NODE),
    "podReplacementPolicy": ("no effect", "a pod is replaced when it has failed or is on its way out"),
    "backoffLimitPerIndex": ("refused", "use backoffLimit"),
    "maxFailedIndexes": ("refused", "use backoffLimit"),
    "podFailurePolicy": ("refused", "use backoffLimit"),
    "successPolicy": ("refused", "use completions"),
    "managedBy": ("refused", "pocket's own controller is the only one"),
    "manualSelector": ("refused", "the selector is made by the controller"),
}
"""Fields of a Job's spec."""

VOLUMES = ("emptyDir", "configMap", "secret", "projected", "downwardAPI")


def check(obj: Obj) -> list[FieldError]:
    """What a Pod, or the template of a Deployment, ReplicaSet or Job, asks for that pocket cannot honour.

    Nothing for other kinds.
    """
    spec = obj.get("spec") or {}
    match obj.get("kind"):
        case "Pod":
            return list(_pod_spec(spec, "spec"))
        case "Deployment" | "ReplicaSet":
            return list(_pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.template.spec"))
        case "Job":
            below = _pod_spec((spec.get("template") or {}).get("spec") or {}, "spec.template.spec")
            return [*_refusals(spec, JOB, "spec"), *below]
    return []


def _pod_spec(spec: Obj, path: str) -> Iterator[FieldError]:
    yield from _refusals(spec, POD, path)
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            yield from _refusals(container, CONTAINER, f"{path}.{group}[{index}]")
    for index, volume in enumerate(spec.get("volumes") or ()):
        here = f"{path}.volumes[{index}]"
        yield from _refusals(volume, VOLUME, here)
        for kind in sorted(set(volume) - {"name"} - set(VOLUMES)):
            yield _refused(f"{here}.{kind}", VOLUME[""][1])


def _refusals(obj: Obj, table: Mapping[str, tuple[Effect, str]], path: str) -> Iterator[FieldError]:
    for field, (effect, reason) in table.items():
        if effect == "refused" and field:
            for place in _given(obj, field, path):
                yield _refused(place, reason)


def _refused(path: str, reason: str) -> FieldError:
    return FieldError(path, f"not supported by pocket: {reason}")


def _given(value: Any, field: str, path: str) -> Iterator[str]:
    """Where in `value` the field stands with a meaning: false, zero, empty is as good as not there."""
    name, _, rest = field.partition(".")
    if not isinstance(value, dict):
        return
    many = name.endswith("[]")
    name = name.removesuffix("[]")
    found = value.get(name)
    if not found:
        # `grpc: {}` is a choice as well.
        if found == {} and not rest and not many:
            yield f"{path}.{name}"
        return
    if many:
        for index, entry in enumerate(found):
            yield from _given(entry, rest, f"{path}.{name}[{index}]")
    elif rest:
        yield from _given(found, rest, f"{path}.{name}")
    else:
        yield f"{path}.{name}"


def markdown() -> str:
    """The tables for docs/pocket.md."""
    lines = ["| field | what pocket does | why |", "|---|---|---|"]
    for prefix, table in (
        ("pod `spec.", POD), ("container `", CONTAINER), ("volume `", VOLUME), ("Job `spec.", JOB)
    ):  # fmt: skip
        for field, (effect, reason) in table.items():
            name = f"{prefix}{field}`" if field else f"any other kind of {prefix.split(' ')[0]}"
            lines.append(f"| {name} | {effect} | {reason} |")
    return "\n".join(lines) + "\n"
