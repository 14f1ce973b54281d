"""Envoy's published protobuf messages: the JSON form of a resource into the bytes that travel. Pure.

The messages come from PyPI's `xds-protos`, which gRPC's authors generate from Envoy's repository. Only the packages
that a configuration names are loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message

from pocket.mesh.model import Joined, Resource

PREFIX = "type.googleapis.com/"

CLUSTER = f"{PREFIX}envoy.config.cluster.v3.Cluster"
ENDPOINT = f"{PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET = f"{PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret"
LISTENER = f"{PREFIX}envoy.config.listener.v3.Listener"
ROUTE = f"{PREFIX}envoy.config.route.v3.RouteConfiguration"

_NEWER = frozenset({f"{PREFIX}envoy.extensions.access_loggers.stats.v3.Config"})
"""Messages that have fields in our Envoy which the package does not know yet. They travel as TypedStruct, which Envoy
turns into the message itself (https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension)."""

_STRUCT = f"{PREFIX}xds.type.v3.TypedStruct"


@dataclass(frozen=True)
class Wire:
    """A resource as it travels: the bytes of its message, and a version that is the hash of its content."""

    version: str
    data: bytes
    empty: bool = False  # endpoints without one: a cluster loses its last one only after the routes


class Encoder:
    """Makes resources into wires, each once as long as it stays the same.

    Most of what a change brings is what was there before, for many Envoys at once; making a message costs fifty times
    as much as seeing that.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, Mapping[str, Wire]]] = {}  # by identity, which holds as long as it is kept
        self._one: dict[int, tuple[Resource, Wire]] = {}
        self._made: dict[str, Wire] = {}  # by content
        self._before: dict[str, Wire] = {}

    def begin(self) -> None:
        """Another state of the cluster: forget what the one before the last one had."""
        self._seen, self._one, self._before, self._made = {}, {}, self._made, {}

    def wires(self, kind: str, resources: Mapping[str, Resource]) -> Mapping[str, Wire]:
        """Resources of a type (CLUSTER ...) by name; they must not change any more.

        Raises ValueError where one is no such message: a fault of pocket's.
        """
        if isinstance(resources, Joined):  # what several Envoys share is looked at once
            joined: dict[str, Wire] = {}
            for part in resources.parts:
                joined.update(self.wires(kind, part))
            return joined
        found = self._seen.get(id(resources))
        if found is None:
            made = {name: self._wire(kind, resource) for name, resource in resources.items()}
            found = self._seen[id(resources)] = (resources, made)
        return found[1]

    def _wire(self, kind: str, resource: Resource) -> Wire:
        found = self._one.get(id(resource))
        if found is None:
            made = self._routes(resource) if kind == ROUTE else self._part(kind, resource)
            found = self._one[id(resource)] = (resource, made)
        return found[1]

    def _part(self, kind: str, resource: Resource) -> Wire:
        version = _digest(kind, json.dumps(resource, sort_keys=True, separators=(",", ":")))
        empty = kind == ENDPOINT and not resource.get("endpoints")
        return self._kept(version, lambda: Wire(version, encoded(kind, resource), empty))

    def _routes(self, resource: Resource) -> Wire:
        """Virtual host by virtual host: messages one after the other are one message with the repeated fields of all
        (https://protobuf.dev/programming-guides/encoding/#last-one-wins)."""
        hosts = resource.get("virtual_hosts") or []
        rest = {key: value for key, value in resource.items() if key != "virtual_hosts"}
        parts = [self._part(ROUTE, rest), *(self._part(ROUTE, {"virtual_hosts": [host]}) for host in hosts)]
        version = _digest(*(part.version for part in parts))
        return self._kept(version, lambda: Wire(version, b"".join(part.data for part in parts)))

    def _kept(self, version: str, make: Callable[[], Wire]) -> Wire:
        wire = self._made.get(version) or self._before.get(version) or make()
        self._made[version] = wire
        return wire


def encoded(kind: str, resource: Resource) -> bytes:
    """The bytes of a resource's message. Raises ValueError where it is none."""
    message = _class_of(kind)()
    try:
        json_format.ParseDict(_prepared(resource), message)
    except json_format.ParseError as error:
        raise ValueError(f"{kind.removeprefix(PREFIX)} {resource.get('name')}: {error}") from error
    return bytes(message.SerializeToString(deterministic=True))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _prepared(node: Any) -> Any:
    """The same JSON, with every message that it names loaded, and those of _NEWER wrapped."""
    if isinstance(node, Mapping):
        kind = node.get("@type")
        if kind in _NEWER:
            _class_of(_STRUCT)
            return {"@type": _STRUCT, "type_url": kind, "value": {k: v for k, v in node.items() if k != "@type"}}
        if kind is not None:
            _class_of(kind)
        return {key: _prepared(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_prepared(value) for value in node]
    return node


@cache
def _class_of(kind: str) -> type[Message]:
    """The class of a message; its package is loaded the first time. Raises LookupError."""
    name = kind.removeprefix(PREFIX)
    package = importlib.import_module(name.rpartition(".")[0])
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.endswith("_pb2"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    found: type[Message] = symbol_database.Default().GetSymbol(name)
    return found
