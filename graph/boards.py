"""The dashboards with their data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from graph import dashboards
from graph.details import Window
from graph.errors import Advice, BadParameter, GraphError
from graph.rows import Row, Series
from graph.servers import Servers

Json = dict[str, Any]


def dashboard(
    servers: Servers, board: dashboards.Dashboard, asked: Mapping[str, Sequence[str]], window: Window
) -> Json:
    """A dashboard with its data: first the variables, in order, since they use each other; then all panels."""
    unknown = dashboards.check_variables(board, asked)
    if unknown is not None:
        raise BadParameter(f"var-{unknown}", f"the dashboard {board.uid} has no such variable")
    values: dict[str, str] = {}
    variables = []
    for variable in board.variables:
        options = _options(servers, variable, values, window)
        current = dashboards.choose(variable, options, asked.get(variable.name))
        for value in current:
            if value not in options and not (value == dashboards.ALL and variable.include_all):
                raise BadParameter(f"var-{variable.name}", f"'{value}' is not one of {', '.join(options) or 'none'}")
        if len(current) > 1 and not variable.multi:
            raise BadParameter(f"var-{variable.name}", "takes one value")
        values[variable.name] = dashboards.replacement(variable, current, options)
        if not variable.hidden:
            variables.append(
                {
                    "name": variable.name,
                    "label": variable.label,
                    "options": options,
                    "current": list(current),
                    "multi": variable.multi,
                    "includeAll": variable.include_all,
                }
            )
    running = [(panel, _ask_panel(servers, panel, values, window)) for panel in board.panels]
    return {
        "uid": board.uid,
        "title": board.title,
        "timestamp": window.end,
        "duration": window.duration,
        "step": window.step,
        "variables": variables,
        "panels": [_panel(panel, values, asked_for, window.end) for panel, asked_for in running],
    }


def _options(servers: Servers, variable: dashboards.Variable, values: Mapping[str, str], window: Window) -> list[str]:
    asked = variable.label_values()
    if asked is None:
        return variable.own_options()
    selector, label = asked
    found = servers.prometheus().label_values(label, dashboards.interpolate(selector, values), window.start, window.end)
    return [value for value in found if value not in ("", "unknown")]


def _ask_panel(
    servers: Servers, panel: Mapping[str, Any], values: Mapping[str, str], window: Window
) -> list[tuple[dashboards.Target, str, Future[list[Row]] | Future[list[Series]]]]:
    asked: list[tuple[dashboards.Target, str, Future[list[Row]] | Future[list[Series]]]] = []
    for target in dashboards.targets(panel):
        step = max(window.step, target.min_step)
        built_in = dashboards.built_in(step, window.duration, max(servers.scrape_interval(), target.min_step))
        promql = dashboards.interpolate(target.expr, {**values, **built_in})
        if panel["type"] == "timeseries":
            asked.append((target, promql, servers.range([promql], replace(window, step=step))[promql]))
        else:
            asked.append((target, promql, servers.instant([promql], window.end)[promql]))
    return asked


def _panel(
    panel: Mapping[str, Any],
    values: Mapping[str, str],
    asked: Sequence[tuple[dashboards.Target, str, Future[list[Row]] | Future[list[Series]]]],
    now: int,
) -> Json:
    """One panel. A query that fails is shown in its panel; Prometheus out of reach is an error of the whole page."""
    results = []
    failed: Advice | None = None
    for target, promql, future in asked:
        try:
            answer = [
                one if isinstance(one, Series) else Series(one.labels, ((float(now), one.value),))
                for one in future.result()
            ]
        except GraphError as error:
            if error.advice.reason == "prometheusUnreachable":
                raise
            failed, answer = error.advice, []
        results.append((target, promql, answer))
    return dashboards.panel_json(panel, values, results, failed.as_json() if failed else None)
