"""From the path of a request to the resource that it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pocket.objects import Kind


@dataclass(frozen=True)
class Target:
    """What a request is about."""

    kind: Kind
    version: str  # `v1beta1`: the version that the client speaks
    namespace: str | None = None  # None: without namespace, or all of them
    name: str | None = None
    subresource: str = ""
    below: str = ""  # the path behind `proxy/`

    @property
    def api_version(self) -> str:
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version


class Kinds(Protocol):
    """Where the kinds are looked up (the catalog)."""

    def find(self, group: str, plural: str) -> Kind | None: ...


def parse(path: str, kinds: Kinds) -> Target | None:
    """`/apis/apps/v1/namespaces/c756ns/deployments/web/scale`; None for a path that means no resource."""
    steps = path.strip("/").split("/")
    if steps[0] == "api" and len(steps) >= 3:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) >= 4:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace: str | None = None
    # `namespaces/NAME/status` is about the namespace itself.
    own = kinds.find("", "namespaces")
    if rest[0] == "namespaces" and len(rest) >= 3 and not (
        group == "" and len(rest) == 3 and own is not None and rest[2] in own.subresources
    ):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, rest[0])
    if kind is None or version not in kind.versions or (namespace is not None and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else None
    subresource = rest[2] if len(rest) > 2 else ""
    below = ""
    if subresource == "proxy" and "proxy" in kind.subresources:
        below = "/".join(rest[3:])
    elif len(rest) > 3 or not all(rest):
        return None
    if subresource and subresource not in kind.subresources:
        return None
    if name is not None and kind.namespaced and namespace is None:
        return None
    return Target(kind, version, namespace, name, subresource, below)
