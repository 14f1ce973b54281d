"""What stands in the columns of `kubectl get`: what the kinds share. Those of the real server (pkg/printers). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pocket.api.ages import since
from pocket.objects import Obj

NONE = "<none>"


@dataclass(frozen=True)
class Column:
    name: str
    value: Callable[[Obj, datetime], Any]
    wide: bool = False
    type: str = "string"
    format: str = ""

    def definition(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": 1 if self.wide else 0,
        }


def meta(obj: Obj, field: str) -> Any:
    return obj["metadata"].get(field)


def spec_of(obj: Obj) -> Obj:
    return obj.get("spec") or {}


def status_of(obj: Obj) -> Obj:
    return obj.get("status") or {}


def labels_text(labels: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Any) -> str:
    """A LabelSelector as text, as kubectl writes it."""
    selector = selector or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        values = ",".join(rule.get("values") or ())
        terms.append(
            {
                "In": f"{rule['key']} in ({values})",
                "NotIn": f"{rule['key']} notin ({values})",
                "Exists": rule["key"],
                "DoesNotExist": f"!{rule['key']}",
            }[rule["operator"]]
        )
    return ",".join(terms) or NONE


def _template_containers(obj: Obj, field: str) -> str:
    spec = (spec_of(obj).get("template") or {}).get("spec") or {}
    return ",".join(str(container.get(field, "")) for container in spec.get("containers") or ())


def more(entries: list[str], most: int = 3) -> str:
    shown = ",".join(entries[:most])
    return (f"{shown} + {len(entries) - most} more..." if len(entries) > most else shown) or NONE


def at(*path: str, default: Any = "") -> Callable[[Obj, datetime], Any]:
    def value(obj: Obj, _: datetime) -> Any:
        found: Any = obj
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return default if found is None else found

    return value


NAME = Column("Name", at("metadata", "name"), format="name")
AGE = Column("Age", lambda obj, moment: since(meta(obj, "creationTimestamp"), moment))
CONTAINERS = (
    Column("Containers", lambda obj, _: _template_containers(obj, "name"), wide=True),
    Column("Images", lambda obj, _: _template_containers(obj, "image"), wide=True),
    Column("Selector", lambda obj, _: selector_text(spec_of(obj).get("selector")), wide=True),
)
