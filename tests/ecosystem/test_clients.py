# mypy: ignore-errors
"""Client libraries of the ecosystem, unmodified, against pocket's API: each does what its users do with it first."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocket.objects import Obj
from tests.pocket.api.live import Cluster, serving
from tests.pocket.api.test_custom import CRDS, definition, widget


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A server of the test's own, which knows widgets."""
    with serving(tmp_path) as cluster:
        assert cluster.request("POST", CRDS, definition()).status == 201
        yield cluster


CONFIG: Obj = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "default"},
    "data": {"a": "b"},
}


def test_the_official_python_client(cluster: Cluster) -> None:
    kubernetes = pytest.importorskip("kubernetes", reason="the official Python client is not installed")
    from kubernetes.dynamic import DynamicClient

    api = kubernetes.config.new_client_from_config(str(cluster.kubeconfig))
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_config_map("default", CONFIG)
    core.patch_namespaced_config_map("c", "default", {"data": {"x": "y"}})
    assert core.read_namespaced_config_map("c", "default").data == {"a": "b", "x": "y"}
    pages = core.list_namespace(limit=2)
    names = [item.metadata.name for item in pages.items]
    while pages.metadata._continue:
        pages = core.list_namespace(limit=2, _continue=pages.metadata._continue)
        names += [item.metadata.name for item in pages.items]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    watch = kubernetes.watch.Watch()
    seen = [event["type"] for event in watch.stream(core.list_namespaced_config_map, "default", timeout_seconds=1)]
    assert seen == ["ADDED"] * len(seen)
    assert seen
    widgets = DynamicClient(api).resources.get(api_version="example.com/v1", kind="Widget")
    made = widgets.create(body=widget(), namespace="default")
    assert (made.spec.colour, made.metadata.generation) == ("red", 1)
    widgets.delete(name="w", namespace="default")
    lease = {"metadata": {"name": "leader"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}
    leases = kubernetes.client.CoordinationV1Api(api)
    assert leases.create_namespaced_lease("default", lease).spec.holder_identity == "me"
    token = core.create_namespaced_service_account_token("default", "default", {"spec": {}}).status.token
    review = kubernetes.client.AuthenticationV1Api(api).create_token_review({"spec": {"token": token}})
    assert review.status.user.username == "system:serviceaccount:default:default"


def test_kr8s(cluster: Cluster) -> None:
    kr8s = pytest.importorskip("kr8s", reason="kr8s is not installed")
    from kr8s.asyncio.objects import ConfigMap, new_class

    async def use() -> None:
        api = await kr8s.asyncio.api(kubeconfig=str(cluster.kubeconfig))
        config = await ConfigMap(CONFIG, api=api)
        await config.create()
        await config.patch({"data": {"x": "y"}})
        assert dict(config.data) == {"a": "b", "x": "y"}
        assert [entry.name async for entry in api.get("configmaps", namespace="default") if entry.name == "c"] == ["c"]
        widgets = new_class(kind="Widget", version="example.com/v1", namespaced=True)
        made = await widgets(widget(), api=api)
        await made.create()
        assert made.spec.colour == "red"
        await made.delete()
        await config.delete()

    asyncio.run(use())


def test_lightkube(cluster: Cluster) -> None:
    # lightkube-models alone, which other tests use, brings a package of that name without the client.
    pytest.importorskip("lightkube.generic_resource", reason="lightkube is not installed")
    import lightkube
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    client = lightkube.Client(config=lightkube.KubeConfig.from_file(cluster.kubeconfig), field_manager="tests")
    config = ConfigMap(metadata=ObjectMeta(name="c", namespace="default"), data={"a": "b"})
    assert client.apply(config).data == {"a": "b"}
    assert client.get(ConfigMap, "c", namespace="default").data == {"a": "b"}
    widgets = create_namespaced_resource("example.com", "v1", "Widget", "widgets")
    made = client.create(widgets(widget()))
    assert made.spec["colour"] == "red"
    assert [entry.metadata.name for entry in client.list(widgets, namespace="default")] == ["w"]
    client.delete(ConfigMap, "c", namespace="default")


OPERATOR = """
import kopf

@kopf.on.create("example.com", "v1", "widgets")
def made(spec, patch, **_):
    patch.status["replicas"] = spec["size"]

@kopf.on.delete("example.com", "v1", "widgets")
def gone(**_):
    pass
"""


def test_an_operator_with_kopf(cluster: Cluster) -> None:
    pytest.importorskip("kopf", reason="kopf is not installed")
    operator = cluster.folder / "operator.py"
    operator.write_text(textwrap.dedent(OPERATOR))
    command = [sys.executable, "-m", "kopf", "run", "--namespace=default", "--standalone", str(operator)]
    log = (cluster.folder / "operator.log").open("wb")
    running = subprocess.Popen(command, env={"KUBECONFIG": str(cluster.kubeconfig), "PATH": ""}, stdout=log, stderr=log)
    try:
        cluster.kubectl("apply", "-f", "-", stdin=__import__("json").dumps(widget()))
        cluster.kubectl("wait", "widget/w", "--for=jsonpath={.status.replicas}=3", "--timeout=55s")
        found = cluster.get("Widget.example.com", "default", "w")
        assert found["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        cluster.kubectl("delete", "widget/w", "--timeout=55s")  # the operator lets go of it
    finally:
        running.terminate()
        running.wait(30)
        log.close()
    assert b"Traceback" not in (cluster.folder / "operator.log").read_bytes()
