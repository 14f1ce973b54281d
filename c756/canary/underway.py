"""Is a canary under way, and how is it ended from outside? What everybody asks who wants to change the weights."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence

from c756.canary import cluster, routes
from c756.canary.cluster import Traffic
from c756.canary.routes import Json, Split
from c756.canary.state import State, alive, read


def find(services: Sequence[Json]) -> State | None:
    """The canary whose annotation stands on one of the VirtualServices. Raises ValueError."""
    return next((state for one in services if (state := read(one))), None)


def is_alive(state: State) -> bool:
    return alive(state, time.time(), socket.gethostname(), _runs(state.pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def described(state: State) -> str:
    if is_alive(state):
        return f"{state.line()} (by {state.user} on {state.host}, process {state.pid})"
    return f"{state.line()}; its process (of {state.user} on {state.host}) is gone"


def status() -> int:
    """Says whether one is under way."""
    state = find(cluster.virtual_services())
    print(described(state) if state else "no canary is under way")
    return 0


def refuse() -> int:
    """For whoever else wants to change the weights: 1, with the reason, while a canary is under way."""
    state = find(cluster.virtual_services())
    if state is None:
        return 0
    go_on = "" if is_alive(state) else f" To go on with it: tools/canary.sh {state.version}."
    print(f"{described(state)}.\nTo end it at once and roll back: tools/canary.sh abort.{go_on}", file=sys.stderr)
    return 1


def abort() -> int:
    """Rolls back what is under way, whoever began it; a process that is at it notices, and ends."""
    services = cluster.virtual_services()
    state = find(services)
    if state is None:
        print("no canary is under way")
        return 0
    split = Split(cluster.HOSTS, state.stable, state.version)
    traffic = Traffic(split, routes.carriers(services, split))
    traffic.write(None, weight=0)
    traffic.event("CanaryAborted", f"{state.version} had {state.weight} %; {state.stable} has everything", warning=True)
    print(f"rolled back: {state.stable} has all of the traffic")
    return 0
