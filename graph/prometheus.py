"""Asks Prometheus, over its HTTP API (/api/v1, the same from version 2 on)."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import requests

from graph import http
from graph.errors import Advice, GraphError
from graph.rows import Row, Series
from graph.settings import FIND_PROMETHEUS


class Prometheus:
    """One Prometheus server. Threads may share it.

    Every method raises GraphError: prometheusUnreachable (503), prometheusTimeout (504) or prometheusError (502).
    """

    def __init__(
        self,
        url: str | None,
        timeout: float = 15.0,
        connections: int = 16,
        unknown: Advice | None = None,
        session: requests.Session | None = None,
    ) -> None:
        """`unknown`: why there is no url. `session`: where the way to it wants to know who asks."""
        self.url = url
        self._where = re.sub("//[^/@]*@", "//", url or "")  # a password is nothing to show
        self._unknown = unknown or Advice("prometheusUnreachable", "There is no address.", FIND_PROMETHEUS)
        self._timeout = timeout
        self._session = session or http.session(url or "", connections)

    def query(self, promql: str, at: float) -> list[Row]:
        """The value of an expression at one time; series whose value is not a number are left out."""
        data = self._ask("query", {"query": promql, "time": f"{at:.3f}", "timeout": f"{self._timeout:.0f}s"})
        result = data.get("result", [])
        if data.get("resultType") in ("scalar", "string"):
            return [Row({}, float(result[1]))]
        rows = (Row(item["metric"], float(item["value"][1])) for item in result)
        return [row for row in rows if not math.isnan(row.value)]

    def samples(self, selector: str, at: float) -> list[Series]:
        """The samples of a range selector, `metric[5m]`, as they were read."""
        data = self._ask("query", {"query": selector, "time": f"{at:.3f}", "timeout": f"{self._timeout:.0f}s"})
        return _series(data)

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Series]:
        """The values of an expression from start to end, both included, every `step` seconds."""
        data = self._ask(
            "query_range",
            {
                "query": promql,
                "start": f"{start:.3f}",
                "end": f"{end:.3f}",
                "step": f"{step:.3f}",
                "timeout": f"{self._timeout:.0f}s",
            },
        )
        return _series(data)

    def label_values(self, label: str, match: str, start: float, end: float) -> list[str]:
        """The values that a label has on the series that match, within a time."""
        parameters = {"match[]": match, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        return sorted(str(value) for value in self._ask(f"label/{label}/values", parameters, method="GET"))

    def version(self) -> str:
        return str(self._ask("status/buildinfo", {}, method="GET").get("version", "unknown"))

    def _ask(self, path: str, parameters: Mapping[str, str], method: str = "POST") -> Any:
        if self.url is None:
            message = f"Where Prometheus is, is not known. {self._unknown.message}"
            raise GraphError(503, "prometheusUnreachable", message, self._unknown.cure)
        began = time.monotonic()
        where = "params" if method == "GET" else "data"
        try:
            answer = self._session.request(
                method,
                f"{self.url}/api/v1/{path}",
                timeout=self._timeout + 1,
                **{where: parameters},  # type: ignore[arg-type]
            )
        except requests.Timeout as error:
            took = time.monotonic() - began
            raise GraphError(
                504,
                "prometheusTimeout",
                f"Prometheus at {self._where} did not answer within {took:.0f} s.",
                "Choose a shorter window, or look whether its machine is overloaded.",
            ) from error
        except requests.RequestException as error:
            raise GraphError(
                503,
                "prometheusUnreachable",
                f"Prometheus at {self._where} cannot be reached: {_cause(error)}.",
                "Is it running? On pocket: make -f pocket.mak status; elsewhere: kubectl -n istio-system get pods. "
                "If it is somewhere else, set PROMETHEUS_URL.",
            ) from error
        return _data(answer, self._where)


def _series(data: Mapping[str, Any]) -> list[Series]:
    return [
        Series(item["metric"], tuple((float(at), float(value)) for at, value in item["values"]))
        for item in data.get("result", [])
    ]


def _data(answer: requests.Response, url: str) -> Any:
    try:
        body = answer.json()
        if body["status"] == "success":
            return body["data"]
        said = f"{body.get('errorType')}: {body.get('error')}"
    except (ValueError, KeyError, TypeError):
        said = f"status {answer.status_code}, {answer.text[:200].strip()!r}"
    raise GraphError(
        502, "prometheusError", f"Prometheus at {url} answered with an error: {said}.", "Is this address a Prometheus?"
    )


def _cause(error: BaseException) -> str:
    """The innermost reason, without the layers of libraries around it."""
    chain: Iterable[object] = error.args
    for inner in chain:
        if isinstance(inner, BaseException):
            return _cause(getattr(inner, "reason", None) or inner)
    # `HTTPConnection(host=..., port=...): Failed to establish a new connection: [Errno 111] Connection refused`
    text = re.sub(r"^.*(object at 0x|Connection\().*: ", "", str(error))
    return re.sub(r"^\[Errno -?\d+\] ", "", text) or type(error).__name__
