"""The whole canary story, unattended: `make demo`; with CANARY=1 the judge decides (tools/demo_canary.py).

v1 alone; v2 gets 10 % and fails half of its reads; back to v1; v2 mended, 10 %, 100 %; v1 deleted. It uses what a
person would type (tools/s2ver.sh, kubectl), puts its own modest load on the gateway, and after each step compares
what was measured with what should be. Ends with 1 if any expectation fails. Works on a scratch copy of the checkout.
"""

from __future__ import annotations

import collections
import csv
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from c756 import kubectl
from tools import demo_canary
from tools.demo_measure import Counts, Finding, Traffic, fewer, none_of, share, traffic_of

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "c756ns"
CLIENTS, PAUSE = 12, 0.35  # about 30 requests/s
SETTLE = 6.0  # seconds: the sidecars are scraped every 5 s
QUERY = (
    'istio_requests_total{reporter="source",source_workload="istio-ingressgateway",'
    'destination_service_name="cmpt756s2"}'
)
OF_S2 = (
    'istio_requests_total{reporter="destination",destination_app="cmpt756s2"} or '
    'istio_requests_total{reporter="source",source_app="cmpt756s2",destination_app="cmpt756db"}'
)
"""As the sidecars of s2 count, each of which is scraped in one go: what comes in and what goes on can be compared."""
LINKED = (".venv", ".cache", "node_modules", "pocket/emulator/node_modules", "graph/node_modules")


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Load:
    """Reads songs through the gateway, all the time, and counts the answers by status."""

    def __init__(self, base: str, token: str, songs: list[str]) -> None:
        self.answers: collections.Counter[str] = collections.Counter()
        self._urls = [f"{base}/api/v1/music/{song}" for song in songs]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for url in itertools.islice(itertools.cycle(self._urls), number, None):
                if self._stop.wait(PAUSE):
                    return
                try:
                    status = str(session.get(url, headers=self._headers, timeout=30).status_code)
                except requests.RequestException as error:
                    status = type(error).__name__
                with self._lock:
                    self.answers[status] += 1


class Demo:
    """The steps and what came of them."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.findings: list[Finding] = []
        address = self.output("tools/getip.sh", "kubectl", "istio-system", "svc/istio-ingressgateway").strip()
        self.base = f"http://{address}"
        self.token = self.output("tools/token.sh").strip()
        self._http = requests.Session()
        self._http.trust_env = False

    # -- doing --------------------------------------------------------------------------------------------------

    def step(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    def run(self, *command: str) -> None:
        """What a person would type, with what it says."""
        print(f"  $ {' '.join(command)}", flush=True)
        done = subprocess.run(command, cwd=self.scratch, capture_output=True, text=True)
        if done.returncode != 0:
            raise DemoError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        for line in done.stdout.splitlines()[-1:]:
            print(f"    {line}", flush=True)

    def output(self, *command: str) -> str:
        done = subprocess.run(command, cwd=self.scratch, capture_output=True, text=True)
        if done.returncode != 0:
            raise DemoError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What Prometheus has."""
        answer = self._http.get(f"{self.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def counts(self) -> Traffic:
        """Counters, by what the gateway has sent and by what the sidecars of s2 have seen."""
        return traffic_of(self.rows(QUERY), self.rows(OF_S2))

    def measure(self, seconds: float) -> Counts:
        """What comes through the gateway in about that many seconds, seen by Prometheus."""
        return self.measure_all(seconds).gateway

    def measure_all(self, seconds: float) -> Traffic:
        """The same, and what s2 does with it."""
        time.sleep(SETTLE)
        before = self.counts()
        time.sleep(seconds)
        return self.counts().since(before)

    # -- judging ------------------------------------------------------------------------------------------------

    def judge(self, *findings: Finding) -> None:
        for finding in findings:
            self.findings.append(finding)
            word = "ok  " if finding.holds else "FAIL"
            print(f"  {word} {finding.what}: expected {finding.expected}, measured {finding.measured}", flush=True)

    # -- the story ----------------------------------------------------------------------------------------------

    def story(self, load: Load) -> None:
        self.step("1. Version 1 alone")
        now = self.measure(8)
        self.judge(
            share("share of v1", 1, now.of("v1"), now.total), share("failed requests", 0, _failed(now), now.total)
        )

        self.step("2. Version 2 gets 10 %, and fails about half of its reads")
        self.run("tools/s2ver.sh", "v2")
        traffic = self.measure_all(24)
        now = traffic.gateway
        self.judge(
            share("share of v2", 0.10, now.of("v2"), now.total),
            share("failures of v2", 0.50, now.failed.get("v2", 0), now.of("v2")),
            share("failures of v1", 0, now.failed.get("v1", 0), now.of("v1")),
        )
        self.judge(
            share("reads that v2 passes on to cmpt756db", 0.50, traffic.into_db.of("v2"), traffic.reads.of("v2")),
            fewer("requests into cmpt756db, of those into S2", traffic.into_db.total, traffic.into_s2.total),
        )

        self.step("3. Back to version 1")
        self.run("tools/s2ver.sh", "v1")
        now = self.measure(8)
        self.judge(none_of("requests to v2", now.of("v2")), share("failed requests", 0, _failed(now), now.total))

        self.step("4. Version 2 mended (PERCENT_ERROR = 0), 10 %")
        self.set_percent_error(0)
        before = collections.Counter(load.answers)
        self.run("tools/s2ver.sh", "v2")
        deployed = self.output(
            "kubectl", "exec", "-n", NAMESPACE, "deploy/cmpt756s2-v2", "-c", "cmpt756s2", "--", "cat", "app.py"
        )
        self.judge(none_of("pods with the old code", int("PERCENT_ERROR = 0" not in deployed)))
        now = self.measure(16)
        self.judge(
            share("share of v2", 0.10, now.of("v2"), now.total),
            share("failures of v2", 0, now.failed.get("v2", 0), now.of("v2")),
        )

        self.step("5. Version 2 gets everything")
        self._set_weights(0, 100)
        self.run("kubectl", "apply", "-f", "cluster/s2-vs-v2.yaml")
        now = self.measure(8)
        self.judge(
            share("share of v2", 1, now.of("v2"), now.total), share("failed requests", 0, _failed(now), now.total)
        )

        self.step("6. Version 1 is deleted")
        self.run("kubectl", "-n", NAMESPACE, "delete", "deploy/cmpt756s2-v1")
        now = self.measure(8)
        self.judge(
            share("share of v2", 1, now.of("v2"), now.total), share("failed requests", 0, _failed(now), now.total)
        )
        since_fix = load.answers - before
        lost = {status: count for status, count in since_fix.items() if status != "200"}
        self.judge(none_of("requests lost in steps 4 to 6", sum(lost.values()), str(lost) if lost else ""))

    def restore(self) -> None:
        """As it was before: version 1 from the checkout, all traffic to it, version 2 gone."""
        self.step("7. Cleaning up: version 1 again, version 2 gone")
        for command in (
            ("tools/s2ver.sh", "v1"),
            ("kubectl", "-n", NAMESPACE, "delete", "--ignore-not-found", "deploy/cmpt756s2-v2"),
        ):
            print(f"  $ {' '.join(command)}", flush=True)
            subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    def set_percent_error(self, percent: int) -> None:
        path = self.scratch / "s2" / "v2" / "app.py"
        text, changed = re.subn(r"(?m)^(PERCENT_ERROR\b[^=]*)= *\d+", rf"\g<1>= {percent}", path.read_text())
        if changed != 1:
            raise DemoError("s2/v2/app.py: no line PERCENT_ERROR = ...")
        path.write_text(text)
        print(f"  (in a scratch copy) s2/v2/app.py: PERCENT_ERROR = {percent}", flush=True)

    def _set_weights(self, *weights: int) -> None:
        path = self.scratch / "cluster" / "s2-vs-v2.yaml"
        fresh = itertools.cycle(weights)
        path.write_text(re.sub(r"(?m)^( *weight:) *\d+", lambda found: f"{found[1]} {next(fresh)}", path.read_text()))
        print(f"  (in a scratch copy) cluster/s2-vs-v2.yaml: weights {'/'.join(map(str, weights))}", flush=True)


def _failed(counts: Counts) -> int:
    return sum(counts.failed.values())


@contextmanager
def scratch_copy() -> Iterator[Path]:
    """A copy of the checkout to edit, sharing what was installed."""
    with tempfile.TemporaryDirectory(prefix="c756-demo-") as folder:
        copy = Path(folder) / "c756"
        left_out = (".git", "__pycache__", "target", ".pocket", *map(os.path.basename, LINKED))
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*left_out))
        for name in LINKED:
            if (ROOT / name).exists():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                (copy / name).symlink_to(ROOT / name)
        yield copy


def main() -> int:
    """Returns the exit code."""
    began = time.monotonic()
    kubectl.use_the_projects()
    os.environ.setdefault("POCKET_HOME", str(ROOT / ".pocket"))  # the scratch copy must not get one of its own
    with (ROOT / "gatling" / "resources" / "music.csv").open(newline="") as file:
        songs = [row["music_id"] for row in csv.DictReader(file)]
    try:
        with scratch_copy() as scratch:
            demo = Demo(scratch)
            print(f"The canary story against {demo.base}. Watch it: {demo.base}/kiali", flush=True)
            demo.run("tools/s2ver.sh", "v1")
            try:
                with Load(demo.base, demo.token, songs) as load:
                    if "--canary" in sys.argv[1:]:
                        demo_canary.story(demo, load)
                    else:
                        demo.story(load)
            finally:
                demo.restore()
    except (DemoError, requests.RequestException, subprocess.CalledProcessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; version 1 serves again.", file=sys.stderr)
        return 130
    bad = [finding for finding in demo.findings if not finding.holds]
    good = len(demo.findings) - len(bad)
    print(f"\n{good} of {len(demo.findings)} expectations hold; {time.monotonic() - began:.0f} s.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
