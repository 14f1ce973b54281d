"""The real Kiali beside ours: the same graphs at the same instant, node by node and edge by edge.

It wants a Kiali server (KIALI_BINARY; build it from its Go module) and a cluster with traffic to both versions of the
music service, the one that kubectl talks to. Both ask the same Prometheus about the same second (`queryTime`).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from flask.testing import FlaskClient

from graph.server import create_app
from graph.servers import Servers
from graph.settings import from_environment
from tests.graph.standin import free_port

NS = "c756ns"
BINARY = os.environ.get("KIALI_BINARY", "")
pytestmark = pytest.mark.skipif(not BINARY, reason="KIALI_BINARY names no Kiali server")

FLAGS = (
    *("isRoot", "isOutside", "isInaccessible", "isIdle", "isDead", "isOutOfMesh", "isInjected", "isServiceEntry"),
    *("isGateway", "hasVS", "hasCB", "hasTrafficShifting", "hasTCPTrafficShifting", "hasFaultInjection"),
    *("hasRequestRouting", "hasRequestTimeout", "hasMirroring", "isWaypoint", "isAmbient", "isBox"),
)
NAMES = ("nodeType", "cluster", "namespace", "workload", "app", "version", "service", "aggregate", "isBox")

WHOLE = [
    (f"namespaces/graph?namespaces={NS}&graphType={kind}&injectServiceNodes={services}", span)
    for span in ("60s", "300s")
    for kind, services in (
        *(("versionedApp", "true"), ("versionedApp", "false"), ("app", "true"), ("app", "false")),
        *(("workload", "true"), ("service", "true")),
    )
]
ZOOMED = [
    (f"namespaces/{NS}/{path}/graph?graphType={kind}&injectServiceNodes={services}", span)
    for span in ("60s", "300s")
    for path, kind, services in (
        ("applications/cmpt756s2", "app", "true"),
        ("applications/cmpt756s2/versions/v1", "versionedApp", "true"),
        ("applications/cmpt756s2/versions/v2", "versionedApp", "false"),
        ("applications/cmpt756db", "versionedApp", "true"),
        ("services/cmpt756s2", "versionedApp", "true"),
        ("services/cmpt756s2", "workload", "false"),
        ("workloads/cmpt756s2-v1", "workload", "true"),
        ("workloads/cmpt756db", "workload", "false"),
    )
]

LABELLED = [
    (f"namespaces/graph?namespaces={NS}&graphType={kind}&injectServiceNodes={services}&{label}", span)
    for span, kind, services, label in (
        ("60s", "versionedApp", "false", "responseTime=avg&throughputType=request"),
        ("60s", "versionedApp", "true", "responseTime=50&throughputType=response"),
        ("300s", "workload", "false", "responseTime=99&throughputType=request"),
        ("300s", "app", "true", "responseTime=95&throughputType=response"),
    )
]


@pytest.fixture(scope="module")
def ours() -> Iterator[FlaskClient]:
    settings = from_environment()
    servers = Servers(settings)
    yield create_app(settings, servers).test_client()
    servers.close()


@pytest.fixture(scope="module")
def kiali(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Kiali's API."""
    folder = tmp_path_factory.mktemp("kiali")
    servers = Servers(from_environment())
    prometheus = servers.prometheus().url
    servers.close()
    assert prometheus, "the cluster has no Prometheus that can be reached"
    port = free_port()
    off = {"enabled": False}
    config = {
        "auth": {"strategy": "anonymous"},
        "server": {"address": "127.0.0.1", "port": port, "web_root": "/kiali", "observability": {"metrics": off}},
        "external_services": {
            "prometheus": {"url": prometheus},
            "istio": {"istio_api_enabled": False},
            "grafana": off,
            "tracing": off,
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [BINARY, "run", "--no-browser", "--config", str(folder / "config.yaml")]
    command += ["--cluster-name-overrides", "pocket=Kubernetes"]
    log = folder / "log"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/kiali/healthz", process, log)
            yield f"http://127.0.0.1:{port}/kiali/api"
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 180
    while True:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < limit, f"no answer within 180 s: {log.read_text()[-3000:]}"
        time.sleep(0.2)


def names(graph: Any) -> dict[str, str]:
    """Names by id: what a node is, not how somebody counts it."""
    found = {}
    for node in graph["elements"]["nodes"]:
        data = node["data"]
        found[data["id"]] = " ".join(f"{name}={data[name]}" for name in NAMES if data.get(name))
    return found


def described(graph: Any) -> dict[str, dict[str, Any]]:
    """Everything that is compared, by the name of the node or the edge."""
    by_id = names(graph)
    found: dict[str, dict[str, Any]] = {}
    for node in graph["elements"]["nodes"]:
        data = node["data"]
        about: dict[str, Any] = {flag: data.get(flag) not in (None, False, "") for flag in FLAGS}  # {} is one as well
        about["parent"] = by_id.get(data.get("parent", ""), "")
        about["destServices"] = sorted(tuple(sorted(one.items())) for one in data.get("destServices") or ())
        if data["nodeType"] != "box":
            about["health"] = ((data.get("healthData") or {}).get("status") or {}).get("status", "NA")
        for traffic in data.get("traffic") or ():
            about.update({f"{traffic['protocol']} {name}": float(rate) for name, rate in traffic["rates"].items()})
        found[by_id[data["id"]]] = about
    for edge in graph["elements"]["edges"]:
        data = edge["data"]
        traffic = data["traffic"]
        name = f"{by_id[data['source']]} -> {by_id[data['target']]} {traffic['protocol']}"
        about = {rate: float(value) for rate, value in (traffic.get("rates") or {}).items()}
        for code, detail in (traffic.get("responses") or {}).items():
            for kind in ("flags", "hosts"):
                about.update({f"{code} {kind} {of}": float(share) for of, share in (detail.get(kind) or {}).items()})
        about |= {flag: data.get(flag, "") for flag in ("isMTLS", "healthStatus")}
        about |= {label: float(data[label]) for label in ("responseTime", "throughput") if label in data}
        if _of_several_pairs(name, graph["graphType"]):
            about.pop("responseTime", None)
        found[name] = about
    return found


def _of_several_pairs(edge: str, graph_type: str) -> bool:
    """Can requests of several pairs of workloads be on one edge? Then Kiali shows the quantile of one of the pairs, and
    ours is that of all requests (docs/graph.md).
    """
    source, _, target = edge.partition(" -> ")
    return source.startswith("nodeType=service") or (graph_type == "app" and target.startswith("nodeType=app"))


def differences(mine: dict[str, dict[str, Any]], theirs: dict[str, dict[str, Any]]) -> list[str]:
    found = [f"only ours: {name}" for name in sorted(mine.keys() - theirs.keys())]
    found += [f"only Kiali's: {name}" for name in sorted(theirs.keys() - mine.keys())]
    for name in sorted(mine.keys() & theirs.keys()):
        for field in sorted(mine[name].keys() | theirs[name].keys()):
            ours, kialis = mine[name].get(field, 0.0), theirs[name].get(field, 0.0)
            if isinstance(ours, float) and isinstance(kialis, float):
                same = abs(ours - kialis) <= max(0.05, 0.1 * abs(kialis))
            else:
                same = ours == kialis
            if not same:
                found.append(f"{name}: {field} is {ours!r}, Kiali says {kialis!r}")
    return found


@pytest.mark.parametrize(("path", "span"), [*WHOLE, *ZOOMED, *LABELLED])
def test_the_graph_is_kialis(ours: FlaskClient, kiali: str, path: str, span: str) -> None:
    asked = f"{path}&duration={span}&queryTime={int(time.time()) - 5}"
    answer = requests.get(f"{kiali}/{asked}", timeout=60)
    assert answer.ok, answer.text
    mine = ours.get(f"/kiali/api/{asked}")
    assert mine.status_code == 200, mine.text
    theirs = answer.json()
    assert len(theirs["elements"]["edges"]) > 1, "there is no traffic to compare"
    found = differences(described(mine.get_json()), described(theirs))
    assert not found, "\n".join(found)
