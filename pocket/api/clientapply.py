"""The step from client-side to server-side apply: the annotation in which kubectl keeps what it applied last.

As in the real server (apimachinery's lastAppliedManager and lastAppliedUpdater), and only for kubectl itself.
"""

from __future__ import annotations

import json

from pocket.api import managedfields
from pocket.objects import Obj

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_LIMIT = 256 * 1024  # bytes that annotations may have together


def fields(place: managedfields.Place, live: Obj) -> managedfields.FieldSet:
    """The fields that kubectl has applied on the client's side; none if it has not."""
    text = (live["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        applied = json.loads(text) if text else None
    except ValueError:
        return frozenset()  # somebody wrote something else there: then nothing was applied
    return frozenset(managedfields.fields_of(place, applied)) if isinstance(applied, dict) else frozenset()


def renew(obj: Obj, applied: Obj) -> None:
    """Where the annotation is, bring it up to date, so that a later client-side apply knows what to remove."""
    annotations = obj["metadata"].get("annotations") or {}
    if ANNOTATION not in annotations:
        return
    text = json.dumps(applied, separators=(",", ":"), sort_keys=True) + "\n"
    if len(text.encode()) < _LIMIT:
        annotations[ANNOTATION] = text
    else:
        del annotations[ANNOTATION]
