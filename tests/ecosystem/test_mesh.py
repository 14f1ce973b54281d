"""istioctl, stern and Kiali's server, unmodified, on a whole pocket (`make up`)."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.cluster import NAMESPACE, Cluster, free_port
from tests.ecosystem.programs import each

WITHIN = 150.0  # seconds that Kiali gets for its first look at everything


def pod_of(whole: Cluster, app: str) -> str:
    return whole.kubectl("-n", NAMESPACE, "get", "pod", "-l", f"app={app}", "-o", "jsonpath={.items[0].metadata.name}")


@each("istioctl")
def test_istioctl(whole: Cluster, program: Path) -> None:
    def istioctl(*arguments: str, check: bool = True) -> str:
        done = whole.run(str(program), *arguments, check=check)
        return done.stdout + done.stderr

    pod = pod_of(whole, "cmpt756s1")
    assert "control plane version: 1.31" in istioctl("version")
    assert "invalid" not in istioctl("validate", "-f", "cluster/s2-vs-v1.yaml")
    analysis = istioctl("analyze", "-n", NAMESPACE, check=False)
    assert "Analyzers found issues" in analysis or "No validation issues found" in analysis

    states = istioctl("proxy-status")
    assert f"{pod}.{NAMESPACE}" in states
    assert "istio-ingressgateway" in states
    told = json.loads(istioctl("proxy-status", "-o", "json"))
    clients = {entry["node"]["metadata"]["NAME"]: entry for entry in told["resources"]}
    kinds = {entry["typeUrl"].rpartition(".")[2]: entry["configStatus"] for entry in clients[pod]["genericXdsConfigs"]}
    assert kinds == dict.fromkeys(
        ("Secret", "Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"), "SYNCED"
    )

    shown = ("-n", NAMESPACE)
    assert "cmpt756s2-mesh" in istioctl("proxy-config", "routes", pod, *shown)
    assert "cmpt756s2" in istioctl("proxy-config", "clusters", pod, *shown)
    assert "http_proxy" in istioctl("proxy-config", "listeners", pod, *shown)
    assert "HEALTHY" in istioctl("proxy-config", "endpoints", pod, *shown)

    described = istioctl("x", "describe", "pod", pod, *shown)
    assert "Service: cmpt756s1" in described
    assert "VirtualService: cmpt756s1" in described
    described = istioctl("x", "describe", "svc", "cmpt756s2", *shown)
    assert 'DestinationRule: cmpt756s2 for "cmpt756s2.c756ns.svc.cluster.local"' in described


@each("stern")
def test_stern(whole: Cluster, program: Path) -> None:
    lines = whole.run(str(program), "-n", NAMESPACE, "cmpt756s1", "--no-follow", "--output=json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    # An Envoy that has nothing to complain of says nothing.
    assert {"cmpt756s1"} <= {entry["containerName"] for entry in found} <= {"cmpt756s1", "istio-proxy"}
    assert {entry["podName"] for entry in found} == {pod_of(whole, "cmpt756s1")}
    assert any("Booting worker" in entry["message"] for entry in found)


@contextmanager
def kiali(whole: Cluster, program: Path, folder: Path) -> Iterator[str]:
    """`kiali run`, which finds Prometheus through the API server; the address of its API."""
    port = free_port()
    settings = {
        "auth": {"strategy": "anonymous"},
        "server": {"address": "127.0.0.1", "port": port, "observability": {"metrics": {"enabled": False}}},
        "external_services": {"grafana": {"enabled": False}, "tracing": {"enabled": False}},
    }
    (folder / "kiali.yaml").write_text(yaml.safe_dump(settings))
    command = [
        str(program), "run", f"--kubeconfig={whole.env['KUBECONFIG']}", "--port-forward-prom", "--no-browser",
        "--cluster-name-overrides=pocket=Kubernetes", f"--metrics-port={free_port()}",
        f"--config={folder / 'kiali.yaml'}",
    ]  # fmt: skip
    with (folder / "kiali.log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, env=whole.env, cwd=folder)
        try:
            yield f"http://127.0.0.1:{port}/api"
        finally:
            running.terminate()
            running.wait(30)


def ask(url: str, until: float) -> Any:
    """The answer, which has to be 200; asked again until Kiali listens."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read()[:500]!r}") from None
        except OSError:
            assert time.monotonic() < until, f"Kiali does not listen: {url}"
            time.sleep(0.2)


# What its page sends with the graph (frontend/src/services/GraphDataSource.ts).
GRAPH = (
    "duration=600s&graphType=versionedApp&includeIdleEdges=true&injectServiceNodes=true&boxBy=cluster,namespace,app"
    "&waypoints=false&rateGrpc=requests&rateHttp=requests&rateTcp=sent&throughputType=request&responseTime=95"
    "&appenders=deadNode,istio,serviceEntry,meshCheck,workloadEntry,health,idleNode,securityPolicy,responseTime,"
    "throughput,aggregateNode"
)


@each("kiali")
def test_kiali(whole: Cluster, program: Path, tmp_path: Path) -> None:
    whole.run("curl", "-sf", "-H", f"Authorization: Bearer {whole.token}", whole.song_urls[0])  # some traffic to show
    until = time.monotonic() + WITHIN
    with kiali(whole, program, tmp_path) as api:
        names = {entry["name"] for entry in ask(f"{api}/namespaces", until)}
        assert {NAMESPACE, "istio-system"} <= names
        lists = f"namespaces={NAMESPACE}&health=true&istioResources=true&rateInterval=60s"
        workloads = ask(f"{api}/clusters/workloads?{lists}", until)["workloads"]
        assert {"cmpt756db", "cmpt756s1", "cmpt756s2-v1"} <= {entry["name"] for entry in workloads}
        assert all(entry["istioSidecar"] for entry in workloads if entry["gvk"]["Kind"] == "Deployment")
        services = ask(f"{api}/clusters/services?{lists}", until)["services"]
        assert {"cmpt756db", "cmpt756s1", "cmpt756s2"} <= {entry["name"] for entry in services}
        objects = ask(f"{api}/istio/config?validate=true", until)["resources"]
        routes = objects["networking.istio.io/v1, Kind=VirtualService"]
        assert {"cmpt756s1", "cmpt756s2"} <= {entry["metadata"]["name"] for entry in routes}
        detail = f"{api}/namespaces/{NAMESPACE}/istio/networking.istio.io/v1/VirtualService/cmpt756s2?validate=true"
        assert ask(detail, until)["resource"]["metadata"]["name"] == "cmpt756s2"
        while not (found := ask(f"{api}/istio/validations?namespaces={NAMESPACE}", until))[0]["objectCount"]:
            assert time.monotonic() < until, "Kiali has validated nothing"
            time.sleep(1)
        assert found[0]["errors"] == 0
        graph = ask(f"{api}/namespaces/graph?namespaces={NAMESPACE}&{GRAPH}", until)
        apps = {node["data"].get("app") for node in graph["elements"]["nodes"]}
        assert {"cmpt756s1", "cmpt756s2", "cmpt756db"} <= apps
