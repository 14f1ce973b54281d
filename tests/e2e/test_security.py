"""The application's policies in force: who gets what, and that no request is lost while they change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Load

PATIENCE = 120.0  # seconds
PLAIN = {"spec": {"template": {"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}}}}


def set_mode(cluster: Cluster, mode: str) -> None:
    patch = json.dumps({"spec": {"mtls": {"mode": mode}}})
    cluster.kubectl("-n", NAMESPACE, "patch", "peerauthentication", "default", "--type=merge", "-p", patch)


def until(what: str, holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.3)


@pytest.fixture
def stranger(cluster: Cluster) -> Iterator[Callable[[], str]]:
    """Somebody else's pod, which asks for the users; what it was told last."""
    cluster.make("stranger")

    def said() -> str:
        lines = cluster.kubectl(
            "-n", "stranger", "logs", "deploy/stranger", "-c", "stranger", "--tail=1", "--since=10s"
        )
        return lines.strip()

    yield said
    cluster.kubectl("delete", "namespace", "stranger", "--timeout=120s")
    cluster.make("deploy")


def without_sidecar(cluster: Cluster) -> None:
    cluster.kubectl("-n", "stranger", "patch", "deploy/stranger", "--type=merge", "-p", json.dumps(PLAIN))
    cluster.kubectl("-n", "stranger", "rollout", "status", "deploy/stranger", "--timeout=120s")


def test_the_chapter_on_somebody_elses_pod(cluster: Cluster, stranger: Callable[[], str]) -> None:
    """docs/exercise.md, chapter 9, in its order."""
    until("a stranger with a sidecar is refused", lambda: stranger() == "403 RBAC: access denied")
    wanted = {
        "source_principal": "spiffe://cluster.local/ns/stranger/sa/stranger",
        "response_code": "403",
        "response_flags": "-",
        "connection_security_policy": "mutual_tls",
    }

    def counted(source: str) -> list[dict[str, str]]:
        query = f'istio_requests_total{{reporter="destination",source_workload="{source}",response_code="403"}}'
        answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
        return [row["metric"] for row in answer.json()["data"]["result"]]

    until("the refusal is counted", lambda: any(wanted.items() <= one.items() for one in counted("stranger")))
    assert counted("unknown") == []

    without_sidecar(cluster)
    until("plaintext is cut off", lambda: stranger().startswith("503 upstream connect error"))
    set_mode(cluster, "PERMISSIVE")
    until("plaintext is taken, and refused", lambda: stranger() == "403 RBAC: access denied")
    until("as nobody's", lambda: {one["connection_security_policy"] for one in counted("unknown")} == {"none"})
    policies = ("allow-nothing", "cmpt756db", "metrics")
    cluster.kubectl("-n", NAMESPACE, "delete", "authorizationpolicy", *policies)
    until("without policies the users are everybody's", lambda: stranger().startswith('200 {"Items":[{"fname"'))
    cluster.make("deploy")
    until("all is as before", lambda: stranger().startswith("503 upstream connect error"))


def test_no_request_is_lost_from_permissive_to_strict_and_back(cluster: Cluster, stranger: Callable[[], str]) -> None:
    """Half of the requests on new connections. What is in force the stranger finds out: it has no certificate."""
    without_sidecar(cluster)
    users, songs = (
        Load(urls, cluster.token, clients=4, fresh=fresh)
        for urls, fresh in ((cluster.user_urls, False), (cluster.song_urls, True))
    )
    with users, songs:
        for _ in range(3):
            set_mode(cluster, "PERMISSIVE")
            until("PERMISSIVE is in force", lambda: stranger() == "403 RBAC: access denied")
            set_mode(cluster, "STRICT")
            until("STRICT is in force", lambda: stranger().startswith("503 upstream connect error"))
    for load in (users, songs):
        assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
        assert load.answers.total > 100
