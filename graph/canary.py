"""A canary under way (tools/canary.sh), by the annotation on the VirtualService with the weights. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from graph.cluster import Obj
from graph.errors import Advice

ANNOTATION = "c756.io/canary"
MANAGER = "c756-canary"
"""The field manager of what a canary writes: weights at each step, its annotation at each look."""


def step_began(virtual_service: Obj) -> int | None:
    """When a canary under way last wrote the weights (unix seconds); None where there is none, or it cannot be read."""
    try:
        state = json.loads((virtual_service["metadata"].get("annotations") or {})[ANNOTATION])
        return int(state["began"])
    except (ValueError, TypeError, KeyError):
        return None


def under_way(virtual_services: Iterable[Obj], now: float) -> list[Advice]:
    """What people should know of it: step, verdict, next look. What cannot be read is nobody's canary."""
    found = []
    for service in virtual_services:
        text = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
        try:
            state = json.loads(text) if text else None
            if state:
                found.append(Advice("canary", _message(state), _cure(state, now)))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def _message(state: Obj) -> str:
    step = f" (step {state['step']} of {len(state['steps'])})" if state["step"] else ""
    verdict = f" {state['verdict'].capitalize()}: {state['why']}." if state["verdict"] else ""
    return (
        f"A canary of {state['version']} beside {state['stable']}, {state['phase']}: "
        f"{int(state['weight'])} % of the requests{step}.{verdict}"
    )


def _cure(state: Obj, now: float) -> str:
    if state["next"] < now - 60:
        return f"Nobody looks at it: tools/canary.sh {state['version']} goes on, tools/canary.sh abort rolls back."
    return f"Next look at {time.strftime('%H:%M:%S', time.localtime(state['next']))}."
