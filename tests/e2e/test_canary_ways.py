"""Where single requests go while a canary runs with --header, --sticky and --mirror, on a real pocket.

Nobody else calls, so that no verdict comes in between: a canary that is killed and begun anew with larger steps goes on
at the next one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.test_canary import canary, clean, deploy, state, until_judging

PATIENT = ("--no-deploy", "--every", "900s", "--blind", "900s")
LIMIT = 60.0  # seconds, until new routes or new samples are there
TESTER = {"x-canary": "yes"}
COOKIE = "c756-canary"
MARK = """
    from flask import request as asked

    @app.after_request
    def marked(answer: Any) -> Any:
        print("served", asked.method, asked.path, asked.host, flush=True)
        answer.headers["x-served-by"] = "v2"
        return answer

"""
"""Says which version answered, and what it was asked for."""


@pytest.fixture(scope="module")
def marked(cluster: Cluster) -> Iterator[Cluster]:
    """Version 2 without its bug, and with the mark; it runs for all of these tests."""
    path = cluster.root / "s2" / "v2" / "app.py"
    text = path.read_text()
    head, end, rest = text.rpartition("    return app\n")
    path.write_text(head + MARK + end + rest)
    try:
        deploy(cluster)
        yield cluster
    finally:
        path.write_text(text)
        cluster.kubectl("-n", NAMESPACE, "delete", "deployment", "cmpt756s2-v2", "--ignore-not-found")


@pytest.fixture(autouse=True)
def _all_to_v1(marked: Cluster) -> Iterator[None]:
    yield
    marked.run("tools/canary.sh", "abort")
    clean(marked, 0)


class Person:
    """One browser, as far as cookies go."""

    def __init__(self, cluster: Cluster, **headers: str) -> None:
        self._urls = cluster.song_urls
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {cluster.token}", **headers})

    def asks(self, number: int = 1) -> list[str]:
        """The versions that answered."""
        found = []
        for at in range(number):
            answer = self._session.get(self._urls[at % len(self._urls)], timeout=30)
            assert answer.status_code == 200, answer.text
            found.append(answer.headers.get("x-served-by", "v1"))
        return found

    @property
    def cookie(self) -> str | None:
        return self._session.cookies.get(COOKIE)


def until_testers_reach_it(cluster: Cluster) -> None:
    end = time.monotonic() + LIMIT
    while Person(cluster, **TESTER).asks() != ["v2"]:
        assert time.monotonic() < end, "no tester reached v2"
        time.sleep(0.2)


def test_testers_and_people_with_cookies(marked: Cluster) -> None:
    sticky = (*PATIENT, "--header", "x-canary: yes", "--sticky")
    with canary(marked, "--steps", "30,60,100", *sticky) as process:
        first = until_judging(marked, process)
        until_testers_reach_it(marked)
        assert Person(marked, **TESTER).asks(20) == ["v2"] * 20

        people = [Person(marked, **{"x-canary": "no"}) for _ in range(60)]
        began = [person.asks()[0] for person in people]
        assert 3 <= began.count("v2") <= 36, "30 % of sixty, by lot"  # outside: less than one time in 100,000
        assert all(
            (person.cookie or "").startswith(f"{version}.") for person, version in zip(people, began, strict=True)
        )
        for person, version in zip(people, began, strict=True):
            assert person.asks(2) == [version] * 2, "one person sees one version"
        process.kill()
        process.wait(30)

    with canary(marked, "--steps", "60,100", *sticky) as process:
        while (found := state(marked)) is None or found["weight"] != 60:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.2)
        assert found["id"] == first["id"]
        until_testers_reach_it(marked)
        moved = 0
        for person, version in zip(people, began, strict=True):
            asked = person.asks(3)
            assert len(set(asked)) == 1, f"one person sees one version in the new step, too: {asked}"
            assert asked[0] == "v2" or version == "v1", "nobody goes back"
            moved += asked[0] != version
        # (60 - 30) / (100 - 30) of those that had v1 are to move: 43 % of some 42.
        assert 0 < moved < began.count("v1")

    marked.run("tools/canary.sh", "abort")
    end = time.monotonic() + LIMIT
    while "v2" in (now := [person.asks()[0] for person in people] + Person(marked, **TESTER).asks()):
        assert time.monotonic() < end, f"v2 answers after the end: {now}"
        time.sleep(0.2)


def asked_of_prometheus(cluster: Cluster, query: str) -> float:
    answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
    rows = answer.json()["data"]["result"]
    return float(rows[0]["value"][1]) if rows else 0.0


def counted(cluster: Cluster, reporter: str) -> float:
    """Requests to version 2, as callers (source) or as its own sidecar (destination) counted them."""
    return asked_of_prometheus(
        cluster,
        f'sum(istio_requests_total{{reporter="{reporter}",destination_service_name="cmpt756s2",'
        f'destination_version="v2",source_workload!="unknown"}})',
    )


def until_the_gateway_was_read(cluster: Cluster) -> None:
    """Its counters in Prometheus are those of now, or younger."""
    now, end = time.time(), time.monotonic() + LIMIT
    while asked_of_prometheus(cluster, 'min(timestamp(up{pod=~"istio-ingressgateway.*"}))') < now:
        assert time.monotonic() < end, "Prometheus has not read the gateway's counters"
        time.sleep(0.3)


def served(cluster: Cluster) -> list[tuple[str, str]]:
    """Methods and hosts of the songs that version 2 was asked for."""
    log = cluster.kubectl("-n", NAMESPACE, "logs", "deployment/cmpt756s2-v2", "-c", "cmpt756s2", "--tail=-1")
    return re.findall(r"(?m)^served (\S+) /api/v1/music/(?!health|readiness)\S* (\S+)$", log)


def test_mirrored_reads_serve_nobody_and_are_not_judged_as_served(marked: Cluster) -> None:
    until_the_gateway_was_read(marked)
    before = {reporter: counted(marked, reporter) for reporter in ("source", "destination")}
    earlier = len(served(marked))
    with canary(marked, "--mirror", "100%", *PATIENT) as process:
        while (found := state(marked)) is None or found["phase"] != "warming up":
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.2)
        end = time.monotonic() + LIMIT
        while len(served(marked)) == earlier:
            assert time.monotonic() < end, "no read was mirrored"
            assert Person(marked).asks() == ["v1"]
        assert Person(marked).asks(20) == ["v1"] * 20
        song = {"Artist": "Nobody", "SongTitle": "Written once"}
        headers = {"Authorization": f"Bearer {marked.token}"}
        made = requests.post(f"{marked.base}/api/v1/music/", json=song, headers=headers, timeout=30)
        assert made.status_code == 200, made.text
        url = f"{marked.base}/api/v1/music/{made.json()['music_id']}"
        assert requests.delete(url, headers=headers, timeout=30).status_code == 200

        while counted(marked, "destination") < before["destination"] + 20:
            assert time.monotonic() < end, "the sidecar of v2 has not counted the mirrored reads"
            time.sleep(0.5)
        asked = served(marked)[earlier:]
        assert {method for method, _ in asked} == {"GET"}, "writes are not copied"
        # Istio 1.31 leaves the host as it is. Before, it had -shadow appended (DISABLE_SHADOW_HOST_SUFFIX of istiod).
        assert {host for _, host in asked} == {marked.base.removeprefix("http://")}
        until_the_gateway_was_read(marked)
        assert counted(marked, "source") == before["source"], "the series that later steps are judged by"
