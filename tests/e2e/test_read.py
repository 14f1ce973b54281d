"""Reading through the gateway, and what the command line says: the first thing that a newcomer does."""

from __future__ import annotations

import time

import requests

from tests.e2e.cluster import NAMESPACE, Cluster


def test_a_song_comes_back(cluster: Cluster) -> None:
    song = cluster.songs[0]
    answer = requests.get(
        f"{cluster.base}/api/v1/music/{song['music_id']}",
        headers={"Authorization": f"Bearer {cluster.token}"}, timeout=10,
    )  # fmt: skip
    assert answer.status_code == 200
    assert answer.json() == {"Items": [song], "Count": 1}


def test_no_token_and_no_such_song(cluster: Cluster) -> None:
    url = cluster.song_urls[0]
    assert requests.get(url, timeout=10).status_code == 401
    missing = f"{cluster.base}/api/v1/music/00000000-0000-0000-0000-000000000000"
    answer = requests.get(missing, headers={"Authorization": f"Bearer {cluster.token}"}, timeout=10)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_pods_show_their_sidecars(cluster: Cluster) -> None:
    lines = cluster.kubectl("-n", NAMESPACE, "get", "pods", "--no-headers").splitlines()
    running = [line.split() for line in lines if "loader" not in line]
    assert {fields[0].rsplit("-", 2)[0] for fields in running} >= {"cmpt756s1", "cmpt756s2-v1", "cmpt756db"}
    assert {(fields[1], fields[2]) for fields in running} == {("2/2", "Running")}


def test_up_again_changes_nothing(cluster: Cluster) -> None:
    before = cluster.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    cluster.run("make", "up")
    assert cluster.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].metadata.uid}") == before


def test_a_misspelt_field_is_refused_by_name(cluster: Cluster) -> None:
    path = cluster.root / "cluster" / "s2-vs-v1.yaml"
    bad = cluster.root / "bad.yaml"
    bad.write_text(path.read_text().replace("weight: 100", "wieght: 100"))
    done = cluster.run("kubectl", "apply", "-f", str(bad), check=False)
    assert done.returncode != 0
    assert 'unknown field "spec.http[0].route[0].wieght"' in done.stderr


def test_the_loader_may_run_twice(cluster: Cluster) -> None:
    cluster.make("loader")


def test_prometheus_sees_the_application_through_its_sidecar(cluster: Cluster) -> None:
    """Prometheus is outside the mesh: its reads appear at each service as source `unknown`."""
    query = 'sum(istio_requests_total{reporter="destination",source_workload="unknown"}) by (destination_workload)'
    deadline = time.monotonic() + 75  # the first scrape of a pod may be 30 s away, and the sidecar's 5 s more
    wanted = {"cmpt756s1", "cmpt756s2-v1", "cmpt756db"}
    seen: set[str] = set()
    while not wanted <= seen:
        assert time.monotonic() < deadline, f"of {wanted} only {seen} were scraped"
        answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
        seen = {row["metric"]["destination_workload"] for row in answer.json()["data"]["result"]}
        time.sleep(1)


def test_health_checks_are_no_traffic(cluster: Cluster) -> None:
    """The readiness of s1 asks db through the mesh every few seconds; nobody calls s1 meanwhile."""

    def calls() -> float:
        query = 'sum(istio_requests_total{source_workload="cmpt756s1"}) or vector(0)'
        answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
        return float(answer.json()["data"]["result"][0]["value"][1])

    time.sleep(6)  # what came before has been read
    before = calls()
    time.sleep(12)  # two checks and two reads
    assert calls() == before


def test_dynamodb_traffic_is_seen_as_bytes_to_the_service_entry(cluster: Cluster) -> None:
    query = 'sum(istio_tcp_sent_bytes_total{source_workload="cmpt756db"}) by (destination_service) > 0'
    deadline = time.monotonic() + 15  # the sidecar is scraped every 5 s
    names: list[str] = []
    while not names:
        assert time.monotonic() < deadline, "no bytes to DynamoDB are seen"
        answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": query}, timeout=10)
        names = [row["metric"]["destination_service"] for row in answer.json()["data"]["result"]]
        time.sleep(0.5)
    assert any(name.startswith("dynamodb.") and name.endswith(".amazonaws.com") for name in names), names
