"""The columns that a CustomResourceDefinition names (additionalPrinterColumns), and the paths that lead to values.

The paths are of the simple kind that definitions use: `.spec.hosts`, `.status.conditions[?(@.type=="Ready")].status`,
`.metadata.annotations.a\\.b/c`, `.spec.items[*].name`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pocket.api.ages import since
from pocket.kinds.columns import AGE, NAME, Column
from pocket.objects import Obj

_STEP = re.compile(
    r"""\.?(?:(?P<field>(?:\\.|[^.\[\\])+)
    |\[\?\(@\.(?P<key>[\w.]+)\s*==\s*["']?(?P<value>[^"')\]]*)["']?\)\]
    |\[(?P<index>-?\d+|\*)\]|\[["'](?P<quoted>[^"']+)["']\])""",
    re.VERBOSE,
)


def columns(version: Obj) -> tuple[Column, ...]:
    """Of a version of a definition: the name, and what it asks for; the age where it asks for nothing."""
    asked = version.get("additionalPrinterColumns") or ()
    return (NAME, *map(_column, asked)) if asked else (NAME, AGE)


def _column(entry: Obj) -> Column:
    kind = str(entry.get("type", "string"))
    return Column(
        str(entry["name"]),
        _value(str(entry["jsonPath"]), kind),
        wide=int(entry.get("priority", 0)) > 0,
        type=kind,
        format=str(entry.get("format", "")),
    )


def _value(path: str, kind: str) -> Callable[[Obj, datetime], Any]:
    def value(obj: Obj, moment: datetime) -> Any:
        found = find(obj, path)
        if not found:
            return "" if kind != "date" else "<unknown>"
        first = found[0]
        if kind == "date":
            return since(first, moment) if isinstance(first, str) else "<unknown>"
        if kind in ("integer", "number"):
            return first if isinstance(first, (int, float)) else ""
        if len(found) > 1:
            return ",".join(_text(entry) for entry in found)
        return _text(first)

    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def find(obj: Any, path: str) -> list[Any]:
    """The values at a path; none where it leads nowhere."""
    places = [obj]
    for step in _STEP.finditer(path.strip("{}")):
        places = [below for place in places for below in _below(place, step)]
    return [place for place in places if place is not None]


def _below(place: Any, step: re.Match[str]) -> list[Any]:
    if (field := step["quoted"] or step["field"]) is not None:
        return [place.get(field.replace("\\", ""))] if isinstance(place, dict) else []
    if step["index"] == "*":
        return list(place.values()) if isinstance(place, dict) else place if isinstance(place, list) else []
    if step["index"] is not None:
        inside = isinstance(place, list) and -len(place) <= int(step["index"]) < len(place)
        return [place[int(step["index"])]] if inside else []
    return [entry for entry in place if str(entry.get(step["key"])) == step["value"]] if isinstance(place, list) else []
