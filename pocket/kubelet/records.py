"""What the kubelet must remember of a pod when the control process dies: a JSON file in the pod's folder.

    pods/UID/record.json            this
    pods/UID/.volumes/NAME          its volumes
    pods/UID/CONTAINER/rootfs       the container's copy of the image
    pods/UID/CONTAINER/N.log        what its start number N has written; N.log.times when; N.exit how it ended
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pocket.files import write_private
from pocket.objects import Obj
from pocket.processes import ProcessId

FILE = "record.json"


@dataclass
class ContainerRecord:
    """One container of a pod."""

    digest: str = ""  # the image it is made from
    attempt: int = -1  # number of the last start, from 0: also its restart count
    process: ProcessId | None = None  # of that start; None while it is not (or no longer) running
    started_at: str = ""  # RFC 3339
    terminated: Obj | None = None  # how the last start ended, as in a container status
    last: Obj | None = None  # how the start before it ended
    finished: bool = False  # it will not be started again
    revision: str = ""  # of an Envoy: pocket.mesh.revision


@dataclass
class PodRecord:
    """One pod: who it is, which ports it has, what runs for it."""

    uid: str
    namespace: str
    name: str
    grace: float = 30.0  # seconds
    app_ports: dict[int, int] = field(default_factory=dict)  # containerPort -> where the application listens
    sockets: list[int] = field(default_factory=list)  # containerPorts for which it listens on a Unix socket instead
    inbound_ports: dict[int, int] = field(default_factory=dict)  # containerPort -> where its sidecar listens
    substitute_ports: dict[str, int] = field(default_factory=dict)  # external host (pattern) -> the sidecar's listener
    outbound_port: int = 0
    metrics_port: int = 0
    password: str = ""  # for the way out; without one (the pod of an earlier pocket) everybody has it
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    plain: bool = False  # no sidecar, but an Envoy that knows the Services

    def ports(self) -> list[int]:
        """Every port that the pod has from the pool."""
        ours = [*self.app_ports.values(), *self.inbound_ports.values(), *self.substitute_ports.values()]
        return [port for port in [*ours, self.outbound_port, self.metrics_port] if port]

    def save(self, folder: Path) -> None:
        """Write it down, in one piece. Raises OSError."""
        write_private(folder / FILE, json.dumps(asdict(self), indent=1).encode())


def load(folder: Path) -> PodRecord | None:
    """The record in a pod's folder; None where there is none that can be read."""
    try:
        return from_json(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def from_json(data: Mapping[str, Any]) -> PodRecord:
    """The reverse of `asdict`: JSON has text keys and no classes."""
    values = dict(data)
    for name in ("app_ports", "inbound_ports"):
        values[name] = {int(key): int(port) for key, port in values[name].items()}
    containers = {}
    for name, entry in values["containers"].items():
        process = ProcessId.from_json(entry["process"]) if entry["process"] else None
        containers[name] = ContainerRecord(**_known(ContainerRecord, {**entry, "process": process}))
    values["containers"] = containers
    return PodRecord(**_known(PodRecord, values))


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what a later pocket has added: its pods are not to be lost when an earlier one takes over."""
    names = {entry.name for entry in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
