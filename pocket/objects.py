"""Kubernetes objects as plain JSON dictionaries: the kinds that pocket serves, and small questions about them.

An object stays the dictionary that came in over the wire. Nothing here does I/O.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that stands for a process which the kubelet runs without it."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
"""What can be done with most kinds."""


@dataclass(frozen=True)
class Subresource:
    """What goes over the wire at `/PLURAL/NAME/SUBRESOURCE`, and what can be done with it."""

    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """One kind of object: where it stands in the API and how people call it."""

    name: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)  # the first one is the preferred one
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    verbs: tuple[str, ...] = VERBS
    subresources: Mapping[str, Subresource] = field(default_factory=dict, hash=False)
    custom: bool = False  # brought by a CustomResourceDefinition
    selectable: tuple[str, ...] = ()  # fields that its definition lets people select on
    storage: str = ""  # the version that is stored, where it is not the first one

    @property
    def api_versions(self) -> tuple[str, ...]:
        """`apps/v1`, or `v1` in the core group; the preferred one first."""
        return tuple(f"{self.group}/{v}" if self.group else v for v in self.versions)

    @property
    def stored_version(self) -> str:
        """The version of the stored objects: `apps/v1`."""
        return f"{self.group}/{self.storage}" if self.storage else self.api_versions[0]

    @property
    def key(self) -> str:
        """What the store calls the kind."""
        return key_of(self.group, self.name)


@functools.cache
def key_of(group: str, name: str) -> str:
    """What the store calls a kind: its name, and with it the group where that is not one of Kubernetes' or Istio's own.

    Names are unique among those (an Event has two groups, and is one object in both).
    """
    _, _, rest = group.partition(".")
    own = not rest or rest in ("istio.io", "k8s.io", "authorization.k8s.io", "apiserver.k8s.io", "coreos.com")
    return name if own else f"{name}.{group}"


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of an object."""

    path: str  # `spec.http[0].route[0].weight`
    message: str  # `unknown field`, `must be an integer`, `not supported by pocket: ...`

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def kind_of(obj: Obj) -> str:
    """The kind, as the store calls it: `Pod`; `HTTPRoute.gateway.networking.k8s.io`."""
    return key_of(str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj["kind"]))


def name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Obj) -> str | None:
    """The namespace, or None for an object without one (a Namespace, a Node)."""
    namespace = obj["metadata"].get("namespace")
    return None if namespace is None else str(namespace)


def uid_of(obj: Obj) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Obj) -> dict[str, str]:
    return dict(obj["metadata"].get("labels") or {})


def annotations_of(obj: Obj) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})


def matches(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Does an equality selector (a Service's `spec.selector`) pick these labels? An empty one picks nothing."""
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())


def owner_of(obj: Obj) -> Obj | None:
    """The owner reference of the controller that made the object, if any."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def condition(obj: Obj, kind: str) -> Obj | None:
    """The status condition of that type, if the object has it."""
    for entry in (obj.get("status") or {}).get("conditions") or ():
        if entry.get("type") == kind:
            return dict(entry)
    return None


TERMINAL = ("Succeeded", "Failed")
"""The phases of a pod that has ended."""


def is_active(pod: Obj) -> bool:
    """Neither ended nor on its way out."""
    return (pod.get("status") or {}).get("phase") not in TERMINAL and not pod["metadata"].get("deletionTimestamp")


def share(value: int | str | None, total: int, default: int | str, *, up: bool) -> int:
    """An int-or-percent of `total`, rounded up or down."""
    value = default if value is None else value
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if up else math.floor(exact)


def is_ready(pod: Obj) -> bool:
    """Is the pod's Ready condition true, and the pod not on its way out?"""
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True" and not pod["metadata"].get("deletionTimestamp")
