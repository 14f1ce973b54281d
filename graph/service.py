"""Where the pure parts meet the two servers: asks Prometheus and the Kubernetes API, and puts the answers together."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from graph import dashboards, details, discover, empty, kubernetes, pipeline, report, routing, scrapes
from graph.appenders.istio import of_service
from graph.cluster import Cluster, injected, name_of, namespace_of
from graph.details import Alternatives, Selection, Window
from graph.errors import Advice, BadParameter, GraphError
from graph.kubernetes import Kubernetes
from graph.params import GraphOptions
from graph.prometheus import Prometheus
from graph.rows import Row, Series
from graph.settings import FIND_PROMETHEUS, Settings
from graph.traffic import Node, TrafficMap

log = logging.getLogger("graph")

Json = dict[str, Any]

DEFAULT_SCRAPE_INTERVAL = 15.0
_REMEMBER_SECONDS = 60.0


class Service:
    """Everything that the pages and the commands ask for. Threads may share it. Methods raise GraphError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="ask")
        self._kubernetes: Kubernetes | None = None
        self._prometheus: Prometheus | None = None
        self._interval = (-math.inf, DEFAULT_SCRAPE_INTERVAL)

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    # -- the two servers

    def kubernetes(self) -> Kubernetes:
        if self._kubernetes is None:
            settings = self.settings
            self._kubernetes = kubernetes.connect(
                settings.kubernetes_url, settings.kubernetes_timeout, settings.threads
            )
        return self._kubernetes

    def prometheus(self) -> Prometheus:
        if self._prometheus is None:
            url, why = self.settings.prometheus_url, None
            if not url:
                url, why = self._discover()
            made = Prometheus(url, self.settings.prometheus_timeout, self.settings.threads, why)
            if url is None:
                return made  # it says itself that it knows no address; the next request looks again
            self._prometheus = made
        return self._prometheus

    def _discover(self) -> tuple[str | None, Advice | None]:
        """The address, or why there is none."""
        try:
            url = discover.prometheus(self.kubernetes(), self.settings.istio_namespace)
        except GraphError as error:
            self._forget_kubernetes(error)
            return None, error.advice
        where = f"The cluster has none at the Service prometheus in {self.settings.istio_namespace} that can be reached"
        return url, Advice("prometheusUnreachable", f"{where} from here.", FIND_PROMETHEUS)

    def _forget_kubernetes(self, error: GraphError) -> None:
        """A cluster that was made anew has new credentials: the next request reads them."""
        log.warning("%s", error)
        self._kubernetes = None

    def cluster(self, namespaces: Iterable[str]) -> tuple[Cluster | None, list[Advice]]:
        """The view of some namespaces; None, with the reason, where the Kubernetes API is out of reach."""
        wanted = sorted({*namespaces, self.settings.istio_namespace})
        try:
            return self.kubernetes().cluster(wanted, self._executor), []
        except GraphError as error:
            self._forget_kubernetes(error)
            return None, [error.advice]

    def _instant(self, texts: Iterable[str], at: float) -> dict[str, Future[list[Row]]]:
        prometheus = self.prometheus()
        return {text: self._executor.submit(prometheus.query, text, at) for text in texts}

    def _range(self, texts: Iterable[str], window: Window) -> dict[str, Future[list[Series]]]:
        prometheus = self.prometheus()
        return {
            text: self._executor.submit(prometheus.query_range, text, window.start, window.end, window.step)
            for text in texts
        }

    def rows(self, texts: Iterable[str], at: float) -> dict[str, list[Row]]:
        """The answers to instant queries, asked side by side."""
        return {text: future.result() for text, future in self._instant(texts, at).items()}

    def scrape_interval(self) -> float:
        """How often the sidecars are scraped, in seconds; what is usual while there are too few samples to tell."""
        asked_at, interval = self._interval
        if time.monotonic() - asked_at > _REMEMBER_SECONDS:
            prometheus, now = self.prometheus(), time.time()
            longest = prometheus.query(scrapes.MOST_READ, now)
            samples = prometheus.samples(scrapes.samples_query(longest[0].labels), now) if longest else []
            measured = scrapes.interval(samples)
            interval = measured or DEFAULT_SCRAPE_INTERVAL
            self._interval = (time.monotonic() if measured else -math.inf, interval)
        return interval

    # -- the graph

    def graph(self, options: GraphOptions, focus: Callable[[Node], bool] | None = None) -> Json:
        """Kiali's JSON, and under `c756` what Kiali does not say."""
        result, cluster, advice, millis = self.traffic_map(options, focus)
        began = time.monotonic()
        answer = pipeline.to_json(options, result)
        millis["build"] += _since(began)
        reason = None if empty.has_traffic(result) else self._why_empty(options, cluster)
        answer["c756"] = {
            "empty": reason.as_json() if reason else None,
            "warnings": [one.as_json() for one in advice if reason is None or one.reason != reason.reason],
            "millis": millis,
        }
        return answer

    def traffic_map(
        self, options: GraphOptions, focus: Callable[[Node], bool] | None = None
    ) -> tuple[TrafficMap, Cluster | None, list[Advice], dict[str, int]]:
        """The map behind the JSON, and how many milliseconds each step took."""
        asked = pipeline.plan(options)
        began = time.monotonic()
        running = self._instant(asked.texts(), options.query_time)
        cluster, advice = self.cluster(options.namespaces)
        kubernetes_millis = _since(began)
        rows = {text: future.result() for text, future in running.items()}
        millis = {"prometheus": _since(began), "kubernetes": kubernetes_millis}
        began = time.monotonic()
        name = self.settings.cluster_name
        result, more = pipeline.traffic_map(options, asked, rows, cluster, focus, name)
        millis["build"] = _since(began)
        return result, cluster, advice + more, millis

    def _why_empty(self, options: GraphOptions, cluster: Cluster | None) -> Advice:
        namespace_query = empty.namespace_query(options.namespaces)
        rows = self.rows([empty.UP, empty.KNOWN_TARGETS, empty.ISTIO, namespace_query], options.query_time)
        counts = {text: int(found[0].value) if found else 0 for text, found in rows.items()}
        scrapes = empty.Scrapes(
            targets_up=counts[empty.UP] if rows[empty.KNOWN_TARGETS] else None,
            istio_series=counts[empty.ISTIO],
            namespace_series=counts[namespace_query],
        )
        workloads = cluster.workloads(options.namespaces) if cluster else []
        return empty.why(options.namespaces, options.duration, cluster, workloads, scrapes)

    # -- the side panel

    def window(self, end: int, duration: int, points: int) -> Window:
        return details.window(end, duration, points, self.scrape_interval())

    def node_details(self, selection: Selection, window: Window) -> Json:
        cluster, advice = self.cluster([selection.namespace] if selection.namespace else [])
        selection = _with_hosts(selection, cluster)
        answer = self._details("node", details.node_directions(selection), window)
        answer["routing"] = self._routing(selection, cluster, window) if cluster else None
        answer["warnings"] = [one.as_json() for one in advice]
        return answer

    def edge_details(self, source: Selection, target: Selection, window: Window) -> Json:
        namespaces = [selection.namespace for selection in (source, target) if selection.namespace]
        cluster, advice = self.cluster(namespaces)
        source, target = _with_hosts(source, cluster), _with_hosts(target, cluster)
        answer = self._details("edge", details.edge_directions(source, target), window)
        return answer | {"routing": None, "warnings": [one.as_json() for one in advice]}

    def graph_details(self, namespaces: Sequence[str], window: Window) -> Json:
        answer = self._details("graph", details.graph_directions(namespaces), window)
        return answer | {"routing": None, "warnings": []}

    def _details(self, kind: str, directions: Mapping[str, Alternatives], window: Window) -> Json:
        asked = {}
        for name, matching in directions.items():
            first = "destination" if name == "in" else "source"
            totals = details.totals_queries(matching, window.duration)
            series = details.series_queries(matching, window.rate_window)
            shown = {part: text for part, text in series.items() if part not in ("buckets", "durations")}
            asked[name] = (
                first,
                {**shown, **details.times_queries(matching, window.rate_window, first)},
                totals,
                self._instant(totals.values(), window.end),
                series,
                self._range(series.values(), window),
            )
        return {
            "kind": kind,
            "timestamp": window.end,
            "duration": window.duration,
            "step": window.step,
            "directions": {
                name: details.direction_json(
                    {part: instant[text].result() for part, text in totals.items()},
                    {part: ranged[text].result() for part, text in series.items()},
                    shown,
                    window.duration,
                    first,
                )
                for name, (first, shown, totals, instant, series, ranged) in asked.items()
            },
        }

    def _routing(self, selection: Selection, cluster: Cluster, window: Window) -> Json | None:
        """The routes of a service; of an app or a workload: those of the service whose pods it has."""
        service = selection.service if selection.node_type == "service" else _service_of(selection, cluster)
        if not service:
            return None
        return self.weights(cluster, selection.namespace, service, window.end, window.duration)

    def weights(self, cluster: Cluster, namespace: str, service: str, end: int, duration: int) -> Json | None:
        """The routes of a service beside the requests that each version got, as far as the routes are as old."""
        start = end - duration
        shortest = math.ceil(4 * self.scrape_interval())
        since = routing.observe_since(cluster, namespace, service, start, end, shortest)
        promql = routing.observed_query(namespace, service, end - since)
        observed = routing.observed(self.prometheus().query(promql, end), cluster)
        return routing.describe(cluster, namespace, service, observed, start, since)

    # -- the report

    def report(self, namespace: str, service: str, end: int, duration: int) -> tuple[Json, list[Advice]]:
        """The traffic report of a service, and what a person should know about it."""
        cluster, advice = self.cluster([namespace])
        incoming = self.prometheus().query(report.incoming_query(namespace, service, duration), end)
        outgoing: list[Row] = []
        tcp: list[Row] = []
        workloads = report.workloads_of(incoming)
        if workloads:
            questions = [
                report.outgoing_query(namespace, workloads, duration),
                report.bytes_query(namespace, workloads, duration),
            ]
            outgoing, tcp = self.rows(questions, end).values()
        is_gateway = report.gateways(incoming, cluster, self.settings.istio_namespace)
        found = report.columns(incoming, outgoing, tcp, is_gateway)
        weights = None
        if cluster is not None:
            weights = self.weights(cluster, namespace, service, end, duration)
            if cluster.service(namespace, service) is None:
                advice.append(
                    Advice(
                        "noService",
                        f"There is no service {service} in {namespace}.",
                        f"See: kubectl -n {namespace} get services",
                    )
                )
        return report.build(namespace, service, end, duration, found, weights), advice

    # -- lists

    def namespaces(self, now: float) -> list[Json]:
        """As Kiali lists them. Without the Kubernetes API: those that the metrics tell of."""
        try:
            found = [(name_of(item), item["metadata"]) for item in self.kubernetes().namespaces()]
        except GraphError as error:
            self._forget_kubernetes(error)
            return [_namespace(self.settings.cluster_name, name, {}, None) for name in self._seen_namespaces(now)]
        return [
            _namespace(self.settings.cluster_name, name, metadata, injected(metadata.get("labels") or {}))
            for name, metadata in found
        ]

    def _seen_namespaces(self, now: float) -> list[str]:
        prometheus = self.prometheus()
        names = {
            name
            for label in ("destination_workload_namespace", "source_workload_namespace")
            for name in prometheus.label_values(label, "istio_requests_total", now - 3600, now)
        }
        return sorted(names - {"unknown", ""})

    def versions_of_servers(self) -> tuple[list[Json], list[Advice]]:
        """The servers that this one asks, with their versions, and what is wrong with them."""
        questions: dict[str, Callable[[], tuple[str, str | None]]] = {
            "Prometheus": lambda: (self.prometheus().version(), self.prometheus().url),
            "Kubernetes": lambda: (self.kubernetes().version(), self.kubernetes().access.server),
        }
        servers: list[Json] = []
        advice = []
        for name, ask in questions.items():
            try:
                version, url = ask()
                servers.append({"name": name, "version": version, "url": url})
            except GraphError as error:
                advice.append(error.advice)
                if name == "Kubernetes":
                    self._forget_kubernetes(error)
        return servers, advice

    # -- dashboards

    def dashboard(self, board: dashboards.Dashboard, asked: Mapping[str, Sequence[str]], window: Window) -> Json:
        """A dashboard with its data: first the variables, in order, since they use each other; then all panels."""
        unknown = dashboards.check_variables(board, asked)
        if unknown is not None:
            raise BadParameter(f"var-{unknown}", f"the dashboard {board.uid} has no such variable")
        values: dict[str, str] = {}
        variables = []
        for variable in board.variables:
            options = self._options(variable, values, window)
            current = dashboards.choose(variable, options, asked.get(variable.name))
            for value in current:
                if value not in options and not (value == dashboards.ALL and variable.include_all):
                    raise BadParameter(
                        f"var-{variable.name}", f"'{value}' is not one of {', '.join(options) or 'none'}"
                    )
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
        running = [(panel, self._ask_panel(panel, values, window)) for panel in board.panels]
        return {
            "uid": board.uid,
            "title": board.title,
            "timestamp": window.end,
            "duration": window.duration,
            "step": window.step,
            "variables": variables,
            "panels": [_panel(panel, values, asked_for, window.end) for panel, asked_for in running],
        }

    def _options(self, variable: dashboards.Variable, values: Mapping[str, str], window: Window) -> list[str]:
        asked = variable.label_values()
        if asked is None:
            return variable.own_options()
        selector, label = asked
        found = self.prometheus().label_values(
            label, dashboards.interpolate(selector, values), window.start, window.end
        )
        return [value for value in found if value not in ("", "unknown")]

    def _ask_panel(
        self, panel: Mapping[str, Any], values: Mapping[str, str], window: Window
    ) -> list[tuple[dashboards.Target, str, Future[list[Row]] | Future[list[Series]]]]:
        asked: list[tuple[dashboards.Target, str, Future[list[Row]] | Future[list[Series]]]] = []
        for target in dashboards.targets(panel):
            step = max(window.step, target.min_step)
            built_in = dashboards.built_in(step, window.duration, max(self.scrape_interval(), target.min_step))
            promql = dashboards.interpolate(target.expr, {**values, **built_in})
            if panel["type"] == "timeseries":
                asked.append((target, promql, self._range([promql], replace(window, step=step))[promql]))
            else:
                asked.append((target, promql, self._instant([promql], window.end)[promql]))
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


def _namespace(cluster: str, name: str, metadata: Mapping[str, Any], injection: bool | None) -> Json:
    return {
        "name": name,
        "cluster": cluster,
        "isAmbient": False,
        "labels": metadata.get("labels") or {},
        "annotations": metadata.get("annotations") or {},
        "c756": {"injection": injection},
    }


def _with_hosts(selection: Selection, cluster: Cluster | None) -> Selection:
    """A ServiceEntry is known to the metrics by its hosts."""
    if cluster is None or selection.node_type != "service" or cluster.service(selection.namespace, selection.service):
        return selection
    for entry in cluster.service_entries:
        if name_of(entry) == selection.service and namespace_of(entry) == selection.namespace:
            return replace(selection, hosts=tuple(str(host) for host in entry["spec"].get("hosts") or ()))
    return selection


def _service_of(selection: Selection, cluster: Cluster) -> str | None:
    """The service with a VirtualService whose selector picks the app's pods."""
    if not selection.app:
        return None
    for service in cluster.services:
        selector = service.get("spec", {}).get("selector") or {}
        if namespace_of(service) == selection.namespace and selector.get("app") == selection.app:
            name = name_of(service)
            if of_service(cluster, selection.namespace, name):
                return name
    return None


def _since(began: float) -> int:
    """Whole milliseconds since a monotonic time."""
    return round((time.monotonic() - began) * 1000)
