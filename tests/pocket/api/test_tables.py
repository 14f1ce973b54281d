from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pocket.api import ages, tables
from pocket.kinds import pod as pods
from pocket.kinds import strategy
from pocket.kinds.columns import Column
from pocket.objects import Kind, Obj
from tests.pocket.api.known import CATALOG, KINDS


def columns_of(kind: Kind) -> tuple[Column, ...] | None:
    return CATALOG.columns(kind, kind.versions[0]) or strategy(kind).columns


NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def row(kind: str, obj: Obj, *, wide: bool = False) -> dict[str, Any]:
    obj = {"kind": kind, **obj, "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z", **obj.get("metadata", {})}}  # noqa: E501
    table = tables.table(columns_of(KINDS[kind]), [obj], "Metadata", {"resourceVersion": "1"})
    columns = table["columnDefinitions"]
    cells = dict(zip([column["name"] for column in columns], table["rows"][0]["cells"], strict=True))
    return {name: cells[name] for name in cells if wide or name in _narrow(columns)}


def _narrow(columns: list[Obj]) -> set[str]:
    return {column["name"] for column in columns if column["priority"] == 0}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [  # as apimachinery's duration.HumanDuration
        (-5, "<invalid>"), (0, "0s"), (1, "1s"), (119, "119s"), (120, "2m"), (123, "2m3s"), (599, "9m59s"),
        (600, "10m"), (10799, "179m"), (10800, "3h"), (11000, "3h3m"), (28799, "7h59m"), (28800, "8h"),
        (172799, "47h"), (172800, "2d"), (180000, "2d2h"), (691199, "7d23h"), (691200, "8d"), (63071999, "729d"),
        (63072000, "2y"), (63158400, "2y1d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_durations(seconds: int, text: str) -> None:
    assert ages.duration(seconds) == text


def running(**more: Any) -> Obj:
    return {"ready": True, "restartCount": 0, "state": {"running": {}}, **more}


@pytest.mark.parametrize(
    ("pod", "status"),
    [
        ({"status": {"phase": "Pending"}}, "Pending"),
        ({"status": {"phase": "Running", "containerStatuses": [running()]}}, "Running"),
        ({"status": {"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}, "CrashLoopBackOff"),  # noqa: E501
        ({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}}, "ErrImagePull"),  # noqa: E501
        ({"status": {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]}}, "Completed"),  # noqa: E501
        ({"status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}}, "ExitCode:3"),  # noqa: E501
        ({"status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9, "exitCode": 137}}}]}}, "Signal:9"),  # noqa: E501
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Running"}}, "Terminating"),
        ({"spec": {"initContainers": [{}, {}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}, {"state": {"running": {}}}]}}, "Init:1/2"),  # noqa: E501
        ({"spec": {"initContainers": [{}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}}, "Init:Error"),  # noqa: E501
        (
            {
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "False"}],
                    "containerStatuses": [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}, running()],
                }
            },
            "NotReady",
        ),
    ],
)
def test_pod_status(pod: Obj, status: str) -> None:
    assert pods.pod_status({"metadata": {}, **pod}) == status


def test_a_pod_shows_ready_containers_and_restarts() -> None:
    pod: Obj = {
        "spec": {"containers": [{}, {}], "nodeName": "here"},
        "status": {"phase": "Running", "podIP": "127.0.0.1", "containerStatuses": [running(restartCount=2), running(ready=False)]},  # noqa: E501
    }
    cells = row("Pod", pod, wide=True)
    assert (cells["Ready"], cells["Restarts"], cells["IP"], cells["Node"]) == ("1/2", "2", "127.0.0.1", "here")
    pod["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"finishedAt": "2026-01-01T00:00:00Z"}}
    assert row("Pod", pod)["Restarts"].startswith("2 (")


def test_a_deployment() -> None:
    deployment = {
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "v", "operator": "In", "values": ["1", "2"]}]},  # noqa: E501
            "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}},
        },
        "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
    }
    cells = row("Deployment", deployment, wide=True)
    assert [cells[name] for name in ("Ready", "Up-to-date", "Available")] == ["1/3", 2, 1]
    assert (cells["Containers"], cells["Images"], cells["Selector"]) == ("a,b", "a:1,b:1", "app=web,v in (1,2)")
    assert set(row("Deployment", {"spec": {}})) == {"Name", "Ready", "Up-to-date", "Available", "Age"}


@pytest.mark.parametrize(
    ("spec", "status", "external", "ports"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]}, {}, "<none>", "80/TCP"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}, {}, "<none>", "80:30080/TCP"),
        ({"type": "LoadBalancer", "ports": [{"port": 1}, {"port": 2}]}, {}, "<pending>", "1/TCP,2/TCP"),
        ({"type": "LoadBalancer", "ports": []}, {"loadBalancer": {"ingress": [{"hostname": "h"}]}}, "h", "<none>"),
        ({"type": "ExternalName", "externalName": "x.org"}, {}, "x.org", "<none>"),
    ],
)
def test_a_service(spec: Obj, status: Obj, external: str, ports: str) -> None:
    cells = row("Service", {"spec": spec, "status": status})
    assert (cells["External-IP"], cells["Port(s)"]) == (external, ports)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({}, "Running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "Complete"),
        ({"conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "True"}]}, "Failed"),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, "Suspended"),
        ({"conditions": [{"type": "Suspended", "status": "False"}]}, "Running"),
    ],
)
def test_a_job(status: Obj, text: str) -> None:
    cells = row("Job", {"spec": {"completions": 2}, "status": {"succeeded": 1, **status}})
    assert (cells["Status"], cells["Completions"]) == (text, "1/2")


def test_a_job_has_a_duration() -> None:
    status = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:07Z"}
    assert row("Job", {"status": status})["Duration"] == "7s"


def test_nodes() -> None:
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1"},
        },
    }
    cells = row("Node", node, wide=True)
    assert (cells["Status"], cells["Roles"], cells["Version"]) == ("Ready,SchedulingDisabled", "control-plane", "v1")
    assert (cells["Internal-IP"], cells["External-IP"]) == ("127.0.0.1", "<none>")


def test_endpoints_and_slices() -> None:
    endpoints = {"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": n} for n in (1, 2, 3, 4)]}]}
    assert row("Endpoints", endpoints)["Endpoints"] == "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3 + 1 more..."
    assert row("Endpoints", {})["Endpoints"] == "<none>"
    endpointslice = {"addressType": "IPv4", "ports": [{"port": 1}], "endpoints": [{"addresses": ["127.0.0.1"]}]}
    cells = row("EndpointSlice", endpointslice)
    assert (cells["Ports"], cells["Endpoints"]) == ("1", "127.0.0.1")


def test_events() -> None:
    event = {
        "type": "Warning",
        "reason": "BackOff",
        "message": "m\n",
        "involvedObject": {"kind": "Pod", "name": "p"},
        "source": {"component": "kubelet", "host": "here"},
    }
    cells = row("Event", event, wide=True)
    assert (cells["Object"], cells["Message"], cells["Source"]) == ("pod/p", "m", "kubelet, here")


def test_istio_kinds_have_the_columns_of_their_definitions() -> None:
    cells = row("VirtualService", {"spec": {"gateways": ["g"], "hosts": ["a", "b"]}})
    assert (cells["Gateways"], cells["Hosts"]) == ('["g"]', '["a","b"]')
    assert row("DestinationRule", {"spec": {"host": "h"}})["Host"] == "h"
    assert set(row("ServiceEntry", {})) == {"Name", "Hosts", "Location", "Resolution", "Age"}
    assert set(row("ServiceMonitor", {})) == {"Name", "Age"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_without_anything_has_a_row(kind: str) -> None:
    assert row(kind, {}, wide=True)


def test_rows_carry_what_the_client_asks_for() -> None:
    obj: Obj = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "b"}}
    with_metadata = tables.table(None, [obj], "Metadata", {})["rows"][0]["object"]
    assert with_metadata == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "s"},
    }
    assert tables.table(None, [obj], "Object", {})["rows"][0]["object"] == obj
    assert tables.table(None, [obj], "None", {})["rows"][0]["object"] is None
