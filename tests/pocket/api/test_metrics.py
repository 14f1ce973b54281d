from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pocket.api import discovery, metrics
from pocket.api.contracts import Figures, Usage
from pocket.objects import Obj, uid_of
from tests.pocket.api.known import CATALOG
from tests.pocket.api.live import Cluster
from tests.pocket.api.running import kubectls

TAKEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
APP, SIDECAR = Usage(0.25, 50 << 20), Usage(0.002, 20 << 20)


def pod_with_figures(cluster: Cluster, name: str, **containers: Usage) -> Obj:
    pod = cluster.run_pod(name, containers=tuple(containers))
    cluster.runtime.figures[uid_of(pod)] = Figures(TAKEN, 15.5, containers)
    return pod


def node(cluster: Cluster) -> None:
    resources = {"cpu": "2", "memory": "4096Mi"}
    status = {"capacity": resources, "allocatable": resources}
    cluster.call(
        cluster.store.create, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "here"}, "status": status}
    )
    cluster.runtime.machine = Figures(TAKEN, 15.0, {"node": Usage(0.5, 1 << 30)})


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("kubectl", kubectls(), ids=str)
def test_top(cluster: Cluster, kubectl: Path) -> None:
    node(cluster)
    pod_with_figures(cluster, "a", app=APP, proxy=SIDECAR)
    pod_with_figures(cluster, "b", app=SIDECAR)
    cluster.run_pod("fresh")
    assert rows(cluster.kubectl("top", "pods", path=kubectl)) == [
        ["NAME", "CPU(cores)", "MEMORY(bytes)"], ["a", "252m", "70Mi"], ["b", "2m", "20Mi"],
    ]  # fmt: skip
    assert rows(cluster.kubectl("top", "pods", "--containers", "-l", "app=a", path=kubectl))[1:] == [
        ["a", "app", "250m", "50Mi"], ["a", "proxy", "2m", "20Mi"],
    ]  # fmt: skip
    assert rows(cluster.kubectl("top", "pod", "b", path=kubectl))[1:] == [["b", "2m", "20Mi"]]
    assert [line[:2] for line in rows(cluster.kubectl("top", "pods", "-A", path=kubectl))[1:]] == [
        ["default", "a"], ["default", "b"],
    ]  # fmt: skip
    assert rows(cluster.kubectl("top", "nodes", path=kubectl))[1:] == [["here", "500m", "25%", "1024Mi", "25%"]]
    assert 'pods.metrics.k8s.io "fresh" not found' in cluster.kubectl("top", "pod", "fresh", path=kubectl, fails=True)


def test_before_there_are_figures(cluster: Cluster) -> None:
    cluster.run_pod("fresh")
    assert "metrics not available yet" in cluster.kubectl("top", "pods", fails=True)
    assert "metrics not available yet" in cluster.kubectl("top", "nodes", fails=True)


def test_the_objects(cluster: Cluster) -> None:
    pod_with_figures(cluster, "a", app=APP, proxy=SIDECAR)
    assert cluster.request("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/a").json == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "a", "namespace": "default", "labels": {"app": "a"}, "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "timestamp": "2026-01-02T03:04:05Z",
        "window": "15.500s",
        "containers": [
            {"name": "app", "usage": {"cpu": "250000000n", "memory": "51200Ki"}},
            {"name": "proxy", "usage": {"cpu": "2000000n", "memory": "20480Ki"}},
        ],
    }  # fmt: skip
    listed = cluster.request("GET", "/apis/metrics.k8s.io/v1beta1/pods").json
    assert (listed["kind"], len(listed["items"])) == ("PodMetricsList", 1)


def test_as_other_resources_they_are_only_read(cluster: Cluster) -> None:
    node(cluster)
    pod_with_figures(cluster, "a", app=APP)
    assert re.search(r"pods +metrics.k8s.io/v1beta1 +true +PodMetrics", cluster.kubectl("api-resources"))
    assert rows(cluster.kubectl("get", "pods.metrics.k8s.io"))[1] == ["a", "250000000n", "51200Ki", "15.500s"]
    assert rows(cluster.kubectl("get", "nodes.metrics.k8s.io"))[1] == ["here", "500000000n", "1048576Ki", "15.000s"]
    assert rows(cluster.kubectl("get", "pods"))[1][:2] == ["a", "1/1"]  # the plain name is still that of the pods
    assert "does not allow this method" in cluster.kubectl("delete", "pods.metrics.k8s.io", "a", fails=True)
    assert cluster.request("GET", "/apis/metrics.k8s.io/v1beta1/pods?watch=true").status == 405


def test_discovery_names_the_group_with_its_verbs() -> None:
    assert CATALOG.groups()["metrics.k8s.io"] == ["v1beta1"]
    listed = discovery.resources(CATALOG, "metrics.k8s.io", "v1beta1")
    assert listed is not None
    assert [(entry["name"], entry["namespaced"], entry["verbs"]) for entry in listed["resources"]] == [
        ("nodes", False, ["get", "list"]), ("pods", True, ["get", "list"]),
    ]  # fmt: skip


def test_quantities_are_whole() -> None:
    assert metrics.quantities(Usage(1 / 3, 1023)) == {"cpu": "333333333n", "memory": "0Ki"}
