"""Is there anything to send load to? Asked before Gatling starts: one sentence instead of a thousand failures."""

from __future__ import annotations

import csv
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.load_args import Simulation

SERVICES: Mapping[str, tuple[str, str]] = {"user": ("s1", "users.csv"), "music": ("s2", "music.csv")}
"""Of each service: the make target that deploys it, and the file that the loader puts into its table."""

_TIMEOUT = 10.0
# Version 2 of music fails about half of its reads on purpose: eight in a row once in 256 times.
_TRIES = 8


class NotReady(Exception):
    """Why the load would prove nothing; the message names the cure."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status (0: no connection), whether the body is our services' JSON, why there is none."""

    status: int
    ours: bool = False
    reason: str = ""


Ask = Callable[[str, str], Answer]
"""(URL, token or empty) -> Answer."""


def ask(url: str, token: str) -> Answer:
    """GET the URL. No proxy: Gatling uses none either."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (http and https only: BASE_URL is checked)
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return Answer(response.status, _is_ours(response.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _is_ours(error.read()))
    except (urllib.error.URLError, OSError) as error:
        return Answer(0, reason=str(getattr(error, "reason", error)))


def check_services(base: str, simulation: Simulation, ask: Ask) -> None:
    """Raises NotReady when the gateway or a service that the simulation uses does not answer."""
    for service in sorted(simulation.services):
        target, _ = SERVICES[service]
        answer = ask(f"{base}/api/v1/{service}/health", "")
        if answer.status == 0:
            raise NotReady(
                f"Nobody answers at the gateway's address, {base} ({answer.reason}). "
                "Start the cluster (pocket: make up). If it runs, open its gateway: make -f k8s.mak deploy. "
                "If kubectl means another cluster: make -f k8s.mak showcontext extern"
            )
        if answer.status == 404:
            raise NotReady(
                f"The gateway {base} has no route to the {service} service (404). "
                "Deploy the application: make -f k8s.mak deploy"
            )
        if answer.status != 200:
            raise NotReady(
                f"The {service} service is not available: the gateway {base} answers {answer.status}. "
                f"See make -f k8s.mak ls, or deploy it again: make -f k8s.mak {target}"
            )


def check_data(base: str, simulation: Simulation, resources: Path, token: str, ask: Ask) -> None:
    """Raises NotReady when the items that the simulation reads are not in the tables, or the token is not accepted."""
    for service in sorted(simulation.data):
        target, file = SERVICES[service]
        item = first_id(resources / file, f"{service}_id")
        answer = Answer(0)
        for _ in range(_TRIES):
            answer = ask(f"{base}/api/v1/{service}/{item}", token)
            if answer.status != 500:
                break
        if answer.status in (200, 500):  # 500: it is the service that fails, and a load test may well be about that
            continue
        if answer.status == 404 and answer.ours:
            raise NotReady(
                f"The database is empty, or not that of gatling/resources/{file}: there is no {service} {item}. "
                "Load it: make -f k8s.mak loader"
            )
        if answer.status == 401:
            raise NotReady(
                f"The {service} service does not accept the token (401). Is TOKEN set to an old one? Otherwise: "
                f"make -f k8s.mak secrets rollout-{target}"
            )
        raise NotReady(
            f"A read of {service} {item} answers {answer.status or answer.reason}: "
            "the service or its database is not available. "
            f"See make -f k8s.mak ls and make -f k8s.mak log-{target} log-db"
        )


def first_id(file: Path, column: str) -> str:
    """The id in the first row of a data file. Raises NotReady when there is none."""
    try:
        with file.open(newline="", encoding="utf-8") as rows:
            return next(csv.DictReader(rows))[column]
    except (OSError, StopIteration, KeyError) as error:
        raise NotReady(f"{file} has no row with a {column} ({error!r}); it comes with the project") from error


def _is_ours(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
