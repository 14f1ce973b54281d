"""The two servers that everything is asked of: Prometheus and the Kubernetes API. Threads may share them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from graph import discover, kubernetes, scrapes
from graph.cluster import Cluster
from graph.details import Window
from graph.errors import Advice, GraphError
from graph.kubernetes import Kubernetes
from graph.prometheus import Prometheus
from graph.rows import Row, Series
from graph.settings import FIND_PROMETHEUS, Settings

log = logging.getLogger("graph")

DEFAULT_SCRAPE_INTERVAL = 15.0
_REMEMBER_SECONDS = 60.0


class Servers:
    """Methods raise GraphError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="ask")
        self._kubernetes: Kubernetes | None = None
        self._prometheus: Prometheus | None = None
        self._interval = (-math.inf, DEFAULT_SCRAPE_INTERVAL)

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    def kubernetes(self) -> Kubernetes:
        if self._kubernetes is None:
            settings = self.settings
            self._kubernetes = kubernetes.connect(
                settings.kubernetes_url, settings.kubernetes_timeout, settings.threads
            )
        return self._kubernetes

    def prometheus(self) -> Prometheus:
        if self._prometheus is None:
            url = self.settings.prometheus_url
            made = self._made(url) if url else self._discover()
            if made.url is None:
                return made  # it says itself that it knows no address; the next request looks again
            self._prometheus = made
        return self._prometheus

    def _made(self, url: str | None, **more: Any) -> Prometheus:
        return Prometheus(url, self.settings.prometheus_timeout, self.settings.threads, **more)

    def _discover(self) -> Prometheus:
        """The one of the cluster, or one that says why there is none."""
        try:
            api = self.kubernetes()
            url = discover.prometheus(api, self.settings.istio_namespace)
        except GraphError as error:
            self.forget_kubernetes(error)
            return self._made(None, unknown=error.advice)
        if url is None:
            where = f"The cluster has none at the Service prometheus in {self.settings.istio_namespace}."
            return self._made(None, unknown=Advice("prometheusUnreachable", where, FIND_PROMETHEUS))
        by_api = url.startswith(api.access.server)
        return self._made(url, session=api.session(self.settings.threads) if by_api else None)

    def forget_kubernetes(self, error: GraphError) -> None:
        """A cluster that was made anew has new credentials: the next request reads them."""
        log.warning("%s", error)
        self._kubernetes = None

    def cluster(self, namespaces: Iterable[str]) -> tuple[Cluster | None, list[Advice]]:
        """The view of some namespaces; None, with the reason, where the Kubernetes API is out of reach."""
        wanted = sorted({*namespaces, self.settings.istio_namespace})
        try:
            return self.kubernetes().cluster(wanted, self._executor), []
        except GraphError as error:
            self.forget_kubernetes(error)
            return None, [error.advice]

    def records(self, namespaces: Iterable[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The objects that route, and the events of some namespaces; empty where they may not be read."""
        try:
            api = self.kubernetes()
            routes = api.list_istio("virtualservices") + api.list_istio("destinationrules")
            return routes, [one for name in namespaces for one in api.items(f"/api/v1/namespaces/{name}/events")]
        except GraphError as error:
            self.forget_kubernetes(error)
            return [], []

    def instant(self, texts: Iterable[str], at: float) -> dict[str, Future[list[Row]]]:
        prometheus = self.prometheus()
        return {text: self._executor.submit(prometheus.query, text, at) for text in texts}

    def range(self, texts: Iterable[str], window: Window) -> dict[str, Future[list[Series]]]:
        prometheus = self.prometheus()
        return {
            text: self._executor.submit(prometheus.query_range, text, window.start, window.end, window.step)
            for text in texts
        }

    def rows(self, texts: Iterable[str], at: float) -> dict[str, list[Row]]:
        """The answers to instant queries, asked side by side."""
        return {text: future.result() for text, future in self.instant(texts, at).items()}

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
