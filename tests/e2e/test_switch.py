"""The canary story under load: what goes where, what fails, and that nothing is lost that should not be."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.e2e.cluster import NAMESPACE, Cluster
from tests.e2e.load import Load

QUERY = (
    'istio_requests_total{reporter="source",source_workload="istio-ingressgateway",'
    'destination_service_name="cmpt756s2"}'
)
GATEWAY_SCRAPE = 6.0  # seconds: a sidecar is scraped every 5


def set_percent_error(cluster: Cluster, percent: int) -> None:
    path = cluster.root / "s2" / "v2" / "app.py"
    text, count = re.subn(r"(?m)^(PERCENT_ERROR\b[^=]*)= *\d+", rf"\g<1>= {percent}", path.read_text())
    assert count == 1
    path.write_text(text)


def set_weights(cluster: Cluster, first: int, second: int) -> None:
    path = cluster.root / "cluster" / "s2-vs-v2.yaml"
    weights = iter([first, second] * 9)
    path.write_text(
        re.sub(r"(?m)^( *(?:- )?weight:) *\d+", lambda found: f"{found[1]} {next(weights)}", path.read_text())
    )


def kill_control(cluster: Cluster) -> None:
    """SIGKILL to the control process and the shells that watch it, so that nobody starts it again."""
    record = json.loads((Path(cluster.env["POCKET_HOME"]) / "run" / "control.json").read_text())
    shim = psutil.Process(record["pid"])
    (loop,) = shim.children()
    processes = [shim, loop, *loop.children()]  # not their grandchildren: those are the pods
    assert processes[-1].cmdline()[1:] == ["-m", "pocket.control"]
    for process in processes:
        process.kill()


def pods_with_envoys(cluster: Cluster) -> set[str]:
    """Those that run and are to stay: name and uid."""
    found = json.loads(cluster.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    return {
        f"{pod['metadata']['name']} {pod['metadata']['uid']}"
        for pod in found
        if "sidecar.istio.io/status" in pod["metadata"].get("annotations", {})
        and pod["status"]["phase"] == "Running"
        and "deletionTimestamp" not in pod["metadata"]
    }


def counters(cluster: Cluster) -> dict[tuple[str, str], float]:
    answer = requests.get(f"{cluster.base}/prometheus/api/v1/query", params={"query": QUERY}, timeout=10)
    rows = answer.json()["data"]["result"]
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        key = (row["metric"]["destination_version"], row["metric"]["response_code"])
        found[key] = found.get(key, 0) + float(row["value"][1])
    return found


def measured(cluster: Cluster, seconds: float) -> dict[tuple[str, str], float]:
    """Requests through the gateway in that time, by version and code."""
    time.sleep(GATEWAY_SCRAPE)
    before = counters(cluster)
    time.sleep(seconds)
    return {key: value - before.get(key, 0) for key, value in counters(cluster).items()}


def share(part: float, whole: float) -> float:
    assert whole > 50, "too little traffic to judge"
    return part / whole


@pytest.fixture
def as_it_was(cluster: Cluster) -> Iterator[None]:
    """Put back v1 alone, whatever the test did."""
    files = {name: (cluster.root / name).read_text() for name in ("s2/v2/app.py", "cluster/s2-vs-v2.yaml")}
    yield
    for name, text in files.items():
        (cluster.root / name).write_text(text)
    cluster.run("tools/s2ver.sh", "v1")
    cluster.kubectl("-n", NAMESPACE, "delete", "deployment", "cmpt756s2-v2", "--ignore-not-found")


def test_an_unknown_version_lists_the_known(cluster: Cluster) -> None:
    done = cluster.run("tools/s2ver.sh", "v9", check=False)
    assert done.returncode != 0
    assert "v9" in done.stderr
    assert "v1" in done.stderr
    assert "v2" in done.stderr


@pytest.mark.usefixtures("as_it_was")
def test_ten_percent_reach_v2_and_half_of_those_fail(cluster: Cluster) -> None:
    with Load(cluster.song_urls, cluster.token, clients=8) as load:
        said = cluster.output("tools/s2ver.sh", "v2")
        assert re.search(r"v1.*90.*v2.*10", said.splitlines()[-1]), said
        counts = measured(cluster, 10)
        by_version = {version: sum(n for (v, _), n in counts.items() if v == version) for version in ("v1", "v2")}
        total = sum(counts.values())
        assert abs(share(by_version["v2"], total) - 0.10) < 4 * (0.1 * 0.9 / total) ** 0.5
        failed = share(counts.get(("v2", "500"), 0), by_version["v2"])
        assert abs(failed - 0.5) < 4 * (0.25 / by_version["v2"]) ** 0.5
        assert {code for version, code in counts if version == "v1" and counts[version, code]} == {"200"}

        cluster.run("tools/s2ver.sh", "v1")
        counts = measured(cluster, 6)
        assert sum(n for (version, _), n in counts.items() if version == "v2") == 0
    assert set(load.answers.statuses) == {200, 500}
    assert not load.answers.lost


def test_a_gateway_that_is_replaced_loses_nothing(cluster: Cluster) -> None:
    """Half of the requests on new connections, which the kernel may give to the old one."""

    def gateway() -> str:
        return cluster.kubectl("-n", "istio-system", "get", "pods", "-l", "istio=ingressgateway", "-o", "name").strip()

    old_ones, new_ones = (Load(cluster.song_urls, cluster.token, clients=8, fresh=fresh) for fresh in (False, True))
    with old_ones, new_ones:
        for _ in range(3):
            before = gateway()
            cluster.kubectl("-n", "istio-system", "rollout", "restart", "deploy/istio-ingressgateway")
            cluster.kubectl("-n", "istio-system", "rollout", "status", "deploy/istio-ingressgateway", "--timeout=60s")
            cluster.kubectl("-n", "istio-system", "wait", "--for=delete", before, "--timeout=60s")
            assert gateway() != before
    for load in (old_ones, new_ones):
        assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
        assert load.answers.total > 100


@pytest.mark.usefixtures("as_it_was")
def test_no_request_is_lost_with_the_mended_version(cluster: Cluster) -> None:
    """Every way in which the running system is changed, under 32 clients without pause."""
    set_percent_error(cluster, 0)

    def survives(what: str, *commands: tuple[str, ...]) -> None:
        with Load(cluster.song_urls, cluster.token, clients=32) as load:
            time.sleep(1)
            for command in commands:
                cluster.run(*command)
            time.sleep(1)
        assert load.answers.failed == {}, f"{what}: {load.answers.failed} of {load.answers.total}"
        assert load.answers.total > 200, what

    survives("s2ver v2", ("tools/s2ver.sh", "v2"))
    shown = cluster.kubectl("exec", "-n", NAMESPACE, "deploy/cmpt756s2-v2", "-c", "cmpt756s2", "--", "cat", "app.py")
    assert re.search(r"(?m)^PERCENT_ERROR.*= 0$", shown)
    survives("s2ver v1", ("tools/s2ver.sh", "v1"))
    set_weights(cluster, 0, 100)
    survives("weights 0/100", ("kubectl", "apply", "-f", "cluster/s2-vs-v2.yaml"))
    survives("deleting v1", ("kubectl", "-n", NAMESPACE, "delete", "deploy/cmpt756s2-v1"))
    survives(
        "scaling",
        ("kubectl", "-n", NAMESPACE, "scale", "deploy/cmpt756s2-v2", "--replicas=3"),
        ("kubectl", "-n", NAMESPACE, "rollout", "status", "deploy/cmpt756s2-v2", "--timeout=60s"),
        ("kubectl", "-n", NAMESPACE, "scale", "deploy/cmpt756s2-v2", "--replicas=1"),
        (
            "kubectl",
            "-n",
            NAMESPACE,
            "wait",
            "--for=jsonpath={.status.replicas}=1",
            "deploy/cmpt756s2-v2",
            "--timeout=60s",
        ),
    )
    survives("rollout", ("make", "-f", "k8s.mak", "rollout"))


def test_no_request_is_lost_when_the_control_process_is_killed(cluster: Cluster) -> None:
    with Load(cluster.song_urls, cluster.token, clients=32) as load:
        time.sleep(1)
        kill_control(cluster)
        time.sleep(3)
        cluster.run("make", "-f", "pocket.mak", "start")
        time.sleep(1)
    assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
    assert "2/2" in cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=cmpt756s2,version=v1")


def test_no_request_is_lost_when_the_gateway_is_restarted(cluster: Cluster) -> None:
    with Load(cluster.song_urls, cluster.token, clients=32) as load:
        time.sleep(1)
        before = cluster.kubectl("-n", "istio-system", "get", "pods", "-l", "istio=ingressgateway", "-o", "name")
        cluster.kubectl("-n", "istio-system", "rollout", "restart", "deploy/istio-ingressgateway")
        cluster.kubectl("-n", "istio-system", "rollout", "status", "deploy/istio-ingressgateway", "--timeout=60s")
        cluster.kubectl("-n", "istio-system", "wait", "--for=delete", before, "--timeout=60s")
        time.sleep(1)
    assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
    assert load.answers.total > 200


def test_an_update_of_pocket_renews_what_runs_and_loses_no_request(cluster: Cluster) -> None:
    """After a `git pull` that changes what Envoys, Prometheus and the emulator are started with."""
    for name, old, new in (
        ("pocket/mesh/bootstrap.py", "MAX_CONNECTIONS = 50_000", "MAX_CONNECTIONS = 50_001"),
        ("pocket/parts.py", 'RETENTION = "15d"', 'RETENTION = "16d"'),
        ("dynamodb/main.js", "'use strict'", "'use strict' // changed"),
    ):
        path = cluster.root / name
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))
    before = pods_with_envoys(cluster)
    with Load(cluster.song_urls, cluster.token, clients=32) as load:
        time.sleep(1)
        said = cluster.output("make", "-f", "pocket.mak", "start")
        time.sleep(1)
    assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}\n{said}"
    assert load.answers.total > 200
    for part in ("DynamoDB emulator", "Prometheus"):
        assert f"renewing: {part}: started by an earlier pocket" in said
    for name in (f"{NAMESPACE}/cmpt756s1", f"{NAMESPACE}/cmpt756db", "istio-system/istio-ingressgateway"):
        assert f"renewing: Deployment {name}: its Envoys were started by an earlier pocket" in said
    assert not before & pods_with_envoys(cluster)
    assert "renewing" not in cluster.output("make", "-f", "pocket.mak", "start")


def test_a_namespace_leaves_the_mesh_and_comes_back_without_losing_a_request(cluster: Cluster) -> None:
    """What asks for a caller's certificate goes first and comes back last: a pod without a sidecar has none."""
    deployments = ("cmpt756db", "cmpt756s1", "cmpt756s2-v1")
    policies = ("-n", NAMESPACE, "-f", "cluster/policies.yaml")
    with Load(cluster.song_urls, cluster.token, clients=32) as load:
        time.sleep(1)
        cluster.kubectl("-n", NAMESPACE, "delete", "authorizationpolicy", "allow-nothing", "metrics")
        cluster.kubectl("delete", "--ignore-not-found", *policies)
        for label, ready in (("istio-injection-", "1/1"), ("istio-injection=enabled", "2/2")):
            cluster.kubectl("label", "namespace", NAMESPACE, label)
            cluster.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment")
            for name in deployments:
                cluster.kubectl("-n", NAMESPACE, "rollout", "status", f"deploy/{name}", "--timeout=90s")
            time.sleep(1)
            pods = cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", "version=v1,app=cmpt756s2", "--no-headers")
            assert any(ready in line and "Running" in line for line in pods.splitlines()), pods
        cluster.kubectl("apply", *policies)
        time.sleep(1)
    assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
    assert load.answers.total > 200


def test_scratch_and_back(cluster: Cluster) -> None:
    cluster.make("scratch")
    left = cluster.kubectl("-n", NAMESPACE, "get", "deployments,services,pods,virtualservices", "-o", "name")
    assert left == ""
    cluster.make("deploy")
    cluster.make("loader")
    headers = {"Authorization": f"Bearer {cluster.output('tools/token.sh')}"}
    answer = requests.get(cluster.song_urls[1], headers=headers, timeout=10)
    assert answer.status_code == 200


@pytest.mark.usefixtures("as_it_was")
def test_the_gateway_api_tells_the_same_story(cluster: Cluster) -> None:
    """ROUTES=gateway-api: the same shares, and nothing is lost on the way to it and back."""
    set_percent_error(cluster, 0)
    with Load(cluster.song_urls, cluster.token, clients=8) as load:
        said = cluster.output("env", "ROUTES=gateway-api", "tools/s2ver.sh", "v2")
        assert re.search(r"v1.*90.*v2.*10", said.splitlines()[-1]), said
        left = cluster.kubectl("-n", NAMESPACE, "get", "virtualservices", "-o", "name").split()
        assert "virtualservice.networking.istio.io/cmpt756s2" not in left
        programmed = cluster.kubectl(
            "-n", "istio-system", "get", "gateways.gateway.networking.k8s.io", "c756-gateway",
            "-o", 'jsonpath={.status.conditions[?(@.type=="Programmed")].status}',
        )  # fmt: skip
        assert programmed == "True"
        before, end = load.answers.total, time.monotonic() + 60
        while load.answers.total < before + 600:
            assert time.monotonic() < end, "too few requests in 60 s"
            time.sleep(0.2)
        said = cluster.output("tools/s2ver.sh", "v1")
        assert "v1 100 %" in said.splitlines()[-1]
    assert cluster.kubectl("-n", NAMESPACE, "get", "httproutes", "-o", "name") == ""
    assert load.answers.failed == {}, f"{load.answers.failed} of {load.answers.total}"
