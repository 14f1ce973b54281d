"""Has the current cluster what the application needs? `python -m tools.check_cluster`, in the repository's root.

Says everything that is missing, not only the first thing. WAIT=seconds gives it time to come up (default: none).
tools/addons.py asks the same: this is the one place that knows how, and asks as few questions as that takes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from c756 import kubectl
from c756.trouble import Trouble

NAMESPACE = "istio-system"
GATEWAY = "istio-ingressgateway"
ISTIO_KINDS = "networking.istio.io/v1"
OPERATOR_KINDS = "monitoring.coreos.com/v1"
CNI_NODES = "/apis/apps/v1/daemonsets?labelSelector=k8s-app%3Distio-cni-node"


@dataclass(frozen=True)
class Found:
    """What there is in a cluster of what the application needs, whoever installed it."""

    version: str
    """The server's answer to /version, JSON."""
    istio_kinds: bool
    gateway: bool
    """There is a Deployment istio-ingressgateway."""
    gateway_runs: bool
    """It runs what was asked for, every pod available."""
    cni: bool
    """Redirection comes from istio-cni, or nodes run no containers and need none (see cluster/namespace.yaml)."""
    operator_kinds: bool
    prometheus_service: bool

    @property
    def istio(self) -> bool:
        return self.istio_kinds and self.gateway

    @property
    def prometheus(self) -> bool:
        return self.operator_kinds and self.prometheus_service


def rolled_out(deployment: Mapping[str, Any]) -> bool:
    """What `kubectl rollout status` waits for: the controller has seen the newest spec, and only pods of it are there
    and available. https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#complete-deployment
    """
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= status.get("updatedReplicas", 0)
    )


def found(
    version: str, apis: Mapping[str, Any], objects: Mapping[str, Any], cni_nodes: Mapping[str, Any] | None
) -> Found:
    """From the answers to /version, /apis, the list of the gateway's Deployment and Prometheus' Service, and the list
    of istio-cni's DaemonSets; None where nodes run no containers.
    """
    versions = {entry["groupVersion"] for group in apis.get("groups") or () for entry in group["versions"]}
    items = {item["kind"]: item for item in objects.get("items") or ()}
    return Found(
        version=version,
        istio_kinds=ISTIO_KINDS in versions,
        gateway="Deployment" in items,
        gateway_runs="Deployment" in items and rolled_out(items["Deployment"]),
        cni=cni_nodes is None or bool(cni_nodes.get("items")),
        operator_kinds=OPERATOR_KINDS in versions,
        prometheus_service="Service" in items,
    )


def missing(cluster: Found) -> dict[str, str]:
    """What the cluster lacks, each with the cure."""
    needs = (
        (cluster.istio_kinds, "Istio's kinds", "make -f k8s.mak provision installs Istio"),
        (cluster.gateway_runs, "Istio's ingress gateway", f"Deployment {GATEWAY} in {NAMESPACE}, all pods available"),
        (cluster.cni, "istio-cni", "Istio must be installed with its CNI plugin"),
        (cluster.operator_kinds, "the Prometheus operator's kinds", "make -f k8s.mak provision installs Prometheus"),
        (cluster.prometheus_service, "Prometheus", f"Service prometheus in {NAMESPACE}"),
    )
    return {what: cure for there, what, cure in needs if not there}


def verdict(cluster: Found, context: str) -> str:
    """One line that all is there. Raises Trouble with everything that is missing."""
    lacks = [f"{what} ({cure})" for what, cure in missing(cluster).items()]
    if lacks:
        begin = f'missing in the cluster of context "{context}": '
        raise Trouble(begin + ("\n" + " " * len(begin)).join(lacks))
    return f'the cluster of context "{context}" has Istio with its ingress gateway, and Prometheus'


def look() -> Found:
    """Asks the current cluster. Raises Trouble where it does not answer."""
    version = kubectl.ask("get", "--raw", "/version")
    apis = json.loads(kubectl.ask("get", "--raw", "/apis") or "{}")
    wanted = (f"deployment/{GATEWAY}", "service/prometheus")
    objects = json.loads(
        kubectl.ask("--namespace", NAMESPACE, "get", *wanted, "--ignore-not-found", "--output", "json") or "{}"
    )
    cni = json.loads(kubectl.ask("get", "--raw", CNI_NODES) or "{}")
    if not cni.get("items") and _runs_no_containers():
        cni = None
    return found(version, apis, objects, cni)


def _runs_no_containers() -> bool:
    """Whether all nodes are pocket's: their pods are processes, in which there is nothing to redirect."""
    runtimes = kubectl.ask("get", "nodes", "--output", "jsonpath={.items[*].status.nodeInfo.containerRuntimeVersion}")
    return bool(runtimes) and all(runtime.startswith("pocket://") for runtime in runtimes.split())


def wait(seconds: float) -> Found:
    """Asks until nothing is missing or the time is over, and says what it waits for. Raises Trouble."""
    end = time.monotonic() + seconds
    told: set[str] = set()
    cluster = look()
    while missing(cluster) and time.monotonic() < end:
        for what in missing(cluster):
            if what not in told:
                print(f"waiting for {what}", flush=True)
                told.add(what)
        time.sleep(1)
        try:
            cluster = look()
        except Trouble:  # an API server that is coming up may be away for a moment
            if time.monotonic() >= end:
                raise
    return cluster


def main() -> int:
    """Returns the exit code."""
    try:
        name = kubectl.context()
        print(verdict(wait(float(os.environ.get("WAIT") or 0)), name))
    except Trouble as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ^C ends it without a traceback
    sys.exit(main())
