"""Every caller against every target, as docs/security.md says: the table there is what this test expects."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import callers
from tests.e2e.callers import Answers, Target, Targets
from tests.e2e.cluster import NAMESPACE, ROOT, Cluster

STRANGER = "stranger"
PODS = {
    "s1": (NAMESPACE, "deploy/cmpt756s1", "cmpt756s1"),
    "s2": (NAMESPACE, "deploy/cmpt756s2-v1", "cmpt756s2"),
    "db": (NAMESPACE, "deploy/cmpt756db", "cmpt756db"),
    "loader": (NAMESPACE, "deploy/as-loader", "stranger"),
    "other, sidecar": (STRANGER, "deploy/stranger", "stranger"),
    "other, plain": (STRANGER, "deploy/plain", "stranger"),
}
"""The columns that are pods: namespace, pod, container. The loader's account is given to a pod that stays."""

LIST_TABLES = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}

Table = dict[str, Answers]


def documented(title: str) -> Table:
    """A table of docs/security.md: row -> column -> cell."""
    text = (ROOT / "docs" / "security.md").read_text()
    found = re.search(rf"<!-- {title}:begin -->\n+(.+?)\n+<!-- {title}:end -->", text, re.DOTALL)
    assert found, title
    head, _, *rows = (
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in found[1].splitlines()
    )
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def in_the_mesh(cluster: Cluster) -> Targets:
    """By the names that pods use. No request of these changes anything: what would is not complete."""
    token = {"Authorization": f"Bearer {cluster.token}"}
    key = cluster.songs[0]["music_id"]
    user = cluster.user_urls[0].rpartition("/")[2]
    s1, s2, db = (
        f"http://cmpt756{name}.{NAMESPACE}:{port}" for name, port in (("s1", 30000), ("s2", 30001), ("db", 30002))
    )
    store = f"{db}/api/v1/datastore"
    return {
        "s1 GET /api/v1/user/ID": Target(f"{s1}/api/v1/user/{user}", headers=token),
        "s1 PUT /api/v1/user/login": Target(f"{s1}/api/v1/user/login", "PUT", body="{}"),
        "s1 GET /metrics": Target(f"{s1}/metrics"),
        "s2 GET /api/v1/music/ID": Target(f"{s2}/api/v1/music/{key}", headers=token),
        "s2 DELETE /api/v1/music/ID": Target(f"{s2}/api/v1/music/{key}", "DELETE"),  # without a token: 401
        "s2 GET /metrics": Target(f"{s2}/metrics"),
        "db GET read": Target(f"{store}/read?objtype=user&objkey={user}"),
        "db GET list": Target(f"{store}/list?objtype=user&limit=1"),
        "db POST write": Target(f"{store}/write", "POST", body="{}"),
        "db PUT update": Target(f"{store}/update", "PUT", body="{}"),
        "db DELETE delete": Target(f"{store}/delete", "DELETE"),
        "db POST load": Target(f"{store}/load", "POST", body="{}"),
        "db GET readiness": Target(f"{store}/readiness"),
        "db GET health": Target(f"{store}/health"),
        "db GET /metrics": Target(f"{db}/metrics"),
        "API server": Target(f"https://127.0.0.1:{cluster.port_base}/api/v1/namespaces/{NAMESPACE}/secrets"),
        "emulator": Target("$DYNAMODB_URL/", "POST", LIST_TABLES, "{}", sign=True),
        "Prometheus": Target("http://prometheus.istio-system:9090/api/v1/query?query=up"),
        "Envoy's admin": Target("http://127.0.0.1:15000/config_dump"),
    }


def at_the_gateway(cluster: Cluster) -> Targets:
    """The same, asked for at the gateway: it has routes to s1 and s2, and to the pages."""
    found = {}
    for name, target in in_the_mesh(cluster).items():
        path = re.sub(r"^(https?://[^/]+|[$]\w+)", "/prometheus" if name == "Prometheus" else "", target.url)
        found[name] = Target(cluster.base + path, target.method, target.headers, target.body)
    return found


def cell(row: str, status: str) -> str:
    """`yes`: the program itself answered. 40x are refusals (DynamoDB says 400); 404: no route leads there."""
    refusals = ("403", "401", "404", "407", "no", *(["400"] if row == "emulator" else []))
    return status if status in refusals else "yes"


@pytest.fixture(scope="module")
def strangers(cluster: Cluster) -> Iterator[None]:
    cluster.make("stranger")
    made: dict[str, Any] = json.loads(cluster.kubectl("-n", STRANGER, "get", "deploy/stranger", "-o", "json"))
    settings: dict[str, Any] = json.loads(cluster.kubectl("-n", STRANGER, "get", "configmap/stranger", "-o", "json"))

    def another(name: str, namespace: str, account: str, labels: dict[str, str]) -> dict[str, Any]:
        template = json.loads(json.dumps(made["spec"]["template"]))
        template["metadata"] = {"labels": {"app": name, **labels}}
        template["spec"]["serviceAccountName"] = account
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
        }

    wanted = [
        {**settings, "metadata": {"name": "stranger", "namespace": NAMESPACE}},
        another("as-loader", NAMESPACE, "cmpt756loader", {}),
        another("plain", STRANGER, "stranger", {"sidecar.istio.io/inject": "false"}),
    ]
    path = cluster.root / "strangers.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
    cluster.kubectl("apply", "-f", str(path))
    for namespace, name in ((NAMESPACE, "as-loader"), (STRANGER, "plain")):
        cluster.kubectl("-n", namespace, "rollout", "status", f"deploy/{name}", "--timeout=120s")
    yield
    cluster.kubectl("-n", NAMESPACE, "delete", "deploy/as-loader", "configmap/stranger")
    cluster.kubectl("delete", "namespace", STRANGER, "--timeout=120s")


def measured(cluster: Cluster) -> dict[str, Answers]:
    """Column -> row -> what came back."""
    columns = {name: callers.from_pod(cluster, *pod, in_the_mesh(cluster)) for name, pod in PODS.items()}
    return {"gateway": callers.from_here(at_the_gateway(cluster)), **columns}


@pytest.mark.usefixtures("strangers")
def test_the_mesh(cluster: Cluster) -> None:
    columns = measured(cluster)
    found = {row: {column: cell(row, said[row]) for column, said in columns.items()} for row in in_the_mesh(cluster)}
    assert found == documented("mesh")


def on_the_machine(cluster: Cluster) -> Targets:
    """What listens for the pocket on this machine, but for what the gateway offers to pods as well."""
    base = cluster.port_base
    user = cluster.user_urls[0].rpartition("/")[2]

    def variable(name: str, service: str) -> str:
        pod = ("-n", NAMESPACE, "exec", f"deploy/cmpt756{service}", "-c", f"cmpt756{service}")
        return cluster.kubectl(*pod, "--", "printenv", name).strip()

    store = "/api/v1/datastore"
    counters = Path(cluster.env["POCKET_HOME"]) / "prometheus" / "sidecars.json"
    (first, *_) = json.loads(counters.read_text())
    signed = {
        **LIST_TABLES,
        "X-Amz-Date": "20260101T000000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-west-2/dynamodb/aws4_request, "
        "SignedHeaders=host, Signature=a",
    }
    return {
        "gateway: s1 and s2": Target(f"{cluster.base}/api/v1/music/health"),
        "gateway: the pages": Target(f"{cluster.base}/prometheus/api/v1/query?query=up"),
        "API server": Target(f"https://127.0.0.1:{base}/api/v1/namespaces/{NAMESPACE}/secrets"),
        "emulator": Target(f"http://127.0.0.1:{base + 1}/", "POST", signed, "{}"),
        "Prometheus": Target(f"http://127.0.0.1:{base + 2}/api/v1/query?query=up"),
        "a sidecar's counters": Target(f"https://{first['targets'][0]}/stats/prometheus"),
        "db, at its sidecar": Target(f"http://127.0.0.1:{inbound(cluster, 'cmpt756db')}{store}/readiness"),
        "db, past its sidecar": Target(f"http://127.0.0.1:{variable('PORT', 'db')}{store}/list?objtype=user&limit=1"),
        "db, by the way out of s1": Target(
            f"http://{variable('http_proxy', 's1').rpartition('@')[2]}{store}/read?objtype=user&objkey={user}",
            headers={"Host": f"cmpt756db.{NAMESPACE}:30002"},
        ),
    }


def inbound(cluster: Cluster, app: str) -> str:
    """The port on which a pod's sidecar takes what others send: where Prometheus reads it."""
    targets = json.loads((Path(cluster.env["POCKET_HOME"]) / "prometheus" / "servicemonitors.json").read_text())
    (address,) = (one["targets"][0] for one in targets if one["labels"]["service"] == app)
    return str(address.rpartition(":")[2])


def private_files(cluster: Cluster) -> list[Path]:
    """The sockets and secrets of the pocket's folder."""
    secret = (".key", ".pem")
    secret_names = ("emulator.key", "prometheus.password")
    names = ("token", "store.sqlite", "kubeconfig", "web.yml", *secret_names)
    found = [
        path
        for path in Path(cluster.env["POCKET_HOME"]).rglob("*")
        if path.is_socket() or (path.is_file() and (path.suffix in secret or path.name in names))
    ]
    ours = {"20001.sock", "30000.sock", "30001.sock", "30002.sock"}  # where the graph, s1, s2 and db listen
    ours |= {"admin.sock", "stats.sock", "xds.sock", "prometheus.sock", "token", "store.sqlite", "mesh-ca.key"}
    assert {*ours, *secret_names} <= {path.name for path in found}
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as another user")
def test_another_user_of_the_machine(cluster: Cluster) -> None:
    targets = on_the_machine(cluster)
    files = private_files(cluster)
    said = callers.from_another_user(targets, files)
    assert {path: said[str(path)] for path in files} == dict.fromkeys(files, "no")
    found = {row: cell(row, said[row]) for row in targets}
    assert found == {row: cells["another user"] for row, cells in documented("machine").items()}


def test_a_web_page_of_another_origin(cluster: Cluster) -> None:
    targets = on_the_machine(cluster)
    found = {row: cell(row, status) for row, status in callers.from_a_web_page(targets).items()}
    assert found == {row: cells["a web page"] for row, cells in documented("machine").items()}


def test_a_web_page_whose_name_leads_here(cluster: Cluster) -> None:
    """DNS rebinding: no other origin for the browser, so it is the Host that says so."""
    wanted = {row: cells["a rebound page"] for row, cells in documented("rebound").items()}
    targets = {row: target for row, target in on_the_machine(cluster).items() if row in wanted}
    assert callers.from_a_rebound_page(targets) == wanted
