"""The traffic report as text for people and as CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

_WIDTH = 44
_VERDICTS = {
    "agrees": "agrees",
    "above": "MORE than configured",
    "below": "LESS than configured",
    "noTraffic": "no requests",
    "notComparable": "not comparable",
}


def text(report: Json) -> str:
    """The report for a terminal, at most 100 columns wide for two versions."""
    window = report["window"]
    end = datetime.fromtimestamp(window["end"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [f"Traffic of {report['service']} in {report['namespace']}, {_span(window['seconds'])} up to {end}", ""]
    if not report["versions"]:
        return "\n".join([*lines, "No requests in the window."])
    lines += _table(report, "Requests", lambda number: str(number["requests"]))
    lines += ["", *_table(report, "Requests per second", lambda number: f"{number['rate']:.3f}")]
    rests = [part["notPassedOn"]["rest"]["requests"] for part in (*report["versions"], report["total"])]
    if any(rests) and not _over_tcp(report):
        lines += textwrap.wrap(f"(*) {report['rest']}", 100, initial_indent="  ", subsequent_indent="  ")
    lines += ["", *_codes(report), "", *_weights(report["weights"]), ""]
    lines += textwrap.wrap(f"Rounding: {report['rounding']}", 100)
    return "\n".join(lines)


def lines_of(report: Json) -> list[tuple[str, list[str]]]:
    """The rows of the table: what it says, and the way to the number in a version and in the total."""
    rows = [
        ("in: successful, from the gateway and other services", ["in", "success"]),
        ("in: failed, from the gateway and other services", ["in", "failed"]),
        ("in: metric requests, from Prometheus", ["in", "metrics"]),
        ("in: total", ["in", "total"]),
        ("  of these through the gateway", ["in", "gateway"]),
        ("  of these from other services", ["in", "mesh"]),
    ]
    rows += [(f"out: to {target}", ["out", "services", target]) for target in report["total"]["out"]["services"]]
    rest = "passed on over TCP, as bytes" if _over_tcp(report) else "what neither explains (*)"
    return [
        *rows,
        ("out: total", ["out", "total"]),
        ("not passed on: total (in - out)", ["notPassedOn", "total"]),
        ("  metric requests, answered by itself", ["notPassedOn", "metrics"]),
        ("  rejected (500, 4xx other than 404)", ["notPassedOn", "rejected"]),
        (f"  rest: {rest}", ["notPassedOn", "rest"]),
    ]


def _over_tcp(report: Json) -> bool:
    """Does the service pass on all that it does as TCP?"""
    return bool(report["total"]["bytes"] and not report["total"]["out"]["services"])


def number(of: Json, path: list[str]) -> Json:
    """The number at a path; nothing went where it is missing."""
    for step in path:
        of = of.get(step, {"requests": 0, "rate": 0.0, "unrounded": 0.0})
    return of


def _table(report: Json, title: str, show: Callable[[Json], str]) -> list[str]:
    names = [_name(version["version"]) for version in report["versions"]] + ["all"]
    width = max(10, *(len(name) + 2 for name in names))
    first = max(_WIDTH, *(len(label) + 2 for label, _ in lines_of(report)))
    lines = [title.ljust(first) + "".join(name.rjust(width) for name in names)]
    for label, path in lines_of(report):
        numbers = [number(version, path) for version in [*report["versions"], report["total"]]]
        if path == ["notPassedOn", "total"]:
            lines.append("")
        lines.append(f"  {label}".ljust(first) + "".join(show(one).rjust(width) for one in numbers))
        if path == ["in", "mesh"]:
            lines.append("")
    return lines


def _codes(report: Json) -> list[str]:
    lines = ["Answers (code, flags of the proxy, from)"]
    for version in report["versions"]:
        for code in version["codes"]:
            label = f"  {_name(version['version'])}: {_code(code)}, from {code['from']}"
            lines.append(f"{label.ljust(_WIDTH)}{code['requests']:>10}{code['rate']:>12.3f}/s")
    for host, size in report["total"]["bytes"].items():
        lines.append(f"  TCP bytes exchanged with {host}: {size}")
    return lines


def _code(code: Json) -> str:
    flags = "" if code["flags"] in ("-", "") else f" {code['flags']}"
    return ("no answer" if code["code"] == "-" else str(code["code"])) + flags


def _weights(weights: Json | None) -> list[str]:
    if weights is None:
        return ["Weights: no VirtualService routes to this service, or the Kubernetes API is out of reach."]
    lines = [f"Weights, configured and observed ({100 * weights['confidence']:.0f} % confidence interval)"]
    for route in weights["routes"]:
        lines.append(f"  through the {' and the '.join(route['via'])}, {route['match']}")
        if route["fault"]:
            lines.append(f"    fault injected: {route['fault']}")
        for target in route["destinations"]:
            lines.append(f"    {_destination(target)}")
    return [*lines, *textwrap.wrap(weights["note"], 100, initial_indent="  ", subsequent_indent="  ")]


def _destination(target: Json) -> str:
    name = target["subset"] or target["host"]
    seen = target["observed"]
    if seen is None:
        return f"{name:10} {target['weight']:5.1f} %   {_VERDICTS[target['verdict']]}"
    share = f"{seen['percent']:5.1f} % ({seen['low']:.1f} to {seen['high']:.1f}), {seen['requests']:.0f} requests"
    return f"{name:10} {target['weight']:5.1f} %   {share}: {_VERDICTS[target['verdict']]}"


def _name(version: str) -> str:
    return "no version" if version == "none" else version


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def as_csv(report: Json) -> str:
    """Two tables, with an empty line between them: the numbers, and the weights."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", "version", "requests", "rate_per_second", "requests_unrounded"])
    for label, path in lines_of(report):
        for name, of in [
            *((version["version"], version) for version in report["versions"]),
            ("all", report["total"]),
        ]:
            one = number(of, path)
            writer.writerow([label.strip(), name, one["requests"], f"{one['rate']:.3f}", f"{one['unrounded']:.3f}"])
    writer.writerow([])
    writer.writerow(["route via", "subset", "weight_percent", "observed_percent", "low", "high", "verdict"])
    for route in (report["weights"] or {"routes": []})["routes"]:
        for target in route["destinations"]:
            seen = target["observed"] or {"percent": "", "low": "", "high": ""}
            writer.writerow(
                [
                    " and ".join(route["via"]),
                    target["subset"] or target["host"],
                    target["weight"],
                    seen["percent"],
                    seen["low"],
                    seen["high"],
                    target["verdict"],
                ]
            )
    return out.getvalue()
