"""The parameters of a graph request, under Kiali's names and read strictly: the unknown is refused by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

from graph.errors import BadParameter
from graph.focus import Focus
from graph.traffic import APP, GRAPH_TYPES, SERVICE, VERSIONED_APP

APPENDERS = frozenset(
    {
        "aggregateNode",
        "ambient",
        "deadNode",
        "health",
        "idleNode",
        "istio",
        "meshCheck",
        "responseTime",
        "securityPolicy",
        "serviceEntry",
        "throughput",
    }
)
"""What a request without a list of appenders gets: all (Kiali's appender.go)."""
OTHER_NAMES = {"sidecarsCheck": "meshCheck", "healthConfig": "health"}
"""What older Kialis called them."""
WITHOUT_EFFECT = frozenset({"labeler", "outsider", "trafficGenerator", "workloadEntry"})
"""Appenders of Kiali's that are accepted: the second and third always run, the others are left out here."""

MAX_SECONDS = 30 * 24 * 3600
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_PART = re.compile(r"(\d+)(ms|s|m|h|d|w|y)", re.ASCII)
# Kubernetes' names: DNS labels. Strictness here is also what keeps a parameter from becoming PromQL.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True)
class GraphOptions:
    namespaces: tuple[str, ...]
    graph_type: str
    duration: int  # seconds
    query_time: int  # unix seconds
    inject_service_nodes: bool = False
    include_idle_edges: bool = False
    box_by: frozenset[str] = frozenset()
    appenders: frozenset[str] = APPENDERS
    response_time: str = "95"  # avg, 50, 95 or 99
    throughput: str = "response"  # or request
    rate_http: str = "requests"  # or none
    rate_grpc: str = "requests"  # or sent, received, total, none
    rate_tcp: str = "sent"  # or received, total, none
    ambient: str = "total"  # or none, waypoint, ztunnel: which telemetry of the ambient mesh counts
    waypoints: bool = True  # show waypoint proxies
    aggregate: str = "request_operation"
    focus: Focus | None = None  # of a zoomed graph
    lifetime: int = MAX_SECONDS  # seconds that the youngest of the namespaces has existed

    @property
    def seconds(self) -> int:
        """The range of every rate: as Kiali, no longer than the namespaces have existed."""
        return min(self.duration, self.lifetime)


class Reader:
    """Reads named values one by one; `done` refuses what nobody asked for."""

    def __init__(self, values: Mapping[str, list[str]]) -> None:
        self._values = values
        self._asked: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str:
        """The one value of that name. Without a default it must be there and not be empty."""
        self._asked.add(name)
        given = self._values.get(name, [])
        if len(given) > 1:
            raise BadParameter(name, f"given {len(given)} times", "Give it once.")
        if given and given[0] != "":
            return given[0]
        if default is None:
            raise BadParameter(name, "is missing")
        return default

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise BadParameter(name, f"'{value}' is not one of {', '.join(choices)}")
        return value

    def choices(self, name: str, known: Collection[str]) -> frozenset[str]:
        """A list, separated by commas; empty where it is absent or has no text."""
        chosen = {part.strip() for part in self.text(name, "").split(",")} - {""}
        for part in sorted(chosen):
            if part not in known:
                raise BadParameter(name, f"'{part}' is not one of {', '.join(sorted(known))}")
        return frozenset(chosen)

    def given(self, name: str) -> bool:
        self._asked.add(name)
        return name in self._values

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, "true" if default else "false").lower()
        if value not in ("true", "false", "1", "0", "t", "f"):
            raise BadParameter(name, f"'{value}' is neither true nor false")
        return value in ("true", "1", "t")

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not re.fullmatch(r"\d{1,12}", value, re.ASCII) or not low <= int(value) <= high:
            raise BadParameter(name, f"'{value}' is not a whole number from {low} to {high}")
        return int(value)

    def duration(self, name: str, default: str) -> int:
        """Whole seconds, from `60s`, `10m`, `1h30m` or plain `60`."""
        return parse_duration(name, self.text(name, default))

    def names(self, name: str, default: str | None = None) -> tuple[str, ...]:
        """A list of Kubernetes names, separated by commas, sorted and without repetitions."""
        return tuple(sorted({check_name(name, part.strip()) for part in self.text(name, default).split(",")}))

    def name(self, name: str, default: str | None = None) -> str:
        """One Kubernetes name; the default (which may be empty) where it is absent."""
        value = self.text(name, default)
        return value if value == default else check_name(name, value)

    def label(self, name: str, default: str) -> str:
        value = self.text(name, default)
        if not _LABEL.fullmatch(value):
            raise BadParameter(name, f"'{value}' is not the name of a Prometheus label")
        return value

    def ignore(self, *names: str) -> None:
        """Accepts parameters that have no effect here."""
        self._asked.update(names)

    def rest(self, prefix: str) -> dict[str, list[str]]:
        """All values whose names begin with the prefix, without it."""
        found = {name[len(prefix) :]: values for name, values in self._values.items() if name.startswith(prefix)}
        self._asked.update(prefix + name for name in found)
        return found

    def done(self) -> None:
        unknown = sorted(set(self._values) - self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            raise BadParameter(unknown[0], "is not a parameter of this request", f"It takes: {known}.")


def parse_duration(name: str, text: str) -> int:
    """Prometheus' durations, and plain seconds. At least one second, at most 30 days."""
    parts = _PART.findall(text)
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        seconds = float(text)
    elif parts and "".join(number + unit for number, unit in parts) == text and len(text) < 40:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise BadParameter(name, f"'{text}' is not a duration", "Use for example 60s, 10m or 1h.")
    if not 1 <= seconds <= MAX_SECONDS:
        raise BadParameter(name, f"'{text}' is not between 1s and 30d")
    return int(seconds)


def check_name(name: str, value: str) -> str:
    """Returns the value if it can be the name of a Kubernetes object."""
    if not _NAME.fullmatch(value):
        raise BadParameter(name, f"'{value}' is not a Kubernetes name")
    return value


def read_graph_options(values: Mapping[str, list[str]], now: int, focus: Focus | None = None) -> GraphOptions:
    """The options of a graph request. `focus` comes from the path of node graphs, which have no `namespaces`.

    Raises BadParameter.
    """
    reader = Reader(values)
    reader.ignore("configVendor", "telemetryVendor", "cluster")
    reader.whole("refreshInterval", 0, -1, 900_000)  # milliseconds; nothing is cached here
    cluster = reader.text("clusterName", "")  # any text: it is quoted where it becomes PromQL
    if focus is not None:
        for name, value in asdict(focus).items():
            if value:
                check_name(name, value)
        focus = replace(focus, cluster=cluster)
    options = GraphOptions(
        namespaces=reader.names("namespaces") if focus is None else (focus.namespace,),
        graph_type=reader.choice("graphType", GRAPH_TYPES, "workload"),
        duration=reader.duration("duration", "10m"),
        query_time=reader.whole("queryTime", now, 0, 10**11),
        inject_service_nodes=reader.boolean("injectServiceNodes", default=False),
        include_idle_edges=reader.boolean("includeIdleEdges", default=False),
        box_by=reader.choices("boxBy", {"app", "namespace", "cluster", "none"}),
        appenders=_appenders(reader),
        response_time=reader.choice("responseTime", ("avg", "50", "95", "99"), "95"),
        throughput=reader.choice("throughputType", ("request", "response"), "response"),
        rate_http=reader.choice("rateHttp", ("requests", "none"), "requests"),
        rate_grpc=reader.choice("rateGrpc", ("requests", "sent", "received", "total", "none"), "requests"),
        rate_tcp=reader.choice("rateTcp", ("sent", "received", "total", "none"), "sent"),
        ambient=reader.choice("ambientTraffic", ("none", "total", "waypoint", "ztunnel"), "total"),
        waypoints=reader.boolean("waypoints", default=True),
        aggregate=reader.label("aggregate", "request_operation"),
        focus=focus,
    )
    reader.done()
    if focus is not None and focus.app and options.graph_type not in (APP, VERSIONED_APP):
        raise BadParameter("graphType", f"'{options.graph_type}' does not fit an app", "Use app or versionedApp.")
    if options.graph_type == SERVICE:
        return replace(options, inject_service_nodes=True)
    return options


def _appenders(reader: Reader) -> frozenset[str]:
    """The appenders that are asked for: an absent list means all, an empty one none."""
    if not reader.given("appenders"):
        return APPENDERS
    chosen = reader.choices("appenders", {*APPENDERS, *OTHER_NAMES, *WITHOUT_EFFECT})
    return frozenset(OTHER_NAMES.get(name, name) for name in chosen) - WITHOUT_EFFECT
