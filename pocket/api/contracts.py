"""What the API server needs from the rest of pocket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pocket.objects import FieldError, Obj
from pocket.sockets import Address


@dataclass(frozen=True)
class ExecContext:
    """Where and how a command in a container runs."""

    cwd: Path
    env: dict[str, str]
    root: Path | None = None  # the container's own tree: an argument `/code/app.py` that is in it means that file


@dataclass(frozen=True)
class Usage:
    """What something uses."""

    cpu: float  # processors, on average over a window
    memory: int  # bytes


@dataclass(frozen=True)
class Figures:
    """What the containers of a pod use, or the machine."""

    taken: datetime  # the end of the window
    window: float  # seconds
    containers: Mapping[str, Usage]


class PodRuntime(Protocol):
    """The kubelet's side of `kubectl logs`, `exec`, `port-forward` and `top`."""

    def log_file(self, pod: Obj, container: str, previous: bool) -> Path:
        """The log of a container, or of the run before its last restart; the file need not exist."""
        ...

    def exec_context(self, pod: Obj, container: str) -> ExecContext:
        """Raises LookupError when the container has no files yet."""
        ...

    def port_address(self, pod: Obj, port: int) -> Address:
        """Where what a pod calls its `port` is to be reached here. Raises LookupError where there is none."""
        ...

    async def usage(self, pods: Sequence[Obj]) -> Mapping[str, Figures]:
        """Of each of these pods, by its uid; those without figures (yet) are left out."""
        ...

    def machine_usage(self) -> Figures | None:
        """Of the node, with one "container" of any name; None as long as there are no figures."""
        ...


class Admission(Protocol):
    """The rules that are pocket's own: for the custom resources (Istio, ServiceMonitor), and what it cannot honour."""

    def check(self, obj: Obj) -> list[FieldError]:
        """What is wrong with it; `unknown field` is the message for a field that the kind does not have."""
        ...

    def honours(self, kind: str) -> bool:
        """Does anything come of a custom kind that pocket brings along, by what the store calls it?"""
        ...

    def warnings(self, obj: Obj) -> list[str]:
        """What is accepted but probably not meant."""
        ...
