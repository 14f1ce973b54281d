"""Bodies in protobuf: kubectl sends them where it makes an object itself (`create secret`, `create namespace`, ...).

An object comes as four magic bytes, an envelope with its apiVersion and kind, and its fields by number
(https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding). The numbers below are those of
Kubernetes' generated.proto files, for the types that kubectl makes itself; what else comes is refused by number.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pocket.api import schema
from pocket.objects import KINDS, Obj

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_DEPTH = 40  # levels of messages in messages


class ProtobufError(ValueError):
    """The body cannot be read."""


# A star marks an optional value (a pointer in Go): it is there or not. The others are always sent, and mean nothing
# when they are zero.
_NUMBERS: dict[str, str] = {
    "meta_v1.ObjectMeta": (
        "name=1 generateName=2 namespace=3 selfLink=4 uid=5 resourceVersion=6 generation=7 creationTimestamp=8 "
        "deletionTimestamp=9 deletionGracePeriodSeconds=10* labels=11 annotations=12 ownerReferences=13 finalizers=14"
    ),
    "meta_v1.OwnerReference": "kind=1 name=3 uid=4 apiVersion=5 controller=6* blockOwnerDeletion=7*",
    "meta_v1.LabelSelector": "matchLabels=1 matchExpressions=2",
    "meta_v1.LabelSelectorRequirement": "key=1 operator=2 values=3",
    "meta_v1.DeleteOptions": (
        "gracePeriodSeconds=1* preconditions=2 orphanDependents=3* propagationPolicy=4* dryRun=5"
    ),
    "meta_v1.Preconditions": "uid=1* resourceVersion=2*",
    "core_v1.Namespace": "metadata=1 spec=2 status=3",
    "core_v1.NamespaceSpec": "finalizers=1",
    "core_v1.Secret": "metadata=1 data=2 type=3 stringData=4 immutable=5*",
    "core_v1.ConfigMap": "metadata=1 data=2 binaryData=3 immutable=4*",
    "core_v1.ServiceAccount": "metadata=1 secrets=2 imagePullSecrets=3 automountServiceAccountToken=4*",
    "core_v1.LocalObjectReference": "name=1",
    "core_v1.Service": "metadata=1 spec=2 status=3",
    "core_v1.ServiceSpec": (
        "ports=1 selector=2 clusterIP=3 type=4 externalIPs=5 sessionAffinity=7 loadBalancerIP=8 "
        "loadBalancerSourceRanges=9 externalName=10 externalTrafficPolicy=11 healthCheckNodePort=12 "
        "publishNotReadyAddresses=13 ipFamilyPolicy=17* clusterIPs=18 ipFamilies=19 "
        "allocateLoadBalancerNodePorts=20* loadBalancerClass=21* internalTrafficPolicy=22* trafficDistribution=23*"
    ),
    "core_v1.ServicePort": "name=1 protocol=2 port=3 targetPort=4 nodePort=5 appProtocol=6*",
    "core_v1.PodTemplateSpec": "metadata=1 spec=2",
    "core_v1.Pod": "metadata=1 spec=2 status=3",
    "core_v1.PodSpec": (
        "containers=2 restartPolicy=3 terminationGracePeriodSeconds=4* activeDeadlineSeconds=5* "
        "dnsPolicy=6 nodeSelector=7 serviceAccountName=8 serviceAccount=9 nodeName=10 hostNetwork=11 hostPID=12 "
        "hostIPC=13 imagePullSecrets=15 hostname=16 subdomain=17 schedulerName=19 initContainers=20 "
        "automountServiceAccountToken=21* priorityClassName=24 priority=25* shareProcessNamespace=27* "
        "runtimeClassName=29* enableServiceLinks=30* preemptionPolicy=31*"
    ),
    "core_v1.Container": (
        "name=1 image=2 command=3 args=4 workingDir=5 ports=6 env=7 resources=8 terminationMessagePath=13 "
        "imagePullPolicy=14 stdin=16 stdinOnce=17 tty=18 terminationMessagePolicy=20"
    ),
    "core_v1.ContainerPort": "name=1 hostPort=2 containerPort=3 protocol=4 hostIP=5",
    "core_v1.EnvVar": "name=1 value=2",
    "core_v1.ResourceRequirements": "limits=1 requests=2",
    "apps_v1.Deployment": "metadata=1 spec=2 status=3",
    "apps_v1.DeploymentSpec": (
        "replicas=1* selector=2 template=3 strategy=4 minReadySeconds=5 revisionHistoryLimit=6* paused=7 "
        "progressDeadlineSeconds=9*"
    ),
    "apps_v1.DeploymentStrategy": "type=1 rollingUpdate=2",
    "apps_v1.RollingUpdateDeployment": "maxUnavailable=1 maxSurge=2",
    "batch_v1.Job": "metadata=1 spec=2 status=3",
    "batch_v1.JobSpec": (
        "parallelism=1* completions=2* activeDeadlineSeconds=3* selector=4 manualSelector=5* template=6 "
        "backoffLimit=7* ttlSecondsAfterFinished=8* completionMode=9* suspend=10* podReplacementPolicy=14*"
    ),
    "policy_v1.PodDisruptionBudget": "metadata=1 spec=2 status=3",
    "policy_v1.PodDisruptionBudgetSpec": "minAvailable=1 selector=2 maxUnavailable=3 unhealthyPodEvictionPolicy=4*",
    "policy_v1.Eviction": "metadata=1 deleteOptions=2",
    "autoscaling_v2.HorizontalPodAutoscaler": "metadata=1 spec=2 status=3",
    "autoscaling_v2.HorizontalPodAutoscalerSpec": "scaleTargetRef=1 minReplicas=2* maxReplicas=3 metrics=4",
    "autoscaling_v2.CrossVersionObjectReference": "kind=1 name=2 apiVersion=3",
    "autoscaling_v2.MetricSpec": "type=1 resource=4",
    "autoscaling_v2.ResourceMetricSource": "name=1 target=2",
    "autoscaling_v2.MetricTarget": "type=1 value=2 averageValue=3 averageUtilization=4*",
    "authorization_v1.SelfSubjectAccessReview": "metadata=1 spec=2 status=3",
    "authorization_v1.SelfSubjectAccessReviewSpec": "resourceAttributes=1 nonResourceAttributes=2",
    "authorization_v1.ResourceAttributes": "namespace=1 verb=2 group=3 version=4 resource=5 subresource=6 name=7",
    "authorization_v1.NonResourceAttributes": "path=1 verb=2",
    "authorization_v1.SelfSubjectRulesReview": "metadata=1 spec=2 status=3",
    "authorization_v1.SelfSubjectRulesReviewSpec": "namespace=1",
    "authentication_v1.SelfSubjectReview": "metadata=1 status=2",
}

_OTHER_KINDS = {
    "DeleteOptions": "meta_v1.DeleteOptions",
    "Eviction": "policy_v1.Eviction",
    "SelfSubjectAccessReview": "authorization_v1.SelfSubjectAccessReview",
    "SelfSubjectRulesReview": "authorization_v1.SelfSubjectRulesReview",
    "SelfSubjectReview": "authentication_v1.SelfSubjectReview",
}


@dataclass(frozen=True)
class _Numbered:
    name: str
    optional: bool
    type: schema.Type


@functools.cache
def _numbered(type_name: str) -> dict[int, _Numbered]:
    fields = schema.struct(type_name).fields
    found = {}
    for entry in _NUMBERS.get(type_name, "").split():
        name, _, number = entry.partition("=")
        known = fields.get(name)
        found[int(number.rstrip("*"))] = _Numbered(
            name, number.endswith("*"), known.type if known else schema.Type("string")
        )
    return found


def parse_object(body: bytes) -> Obj:
    """The object in a body. Raises ProtobufError."""
    if not body.startswith(_MAGIC):
        raise ProtobufError("the body does not begin with the four bytes that mark a Kubernetes object")
    api_version = kind = ""
    raw = b""
    for number, value in _fields(body[len(_MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            names = {inner: entry for inner, entry in _fields(value) if isinstance(entry, bytes)}
            api_version, kind = _text(names.get(1, b"")), _text(names.get(2, b""))
        elif number == 2 and isinstance(value, bytes):
            raw = value
        elif value:
            raise ProtobufError(f"the envelope has a field {number}, which pocket does not know")
    type_name = _OTHER_KINDS.get(kind)
    if type_name is None and kind in KINDS and schema.is_builtin(KINDS[kind]):
        type_name = schema.type_of_kind(KINDS[kind])
    if type_name is None or type_name not in _NUMBERS:
        raise ProtobufError(f"pocket reads {kind or 'this object'} as JSON or YAML only, not as protobuf")
    return {"apiVersion": api_version, "kind": kind, **_message(raw, type_name, _DEPTH)}


def _message(data: bytes, type_name: str, depth: int) -> Obj:
    if depth == 0:
        raise ProtobufError("messages are nested too deeply")
    known = _numbered(type_name)
    result: Obj = {}
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            raise ProtobufError(
                f"pocket does not know field number {number} of {type_name.partition('.')[2]} in protobuf: "
                "send the object as JSON or YAML (kubectl apply -f)"
            )
        if field.name == "status":
            continue  # the server's own, in an object that the client makes
        if field.type.name == "list" and field.type.of:
            result.setdefault(field.name, []).append(_value(value, field.type.of, depth))
        elif field.type.name == "map" and field.type.of:
            key, entry = _entry(value, field.type.of, depth)
            result.setdefault(field.name, {})[key] = entry
        else:
            decoded = _value(value, field.type, depth)
            if field.optional or decoded not in ("", 0, False, None, {}):
                result[field.name] = decoded
    return result


def _entry(value: int | bytes, kind: schema.Type, depth: int) -> tuple[str, Any]:
    """One entry of a map: a message of key and value."""
    parts = dict(_fields(_bytes(value)))
    return _text(_bytes(parts.get(1, b""))), _value(parts.get(2, b""), kind, depth)


def _value(value: int | bytes, kind: schema.Type, depth: int) -> Any:
    match kind.name:
        case "string":
            return _text(_bytes(value))
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "boolean":
            return _int(value) != 0
        case "integer":
            number = _int(value)
            return number - 2**64 if number >= 2**63 else number
        case "quantity":
            return _text(_bytes(dict(_fields(_bytes(value))).get(1, b"")))
        case "time":
            parts = dict(_fields(_bytes(value)))
            seconds = _int(parts.get(1, 0))
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
        case "int-or-string":
            parts = dict(_fields(_bytes(value)))
            return _text(_bytes(parts.get(3, b""))) if parts.get(1) else _value(parts.get(2, 0), _INTEGER, depth)
        case "struct":
            return _message(_bytes(value), kind.struct, depth - 1)
    raise ProtobufError(f"pocket does not read values of type {kind.name} in protobuf")


_INTEGER = schema.Type("integer")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: an integer, or bytes (https://protobuf.dev/programming-guides/encoding/)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise ProtobufError("the body ends in the middle of a field")
            yield number, data[at : at + length]
            at += length
        else:
            raise ProtobufError(f"field {number} is encoded in a way that Kubernetes does not use ({wire})")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ProtobufError("the body ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ProtobufError("a number is too long")


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ProtobufError("a text is not UTF-8") from None


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    raise ProtobufError("a number stands where a text or a message belongs")


def _int(value: int | bytes) -> int:
    if isinstance(value, int):
        return value
    raise ProtobufError("a text or a message stands where a number belongs")
