"""Grafana's dashboard files, read without Grafana: variables, panels and their queries.

What is understood is what the files in cluster/dashboards/ use: variables of the kinds query (`label_values`), custom,
constant, interval and datasource; panels of the kinds row, timeseries, stat, gauge, table and text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.errors import GraphError, NotFound
from graph.params import parse_duration
from graph.queries import SHORTEST_RATE
from graph.rows import Series

Json = dict[str, Any]

ALL = "$__all"
PANELS = ("row", "timeseries", "stat", "gauge", "table", "text")
_LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<match>.+?)\s*,\s*)?(?P<label>[a-zA-Z_]\w*)\s*\)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$(\w+)|\[\[(\w+)\]\]")


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard."""

    name: str
    label: str
    kind: str  # query, custom, constant, interval
    query: str  # of kind query: label_values(...); of the others: the values, separated by commas
    multi: bool
    include_all: bool
    all_value: str | None
    default: tuple[str, ...]
    hidden: bool

    def label_values(self) -> tuple[str, str] | None:
        """(selector, label) of a query variable; None for the other kinds."""
        found = _LABEL_VALUES.fullmatch(self.query.strip()) if self.kind == "query" else None
        return (found["match"] or "up", found["label"]) if found else None

    def own_options(self) -> list[str]:
        """The values of a variable that does not ask Prometheus."""
        return [part.strip() for part in self.query.split(",") if part.strip()]


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    expr: str
    legend: str
    instant: bool
    min_step: int  # seconds; the scrape interval of its metrics where that is known to be long, else 0


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    panels: tuple[Json, ...]  # flat: rows stand before what is in them

    def summary(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "variables": [
                {"name": variable.name, "label": variable.label, "multi": variable.multi}
                for variable in self.variables
                if not variable.hidden
            ],
        }


def load(folder: Path) -> dict[str, Dashboard]:
    """All dashboards of a folder, by uid. Raises GraphError naming the file that is not one."""
    if not folder.is_dir():
        raise GraphError(
            500, "noDashboards", f"There is no folder {folder}.", "Set GRAPH_DASHBOARDS to the folder with the files."
        )
    found: dict[str, Dashboard] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            dashboard = parse(json.loads(file.read_text()))
        except (ValueError, KeyError, TypeError) as error:
            raise GraphError(500, "badDashboard", f"{file.name}: {error}.", "Correct the file.") from error
        if dashboard.uid in found:
            raise GraphError(500, "badDashboard", f"{file.name}: uid {dashboard.uid} is taken.", "Give it another uid.")
        found[dashboard.uid] = dashboard
    return found


def parse(data: Mapping[str, Any]) -> Dashboard:
    """Raises ValueError for what is not understood."""
    panels: list[Json] = []
    for panel in data.get("panels", ()):
        panels += [panel, *panel.get("panels", ())]
    for panel in panels:
        if panel.get("type") not in PANELS:
            raise ValueError(f"panel '{panel.get('title')}' has the type {panel.get('type')!r}, not one of {PANELS}")
    variables = [_variable(entry) for entry in data.get("templating", {}).get("list", ())]
    return Dashboard(
        uid=str(data["uid"]),
        title=str(data["title"]),
        description=str(data.get("description", "")),
        variables=tuple(variable for variable in variables if variable is not None),
        panels=tuple(panels),
    )


def _variable(entry: Mapping[str, Any]) -> Variable | None:
    """None for a choice of data source: there is one Prometheus here."""
    name, kind = str(entry["name"]), str(entry["type"])
    if kind == "datasource":
        return None
    if kind not in ("query", "custom", "constant", "interval"):
        raise ValueError(f"variable {name} has the type {kind!r}, which is not understood")
    query = entry.get("query", "")
    current = (entry.get("current") or {}).get("value", ())
    variable = Variable(
        name=name,
        label=str(entry.get("label") or name),
        kind=kind,
        query=str(query.get("query", "") if isinstance(query, Mapping) else query),
        multi=bool(entry.get("multi")),
        include_all=bool(entry.get("includeAll")),
        all_value=entry.get("allValue") or None,
        default=tuple(str(value) for value in ([current] if isinstance(current, str) else current) if value),
        hidden=entry.get("hide") == 2,
    )
    if kind == "query" and variable.label_values() is None:
        raise ValueError(f"variable {name}: {variable.query!r} is not label_values(SELECTOR, LABEL)")
    return variable


def targets(panel: Mapping[str, Any]) -> list[Target]:
    return [
        Target(
            str(target["expr"]),
            str(target.get("legendFormat") or ""),
            bool(target.get("instant")),
            parse_duration("interval", target["interval"]) if target.get("interval") else 0,
        )
        for target in panel.get("targets", ())
        if not target.get("hide")
    ]


def queries(dashboard: Dashboard) -> list[str]:
    """Every PromQL expression of a dashboard, variables not yet replaced."""
    return [target.expr for panel in dashboard.panels for target in targets(panel)]


def choose(variable: Variable, options: Sequence[str], asked: Sequence[str] | None) -> tuple[str, ...]:
    """The values in force: what was asked for, else the default if it is an option, else all or the first option."""
    if asked:
        return tuple(asked)
    default = tuple(value for value in variable.default if value in options or value == ALL)
    if default:
        return default
    if variable.include_all:
        return (ALL,)
    return tuple(options[:1])


def replacement(variable: Variable, values: Sequence[str], options: Sequence[str]) -> str:
    """What stands for a variable in PromQL: one value, or alternatives of a regular expression, as in Grafana."""
    if ALL in values:
        if variable.all_value:
            return variable.all_value
        values = options
    if len(values) == 1 and not variable.multi and not variable.include_all:
        return values[0]
    escaped = [re.sub(r"([\\^$.*+?()\[\]{}|])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def built_in(step: int, duration: int, scrape_interval: float) -> dict[str, str]:
    """Grafana's own variables. A rate needs four scrapes, or it sees none where one is late."""
    rate = max(step + scrape_interval, 4 * scrape_interval, SHORTEST_RATE)
    return {
        "__interval": f"{step}s",
        "__interval_ms": str(step * 1000),
        "__rate_interval": f"{math.ceil(rate)}s",
        "__range": f"{duration}s",
        "__range_s": str(duration),
        "__range_ms": str(duration * 1000),
    }


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """Replaces $name, ${name}, ${name:format} and [[name]]. An unknown name stays, so that it is seen."""

    def put(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2] or found[3], found[0])

    return _VARIABLE.sub(put, text)


def legend(template: str, labels: Mapping[str, str], otherwise: str) -> str:
    """The name of a series: `{{label}}` replaced; without a template, all labels; without labels, `otherwise`."""
    if template and template != "__auto":
        return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), template).strip()
    text = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{text}}}" if text else otherwise


def panel_json(
    panel: Mapping[str, Any],
    values: Mapping[str, str],
    results: Sequence[tuple[Target, str, Sequence[Series]]],
    error: Mapping[str, str] | None,
) -> Json:
    """One panel with its data. results: each target with its query as asked and the answer."""
    defaults = (panel.get("fieldConfig") or {}).get("defaults") or {}
    steps = (defaults.get("thresholds") or {}).get("steps") or ()
    title = interpolate(str(panel.get("title", "")), values)
    series = [
        {
            "name": legend(interpolate(target.legend, values), found.labels, title),
            "labels": dict(found.labels),
            "points": [[at, value if math.isfinite(value) else None] for at, value in found.points],
        }
        for target, _, answer in results
        for found in answer
    ]
    return {
        "id": panel.get("id"),
        "type": panel["type"],
        "title": title,
        "description": str(panel.get("description", "")),
        "gridPos": panel.get("gridPos", {}),
        "unit": defaults.get("unit", "short"),
        "min": defaults.get("min"),
        "max": defaults.get("max"),
        "thresholds": [{"value": step.get("value"), "color": step.get("color")} for step in steps],
        "content": (panel.get("options") or {}).get("content", ""),
        "queries": [promql for _, promql, _ in results],
        "series": sorted(series, key=lambda one: str(one["name"])),
        "error": dict(error) if error else None,
    }


def find(dashboards: Mapping[str, Dashboard], uid: str) -> Dashboard:
    if uid not in dashboards:
        raise NotFound(f"There is no dashboard {uid}.", f"There are: {', '.join(sorted(dashboards))}.")
    return dashboards[uid]


def check_variables(dashboard: Dashboard, asked: Iterable[str]) -> str | None:
    """The first name that is not a variable of the dashboard."""
    known = {variable.name for variable in dashboard.variables}
    return next((name for name in sorted(asked) if name not in known), None)
