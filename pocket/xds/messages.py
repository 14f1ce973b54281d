"""Envoy's published protobuf messages: the JSON form of a resource into the bytes that travel. Pure.

The messages come from PyPI's `xds-protos`, which gRPC's authors generate from Envoy's repository. Only the packages
that a configuration names are loaded.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import json_format, symbol_database
from google.protobuf.message import Message

from pocket.mesh.model import Resource

PREFIX = "type.googleapis.com/"

CLUSTER = f"{PREFIX}envoy.config.cluster.v3.Cluster"
ENDPOINT = f"{PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment"
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


def wire(kind: str, resource: Resource) -> Wire:
    """A resource of a type (CLUSTER ...). Raises ValueError where it is no such message: a fault of pocket's."""
    text = json.dumps(resource, sort_keys=True, separators=(",", ":"))
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    message = _class_of(kind)()
    try:
        json_format.ParseDict(_prepared(resource), message)
    except json_format.ParseError as error:
        raise ValueError(f"{kind.removeprefix(PREFIX)} {resource.get('name')}: {error}") from error
    return Wire(version, message.SerializeToString(deterministic=True))


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
