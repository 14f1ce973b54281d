"""loader: puts the users and songs of the two CSV files into the datastore, through db's /load.

It may be run again at any time: every row has its own fixed key, so a second run changes nothing. It ends with 1 where
any row failed, and says which. As a Kubernetes Job it runs once per deployment.
"""

from __future__ import annotations

import csv
import io
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import requests
from requests.adapters import HTTPAdapter

from servicekit.config import ConfigError, Env
from servicekit.datastore import PREFIX

FILES = {
    "users.csv": ("user", "user_id", ("fname", "lname", "email")),
    "music.csv": ("music", "music_id", ("Artist", "SongTitle")),
}
_BUSY = frozenset({429, 502, 503, 504})  # worth another try: a row may be loaded twice without harm
PROGRESS_ROWS = 40


class LoadError(Exception):
    """The run cannot begin; the message says why."""


@dataclass(frozen=True)
class LoaderConfig:
    """What the loader is told."""

    token: str
    url: str = "http://cmpt756db:30002"
    data: Path = Path("resources")
    concurrency: int = 4
    ready_seconds: float = 120.0  # how long to wait for the datastore
    attempts: int = 5  # per row
    timeout: float = 10.0  # seconds per call
    sidecar_quit_url: str = ""

    @classmethod
    def from_env(cls, values: Mapping[str, str] | None = None) -> Self:
        """Reads LOADER_TOKEN, DB_URL, DATA_DIR, LOADER_{CONCURRENCY,ATTEMPTS}, READY_SECONDS, SIDECAR_QUIT_URL."""
        env = Env(values)
        config = cls(
            token=env.secret("LOADER_TOKEN", "take it from the Secret c756-auth (key loader-token)"),
            url=env.url("DB_URL", cls.url),
            data=Path(env.text("DATA_DIR", "resources")),
            concurrency=env.integer("LOADER_CONCURRENCY", 4, 1, 64),
            ready_seconds=env.number("READY_SECONDS", 120.0, 0, 3600),
            attempts=env.integer("LOADER_ATTEMPTS", 5, 1, 100),
            sidecar_quit_url=env.url("SIDECAR_QUIT_URL"),
        )
        env.check()
        return config


@dataclass(frozen=True)
class Row:
    """One item to load, and where it stands in the files."""

    place: str  # e.g. music.csv:17
    body: dict[str, str]


def parse(name: str, text: str) -> Iterator[Row | str]:
    """The rows of file `name`: a Row, or what is wrong with it. Raises LoadError where the header is not as agreed."""
    objtype, key, fields = FILES[name]
    reader = csv.DictReader(io.StringIO(text), strict=True)
    if tuple(reader.fieldnames or ()) != (key, *fields):
        raise LoadError(f"{name}: the first line must be {','.join((key, *fields))}")
    for record in reader:
        place = f"{name}:{reader.line_num}"
        problem = _row_problem(record, key, fields)
        if problem:
            yield f"{place}: {problem}"
        else:
            yield Row(place, {"objtype": objtype, "uuid": record[key], **{f: record[f] for f in fields}})


def _row_problem(record: Mapping[str, object], key: str, fields: tuple[str, ...]) -> str:
    if None in record:
        return "too many columns"
    for name in (key, *fields):
        value = record[name]
        if not isinstance(value, str) or not value.strip():
            return f"no {name}"
    try:
        uuid.UUID(str(record[key]))
    except ValueError:
        return f"{key} {record[key]!r} is not a UUID"
    return ""


def read_rows(directory: Path) -> list[Row | str]:
    """All rows of both files; raises LoadError where a file cannot be read."""
    rows: list[Row | str] = []
    for name in FILES:
        try:
            rows += parse(name, (directory / name).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise LoadError(f"cannot read {directory / name}: {error}") from error
    return rows


def wait_until_ready(session: requests.Session, config: LoaderConfig) -> None:
    """Waits for the datastore's readiness; raises LoadError with its last answer after `ready_seconds`."""
    deadline = time.monotonic() + config.ready_seconds
    while True:
        reason = _attempt(lambda: session.get(f"{config.url}{PREFIX}/readiness", timeout=5))[1]
        if not reason:
            return
        if time.monotonic() >= deadline:
            raise LoadError(f"the datastore at {config.url} is not ready after {config.ready_seconds:g} s: {reason}")
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())))


def load_row(session: requests.Session, config: LoaderConfig, row: Row) -> str:
    """Loads one row, again where the datastore is busy; returns what went wrong, nothing where all went well."""
    reason = ""
    for attempt in range(config.attempts):
        if attempt:
            time.sleep(min(0.2 * 2**attempt, 5.0))
        again, reason = _attempt(
            lambda: session.post(
                f"{config.url}{PREFIX}/load",
                json=row.body,
                headers={"Authorization": f"Bearer {config.token}"},
                timeout=config.timeout,
            )
        )
        if not again:
            break
    return f"{row.place}: {reason}" if reason else ""


def _attempt(call: Callable[[], requests.Response]) -> tuple[bool, str]:
    """Whether another try makes sense, and what went wrong (nothing where all went well)."""
    try:
        response = call()
    except requests.RequestException as error:
        return True, f"no answer: {type(error).__name__}"
    if response.status_code == 200:
        return False, ""
    return response.status_code in _BUSY, f"{response.status_code} {response.text[:200].strip()}"


def load(config: LoaderConfig, say: Callable[[str], None]) -> int:
    """Loads everything, says how it goes; returns the number of rows that failed. Raises LoadError."""
    rows = read_rows(config.data)
    good = [row for row in rows if isinstance(row, Row)]
    failures = [row for row in rows if isinstance(row, str)]
    for failure in failures:
        say(f"failed {failure}")
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=config.concurrency))
    wait_until_ready(session, config)
    say(f"loading {len(good)} rows into {config.url}")
    with ThreadPoolExecutor(config.concurrency) as pool:
        futures = [pool.submit(load_row, session, config, row) for row in good]
        for done, future in enumerate(as_completed(futures), start=1):
            if failure := future.result():
                failures.append(failure)
                say(f"failed {failure}")
            if done % PROGRESS_ROWS == 0:
                say(f"{done} of {len(good)}")
    say(f"loaded {len(rows) - len(failures)} of {len(rows)} rows, {len(failures)} failed")
    return len(failures)


def quit_sidecar(url: str, say: Callable[[str], None]) -> None:
    """Tells a classic Istio sidecar to end, which would keep the Job's pod running; native sidecars need no telling."""
    if url:
        try:
            requests.post(url, timeout=2, proxies={"http": ""}).raise_for_status()
        except requests.RequestException as error:
            say(f"the sidecar at {url} could not be told to quit: {type(error).__name__}")


def main() -> int:
    """Runs it: 0 where every row is loaded, 1 where not, 2 where the settings are wrong."""

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        config = LoaderConfig.from_env()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return 1 if load(config, say) else 0
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        quit_sidecar(config.sidecar_quit_url, say)


if __name__ == "__main__":
    sys.exit(main())
