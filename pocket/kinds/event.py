"""The kind Event: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime

from pocket.api.ages import since
from pocket.kinds.columns import Column, at, meta
from pocket.kinds.strategy import Strategy
from pocket.objects import Kind, Obj


def _event_object(event: Obj, _: datetime) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_last(event: Obj, moment: datetime) -> str:
    return since(moment_of(event), moment)


def _event_first(event: Obj, moment: datetime) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime") or meta(event, "creationTimestamp"), moment)


def _event_source(event: Obj, _: datetime) -> str:
    source = event.get("source") or {}
    name, host = source.get("component") or event.get("reportingComponent") or "", source.get("host")
    return f"{name}, {host}" if host else name


# events.k8s.io/v1 names the same fields differently (pkg/apis/events/v1/conversion.go).
_RENAMED = {
    "involvedObject": "regarding", "message": "note", "source": "deprecatedSource", "count": "deprecatedCount",
    "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    "reportingComponent": "reportingController",
}  # fmt: skip


_PARTS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_OBJECT = tuple(f"involvedObject.{part}" for part in _PARTS)
_OBJECT_NEW = tuple(f"regarding.{part}" for part in _PARTS)


def _from_stored(event: Obj, kind: Kind, _: str) -> Obj:
    shown = {**event, "metadata": {key: value for key, value in event["metadata"].items() if key != "generation"}}
    return {_RENAMED.get(name, name): value for name, value in shown.items()} if kind.group else shown


def _to_stored(event: Obj, kind: Kind) -> Obj:
    back = {new: old for old, new in _RENAMED.items()} if kind.group else {}
    return {**{back.get(name, name): value for name, value in event.items()}, "apiVersion": "v1"}


def moment_of(event: Obj) -> str:
    """When it happened last."""
    series = event.get("series") or {}
    return str(
        series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        or meta(event, "creationTimestamp") or ""
    )  # fmt: skip


STRATEGY = Strategy(
    "Event",
    to_stored=_to_stored,
    from_stored=_from_stored,
    watched=False,
    fields=(*_OBJECT, *_OBJECT_NEW, "reason", "reportingComponent", "reportingController", "source", "type"),
    aliases={
        **{new: (old,) for old, new in zip(_OBJECT, _OBJECT_NEW, strict=True)},
        "source": ("source.component", "reportingComponent"),
        "reportingController": ("reportingComponent",),
    },
    columns=(
        Column("Last Seen", _event_last),
        Column("Type", at("type")),
        Column("Reason", at("reason")),
        Column("Object", _event_object),
        Column("Subobject", at("involvedObject", "fieldPath"), wide=True),
        Column("Source", _event_source, wide=True),
        Column("Message", lambda event, _: str(event.get("message", "")).strip()),
        Column("First Seen", _event_first, wide=True),
        Column("Count", at("count", default=1), wide=True, type="integer"),
        Column("Name", at("metadata", "name"), wide=True, format="name"),
    ),
)
