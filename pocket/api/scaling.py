"""The scale subresource: the number of replicas, wherever a kind has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pocket.api.catalog import Catalog
from pocket.api.target import Target
from pocket.kinds.columns import NONE, selector_text
from pocket.objects import Obj
from pocket.schemas import definitions


@dataclass(frozen=True)
class Places:
    """Where the numbers and the selector stand."""

    replicas: tuple[str, ...] = ("spec", "replicas")
    current: tuple[str, ...] = ("status", "replicas")
    selector: tuple[str, ...] = ("spec", "selector")


def places(kinds: Catalog, target: Target) -> Places:
    """For a custom kind, where its definition says."""
    if not target.kind.custom:
        return Places()
    version = definitions.version_of(kinds.definition(target.kind), target.version)
    scale = version["subresources"]["scale"]
    return Places(
        _steps(scale["specReplicasPath"]),
        _steps(scale["statusReplicasPath"]),
        _steps(scale.get("labelSelectorPath", "")),
    )


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split(".") if step)


def scale_of(obj: Obj, where: Places) -> Obj:
    """The Scale of an object (autoscaling/v1)."""
    meta = obj["metadata"]
    selector = _at(obj, where.selector) if where.selector else None
    text = selector if isinstance(selector, str) else selector_text(selector).replace(NONE, "")
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = _at(obj, where.replicas)
    default = 1 if where == Places() else 0
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {"replicas": default if replicas is None else replicas},
        "status": {"replicas": _at(obj, where.current) or 0, "selector": text},
    }


def put(obj: Obj, place: tuple[str, ...], replicas: int) -> None:
    """Write the number where it stands."""
    *way, last = place
    for step in way:
        obj = obj.setdefault(step, {})
    obj[last] = replicas


def _at(obj: Obj, steps: tuple[str, ...]) -> Any:
    place: Any = obj
    for step in steps:
        place = place.get(step) if isinstance(place, dict) else None
    return place
