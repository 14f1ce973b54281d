"""What stands in the annotation of a VirtualService while a canary is under way, and who may go on with it. Pure.

The annotation changes in the same request as the weights, under the object's resourceVersion, so that what it says of
them is true, and of two canaries at once only one gets its request through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

ANNOTATION = "c756.io/canary"
"""On the first VirtualService (by name) that carries the weights."""


@dataclass(frozen=True)
class State:
    """A canary under way. Times are seconds since 1970."""

    id: str
    version: str
    stable: str
    phase: str  # deploying, warming up, judging
    weight: int  # of a hundred requests, to the version
    step: int  # from 1; 0 before the first
    steps: tuple[int, ...]
    began: float  # the step, by Prometheus' clock
    looked: float
    next: float  # when the next look is
    lease: float  # until when its process promises to write here again
    user: str
    host: str
    pid: int
    verdict: str = ""
    why: str = ""

    def text(self) -> str:
        """The annotation's value."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    def line(self) -> str:
        """For people."""
        steps = f", step {self.step} of {len(self.steps)}" if self.step else ""
        verdict = f"; {self.verdict}: {self.why}" if self.verdict else ""
        return f"a canary of {self.version} is {self.phase}, {self.weight} % of the requests{steps}{verdict}"


def read(service: Mapping[str, Any]) -> State | None:
    """The state on a VirtualService; None where there is none. Raises ValueError for one that cannot be read."""
    text = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
    if not text:
        return None
    try:
        content = json.loads(text)
        known = {field.name for field in fields(State)}
        return State(**{**{key: content[key] for key in content if key in known}, "steps": tuple(content["steps"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        name = service["metadata"]["name"]
        raise ValueError(
            f"the annotation {ANNOTATION} of the VirtualService {name} cannot be read ({error}). To remove it: "
            f"kubectl -n {service['metadata'].get('namespace')} annotate virtualservice {name} {ANNOTATION}-"
        ) from error


def alive(state: State, now: float, host: str, process_runs: bool) -> bool:
    """Is somebody at it? Here the process itself tells, elsewhere the lease."""
    return process_runs if state.host == host else now < state.lease
