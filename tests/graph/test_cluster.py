from __future__ import annotations

from typing import Any

import pytest

from graph import cluster, discover
from graph.cluster import Cluster
from graph.kubeconfig import Access
from graph.kubernetes import Kubernetes


def pod(
    name: str,
    owner: dict[str, Any] | None = None,
    containers: tuple[str, ...] = ("app", "istio-proxy"),
    labels: dict[str, str] | None = None,
) -> Any:
    owners = [{**owner, "controller": True}] if owner else []
    return {
        "metadata": {"name": name, "namespace": "ns", "labels": labels or {}, "ownerReferences": owners},
        "spec": {"containers": [{"name": container} for container in containers]},
    }


HASHED = {"pod-template-hash": "6d5f7c"}


def test_workload_behind_a_replica_set() -> None:
    one = pod("s2-v1-6d5f7c-x", {"kind": "ReplicaSet", "name": "s2-v1-6d5f7c"}, labels=HASHED)
    assert cluster.workload_of(one, ()) == "s2-v1"


def test_workload_is_the_owner_itself() -> None:
    assert cluster.workload_of(pod("db-0", {"kind": "StatefulSet", "name": "db"}), ()) == "db"
    assert cluster.workload_of(pod("alone"), ()) == "alone"


def test_native_sidecars_count() -> None:
    one = pod("a", containers=("app",))
    assert not cluster.has_sidecar(one)
    one["spec"]["initContainers"] = [{"name": "istio-proxy", "restartPolicy": "Always"}]
    assert cluster.has_sidecar(one)


@pytest.mark.parametrize(
    ("host", "home", "expected"),
    [
        ("s2", "ns", True),
        ("s2.ns.svc.cluster.local", "other", True),
        ("s2.ns", "other", True),
        ("s2", "other", False),
        ("*.ns.svc.cluster.local", "other", True),
        ("*", "ns", False),
        ("s22", "ns", False),
        ("s2.other.svc.cluster.local", "ns", False),
    ],
)
def test_hosts(host: str, home: str, expected: bool) -> None:
    assert cluster.is_host_of(host, home, "ns", "s2") is expected


def test_finished_pods_are_no_pods() -> None:
    done = pod("job-x", {"kind": "Job", "name": "job"})
    done["status"] = {"phase": "Succeeded"}
    assert Cluster(pods=(done,)).workloads(["ns"]) == []


class Api(Kubernetes):
    """Knows the Endpoints of Prometheus only."""

    def __init__(self, address: str) -> None:
        super().__init__(Access("http://127.0.0.1:1"))
        self.address = address

    def get(self, path: str) -> dict[str, Any] | None:
        assert path == "/api/v1/namespaces/istio-system/endpoints/prometheus"
        return {"subsets": [{"addresses": [{"ip": self.address}], "ports": [{"port": 9091}]}]}


def test_prometheus_is_found_by_the_api_server_and_from_inside_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    service = "http://127.0.0.1:1/api/v1/namespaces/istio-system/services/http:prometheus/proxy"
    assert discover.prometheus(Api("127.0.0.1"), "istio-system") == service
    assert discover.prometheus(Api("10.0.0.7"), "istio-system") == service
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert discover.prometheus(Api("10.0.0.7"), "istio-system") == "http://10.0.0.7:9091"
