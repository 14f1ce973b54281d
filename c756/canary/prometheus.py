"""Asks Prometheus, wherever it is: PROMETHEUS_URL, behind the ingress gateway, or through the Kubernetes API."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from c756 import kubectl
from c756.canary.counts import Series
from c756.trouble import Trouble

SERVICE = "/api/v1/namespaces/istio-system/services/http:prometheus:9090/proxy"
_PATIENCE = 5.0  # seconds
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is near: no proxy between


class Prometheus:
    """One Prometheus. Every method raises Trouble where it does not answer."""

    def __init__(self, get: Callable[[str], str], where: str) -> None:
        """`get` answers to a path with its query."""
        self._get = get
        self.where = where

    def time(self) -> float:
        """Its clock, in seconds since 1970: that of the samples."""
        return float(self._ask("time()", None)[0])

    def series(self, selector: str, start: float, now: float) -> list[Series]:
        """The samples of all series that match, as they were scraped, and a minute of what was before the start."""
        found = self._ask(f"{selector}[{max(1, round(now - start + 60))}s]", now)
        return [
            Series(item["metric"], tuple((float(at), float(value)) for at, value in item["values"])) for item in found
        ]

    def _ask(self, query: str, at: float | None) -> Any:
        parameters = {"query": query} if at is None else {"query": query, "time": f"{at:.3f}"}
        text = self._get(f"/api/v1/query?{urllib.parse.urlencode(parameters)}")
        try:
            answer = json.loads(text)
            if answer["status"] == "success":
                return answer["data"]["result"]
            said = answer.get("error", answer["status"])
        except (ValueError, KeyError, TypeError):
            said = f"no JSON of its API, but {text[:100]!r}"
        raise Trouble(f"{self.where} says: {said}")


def find() -> Prometheus:
    """The one of the current cluster. Raises Trouble where none answers, with every way that was tried."""
    tried = []
    for made in (_given, _at_the_gateway, _through_the_api):
        try:
            if (prometheus := made()) is not None:
                prometheus.time()
                return prometheus
        except Trouble as trouble:
            tried.append(str(trouble))
    raise Trouble("Prometheus does not answer: " + "; ".join(tried), "If it is somewhere else, set PROMETHEUS_URL")


def _given() -> Prometheus | None:
    url = os.environ.get("PROMETHEUS_URL", "").rstrip("/")
    return at(url) if url else None


def _at_the_gateway() -> Prometheus:
    done = subprocess.run([kubectl.ROOT / "tools/getip.sh"], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise Trouble(done.stderr.strip())
    return at(f"http://{done.stdout.strip()}/prometheus")


def _through_the_api() -> Prometheus:
    patience = f"--request-timeout={_PATIENCE:.0f}s"
    return Prometheus(
        lambda path: kubectl.ask("get", "--raw", SERVICE + path, patience), "Prometheus, by the API server,"
    )


def at(url: str) -> Prometheus:
    """The one under a URL, which may have a name and a password in it."""
    login, _, place = url.partition("://")[2].rpartition("@")
    where = f"{url.partition('://')[0]}://{place}"
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}

    def get(path: str) -> str:
        try:
            request = urllib.request.Request(where + path, headers=headers)  # noqa: S310  of whoever runs this
            with _OPENER.open(request, timeout=_PATIENCE) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            raise Trouble(f"{where}: status {error.code}") from error
        except (OSError, ValueError) as error:
            raise Trouble(f"{where}: {getattr(error, 'reason', error)}") from error

    return Prometheus(get, where)
