"""From ServiceMonitors to targets, by the Prometheus operator's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pocket.mesh.model import PodEndpoint, Proxy
from pocket.objects import Obj
from pocket.scrape import monitored_targets, sidecar_targets


def service(name: str = "s2", namespace: str = "ns", **labels: str) -> Obj:
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, **labels}},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 30001}]},
    }


def monitor(endpoint: Obj | None = None, namespace: str = "ns", **spec: Any) -> Obj:
    return {
        "kind": "ServiceMonitor",
        "metadata": {"name": "m", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": "s2"}}, "endpoints": [endpoint or {"port": "http"}], **spec},
    }


def pod(name: str = "s2-1", port: int = 20011, namespace: str = "ns", ready: bool = True) -> PodEndpoint:
    labels = {"app": "s2", "version": "v1"}
    return PodEndpoint(name, namespace, labels, "s2-v1", {30001: port}, {"web": 30001}, ready=ready)


def test_a_pod_behind_the_service_is_a_target_with_the_operators_labels() -> None:
    (group,) = monitored_targets([monitor({"port": "http", "interval": "15s", "path": "/m"})], [service()], [pod()])
    assert group == {
        "targets": ["127.0.0.1:20011"],
        "labels": {
            "namespace": "ns",
            "service": "s2",
            "pod": "s2-1",
            "endpoint": "http",
            "job": "s2",
            "__metrics_path__": "/m",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "10s",
        },
    }


@pytest.mark.parametrize(("scheme", "label"), [("https", "https"), ("HTTPS", "https"), ("http", None), (None, None)])
def test_tls_where_the_monitor_asks_for_it(scheme: str | None, label: str | None) -> None:
    endpoint = {"port": "http", **({"scheme": scheme} if scheme else {})}
    (group,) = monitored_targets([monitor(endpoint)], [service()], [pod()])
    assert group["labels"].get("__scheme__") == label


def test_defaults_and_extra_labels() -> None:
    spec: Obj = {"jobLabel": "team", "targetLabels": ["team"], "podTargetLabels": ["version", "absent"]}
    (group,) = monitored_targets([monitor(**spec)], [service(team="red")], [pod()])
    assert group["labels"]["__metrics_path__"] == "/metrics"
    assert group["labels"]["__scrape_interval__"] == "30s"
    assert (group["labels"]["job"], group["labels"]["team"], group["labels"]["version"]) == ("red", "red", "v1")
    assert "absent" not in group["labels"]


def test_two_monitors_of_one_pod_make_one_target() -> None:
    assert len(monitored_targets([monitor(), monitor()], [service()], [pod(), pod("s2-2", 20012)])) == 2


@pytest.mark.parametrize(
    ("monitors", "services", "pods"),
    [
        ([monitor()], [service(namespace="other")], [pod(namespace="other")]),  # another namespace
        ([monitor()], [service("s1")], [pod()]),  # another label
        ([monitor()], [service()], [pod(ready=False)]),
        ([monitor({"port": "grpc"})], [service()], [pod()]),  # no such port
        ([monitor()], [service()], []),
    ],
)
def test_what_is_no_target(monitors: list[Obj], services: list[Obj], pods: list[PodEndpoint]) -> None:
    assert monitored_targets(monitors, services, pods) == []


@pytest.mark.parametrize("selector", [{"any": True}, {"matchNames": ["other", "third"]}])
def test_other_namespaces_when_asked(selector: Obj) -> None:
    found = monitored_targets(
        [monitor(namespaceSelector=selector)], [service(namespace="other")], [pod(namespace="other")]
    )
    assert len(found) == 1


@pytest.mark.parametrize(
    ("expression", "picked"),
    [
        ({"key": "app", "operator": "In", "values": ["s1", "s2"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["s2"]}, False),
        ({"key": "team", "operator": "Exists"}, False),
        ({"key": "team", "operator": "DoesNotExist"}, True),
    ],
)
def test_expressions(expression: Obj, picked: bool) -> None:
    found = monitored_targets([monitor(selector={"matchExpressions": [expression]})], [service()], [pod()])
    assert bool(found) is picked


@pytest.mark.parametrize("target", [30001, "web"])
def test_target_ports_by_number_and_name(target: int | str) -> None:
    assert len(monitored_targets([monitor({"targetPort": target})], [service()], [pod()])) == 1


def test_what_listens_on_a_socket_is_no_target() -> None:
    assert monitored_targets([monitor()], [service()], [replace(pod(), sockets={30001: "../../u/30001.sock"})]) == []


def test_every_envoy_of_the_mesh_is_a_target() -> None:
    proxies = [Proxy(name, "ns", "uid", "/d", port) for name, port in (("b", 2), ("a", 1))]
    proxies.append(Proxy("outside", "ns", "uid", "/d", 0, mode="plain"))
    assert sidecar_targets(proxies) == [
        {"targets": ["127.0.0.1:1"], "labels": {"namespace": "ns", "pod": "a"}},
        {"targets": ["127.0.0.1:2"], "labels": {"namespace": "ns", "pod": "b"}},
    ]
