"""Short ways to write the objects that controllers look at."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from pocket.objects import Obj

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
_count = itertools.count(1)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def owned_by(owner: Obj) -> list[Obj]:
    return [
        {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
    ]


def pod(
    name: str = "", *, owner: Obj | None = None, ready: bool = True, since: float = 100, created: float = 100,
    phase: str = "Running", labels: dict[str, str] | None = None, going: bool = False, **meta: Any,
) -> Obj:  # fmt: skip
    """Ready `since` so many seconds, `created` so many seconds ago."""
    number = next(_count)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name or f"p{number}",
            "namespace": "ns",
            "uid": f"pod-{number}",
            "labels": {"app": "a"} if labels is None else labels,
            "creationTimestamp": ago(created),
            **({"ownerReferences": owned_by(owner)} if owner else {}),
            **({"deletionTimestamp": ago(1)} if going else {}),
            **meta,
        },
        "spec": {"containers": [{"name": "a"}]},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": ago(since)}],
        },
    }


def template(word: str = "one") -> Obj:
    return {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "WORD", "value": word}]}]},
    }
