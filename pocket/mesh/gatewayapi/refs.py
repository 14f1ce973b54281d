"""References of Gateway API objects: to what, whether a ReferenceGrant allows it, and which host it comes to.

The words of the problems are those of Istio's control plane (pilot/pkg/config/kube/gateway).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pocket.mesh.model import GATEWAY_API
from pocket.mesh.names import service_host
from pocket.objects import Obj, name_of

GROUP = GATEWAY_API
CONTROLLER = "istio.io/gateway-controller"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a route or a listener, as its condition says it."""

    reason: str
    message: str


class Hopeless(Exception):
    """Nothing at all comes of a route."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(reason, message)


def target(reference: Mapping[str, Any], kind: str = "Service", group: str = "") -> tuple[str, str]:
    """The group and kind that a reference means; `kind` and `group` are what it means where it says nothing."""
    named = reference.get("group")
    return group if named is None else str(named), str(reference.get("kind") or kind)


def granted(grants: Iterable[Obj], source: tuple[str, str], wanted: tuple[str, str], name: str, namespace: str) -> bool:
    """May objects like `source` (kind, namespace) refer to `wanted` (group, kind) `name` in `namespace`?"""
    for grant in grants:
        if grant["metadata"].get("namespace") != namespace:
            continue
        spec = grant["spec"]
        from_it = any((one["group"], one["kind"], one["namespace"]) == (GROUP, *source) for one in spec["from"])
        to_it = any((one["group"], one["kind"]) == wanted and one.get("name") in (None, "", name) for one in spec["to"])
        if from_it and to_it:
            return True
    return False


class Backends:
    """Where the rules of one route may send requests."""

    def __init__(
        self,
        route: Obj,
        kind: str,
        services: Iterable[Obj],
        hosts: Iterable[str],
        grants: Sequence[Obj],
        *,
        strict: bool,
    ) -> None:
        """`hosts`: those that the mesh knows; `strict`: other namespaces have to allow it, as for gateways."""
        self._source = kind, str(route["metadata"]["namespace"])
        self._services = {(obj["metadata"].get("namespace"), name_of(obj)) for obj in services}
        self._hosts = frozenset(hosts)
        self._grants = grants
        self._strict = strict

    def destination(self, reference: Mapping[str, Any]) -> tuple[dict[str, Any], Problem | None]:
        """Istio's destination. It names no host, which answers 500, where there is a problem of a certain kind.

        Raises Hopeless.
        """
        kind, own = self._source
        name, namespace = str(reference["name"]), reference.get("namespace") or own
        wanted = target(reference)
        if self._strict and namespace != own and not granted(self._grants, self._source, wanted, name, namespace):
            words = f'backendRef {name}/{namespace} not accessible to a {kind} in namespace "{own}" '
            return {"host": ""}, Problem("RefNotPermitted", f"{words}(missing a ReferenceGrant?)")
        if wanted == ("", "Service"):
            if "." in name:
                raise Hopeless(
                    "InvalidDestination",
                    "service name invalid; the name of the Service must be used, not the hostname.",
                )
            host = service_host(name, namespace)
            known = (namespace, name) in self._services
        elif wanted == ("networking.istio.io", "Hostname"):
            if reference.get("namespace"):
                raise Hopeless("InvalidDestination", "namespace may not be set with Hostname type")
            host, known = name, name in self._hosts
        else:
            words = f'referencing unsupported backendRef: group "{wanted[0]}" kind "{wanted[1]}"'
            return {"host": ""}, Problem("InvalidKind", words)
        if reference.get("port") is None:
            raise Hopeless("InvalidDestination", "port is required in backendRef")
        problem = None if known else Problem("BackendNotFound", f"backend({host}) not found")
        return {"host": host, "port": {"number": reference["port"]}}, problem
