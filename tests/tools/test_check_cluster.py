"""tools/check_cluster.py names everything that is missing."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from c756.trouble import Trouble
from tests.conftest import StandIns
from tools import check_cluster
from tools.check_cluster import GATEWAY, ISTIO_KINDS, OPERATOR_KINDS, Found

ALL = Found("{}", True, True, True, True, True, True)
COMMAND = (".venv/bin/python", "-m", "tools.check_cluster")
"""kubectl's words for a path of the API that is not there."""


def apis(*group_versions: str) -> str:
    """What the API server says about its kinds."""
    return json.dumps({"groups": [{"versions": [{"groupVersion": name}]} for name in group_versions]})


def deployment(pods: int) -> dict[str, Any]:
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": pods}
    return {"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 1}, "status": status}


def objects(gateway_pods: int = 1) -> str:
    return json.dumps({"items": [deployment(gateway_pods), {"kind": "Service"}]})


def has_everything(standins: StandIns, after: str = "") -> None:
    standins.answer("get --raw /apis$", apis(ISTIO_KINDS, OPERATOR_KINDS), after=after)
    standins.answer("get deployment/istio-ingressgateway service/prometheus", objects(), after=after)
    standins.answer("daemonsets", '{"items":[{}]}', after=after)


def has_nothing(standins: StandIns) -> None:
    """A cluster with nodes that run containers, as it comes from a cloud."""
    standins.answer("get --raw /apis$", apis("apps/v1", "metrics.k8s.io/v1beta1"))
    standins.answer("get deployment/istio-ingressgateway service/prometheus", "")
    standins.answer("daemonsets", '{"items":[]}')
    standins.answer("get nodes", "containerd://2.1.4 containerd://2.1.4")


# -- decisions --------------------------------------------------------------------------------------------------------


def test_what_was_found() -> None:
    everything = json.loads(apis(ISTIO_KINDS, OPERATOR_KINDS))
    both = json.loads(objects())
    assert check_cluster.found("{}", everything, both, None) == ALL
    assert check_cluster.found("{}", everything, both, {"items": [{}]}) == ALL
    assert not check_cluster.found("{}", everything, both, {"items": []}).cni
    assert check_cluster.found("{}", {}, {}, None) == Found("{}", False, False, False, True, False, False)
    old = json.loads(apis("networking.istio.io/v1beta1", OPERATOR_KINDS))
    assert not check_cluster.found("{}", old, both, None).istio
    gateway_only = check_cluster.found("{}", everything, {"items": both["items"][:1]}, None)
    assert gateway_only.istio
    assert not gateway_only.prometheus


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"availableReplicas": 0}, False),
        ({"updatedReplicas": 0}, False),
        ({"replicas": 2}, False),  # an old pod is still there
        ({"observedGeneration": 1}, False),
    ],
)
def test_rolled_out(change: dict[str, int], expected: bool) -> None:
    gateway = deployment(1)
    gateway["status"] |= change
    assert check_cluster.rolled_out(gateway) == expected


def test_a_deployment_that_nobody_has_looked_at() -> None:
    assert not check_cluster.rolled_out({"metadata": {"generation": 1}, "spec": {}})


def test_the_verdict() -> None:
    assert "has Istio with its ingress gateway, and Prometheus" in check_cluster.verdict(ALL, "here")
    with pytest.raises(Trouble) as caught:
        check_cluster.verdict(Found("{}", False, False, False, False, False, False), "here")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('missing in the cluster of context "here": Istio\'s kinds (make -f k8s.mak provision')
    wanted = [GATEWAY, "istio-cni", "the Prometheus operator's kinds", "Service prometheus"]
    assert all(name in line for name, line in zip(wanted, lines[1:], strict=True))
    assert {line.index(line.strip()) for line in lines[1:]} == {lines[0].index("Istio's kinds")}


# -- the command ------------------------------------------------------------------------------------------------------


def test_nothing_missing(standins: StandIns, checkout: Path) -> None:
    has_everything(standins)
    done = standins.run("make", "-f", "k8s.mak", "check-cluster", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "has Istio with its ingress gateway, and Prometheus" in done.stdout


def test_an_empty_cluster(standins: StandIns, checkout: Path) -> None:
    has_nothing(standins)
    done = standins.run(*COMMAND, cwd=checkout)
    assert done.returncode != 0
    for name in ("Istio's kinds", "ingress gateway", "the Prometheus operator's kinds", "Service prometheus", "aws756"):
        assert name in done.stderr


def test_nodes_that_run_no_containers_need_no_istio_cni(standins: StandIns, checkout: Path) -> None:
    has_everything(standins)
    standins.answer("daemonsets", '{"items":[]}')
    standins.answer("get nodes", "pocket://processes")
    assert standins.run(*COMMAND, cwd=checkout).returncode == 0
    standins.answer("get nodes", "pocket://processes containerd://2.1.4")
    done = standins.run(*COMMAND, cwd=checkout)
    assert done.returncode != 0
    assert "istio-cni" in done.stderr
    standins.answer("daemonsets", 'Error from server (Forbidden): daemonsets.apps is forbidden: User "x"\n', 1)
    done = standins.run(*COMMAND, cwd=checkout)
    assert done.returncode != 0
    assert "daemonsets.apps is forbidden" in done.stderr


def test_no_answer_at_all(standins: StandIns, checkout: Path) -> None:
    standins.answer("get --raw /version", "connection refused\n", 1)
    done = standins.run(*COMMAND, cwd=checkout)
    assert done.returncode != 0
    assert "connection refused" in done.stderr
    assert 'context "aws756" cannot be asked' in done.stderr
    assert "Traceback" not in done.stderr


def test_no_context_and_no_kubectl(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "error: current-context is not set\n", 1)
    assert "kubectl has no current context. Start a cluster first" in standins.run(*COMMAND, cwd=checkout).stderr
    done = standins.run(*COMMAND, cwd=checkout, env={"PATH": os.devnull})
    assert "there is no kubectl on this machine" in done.stderr
    assert done.returncode == 1


def test_time_to_come_up(standins: StandIns, checkout: Path) -> None:
    """Prometheus and the gateway come while it waits; an API server that is away in between does no harm."""
    has_everything(standins)
    standins.answer("get deployment/istio-ingressgateway", "", after="")
    standins.answer("get deployment/istio-ingressgateway", "connection refused\n", 1, after="daemonsets")
    standins.answer("get deployment/istio-ingressgateway", objects(), after=r"(?s)(/version.*){3}")
    done = standins.run(*COMMAND, cwd=checkout, env={"WAIT": "60"})
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert (first, second) == ("waiting for Istio's ingress gateway", "waiting for Prometheus")
    assert "has Istio" in last


def test_time_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = Found("{}", False, False, False, True, True, True)
    answers: list[Found | Trouble] = [lacking, Trouble("away"), lacking, Trouble("still away")]

    def look() -> Found:
        answer = answers.pop(0)
        if isinstance(answer, Trouble):
            raise answer
        return answer

    clock = iter([0.0, 1.0, 2.0, 3.0, 4.0, 11.0])
    monkeypatch.setattr(check_cluster, "look", look)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(Trouble, match="still away"):
        check_cluster.wait(10)
    assert answers == []
