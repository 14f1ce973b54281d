"""`kubectl apply -f` of definitions as their makers publish them, at the versions that the project pins."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pocket.schemas.kubernetes import module_version
from tests.ecosystem.gotools import FETCH
from tests.pocket.api.live import Cluster

ISTIO = f"istio.io/api@v{module_version('istio.io/api')}"
GATEWAY_API = f"sigs.k8s.io/gateway-api@v{module_version('sigs.k8s.io/gateway-api')}"
OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.94.0"
"""Its published files: of the version that the schemas are made from, the Go proxy has only the types."""


def module(name: str) -> Path:
    """The folder of a Go module. Skips the test where it cannot be had."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on the PATH, which fetches the modules")
    command = [go, "mod", "download", "-json", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH, cwd="/")
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name} did not come within {FETCH:.0f} s")
    if done.returncode:
        pytest.skip(f"{name} cannot be had: {done.stdout[-300:]}{done.stderr[-300:]}")
    return Path(json.loads(done.stdout)["Dir"])


@pytest.mark.parametrize(
    ("name", "pattern", "brought"),
    [
        (ISTIO, "kubernetes/customresourcedefinitions.gen.yaml", "virtualservices.networking.istio.io"),
        (GATEWAY_API, "config/crd/standard/gateway.*.yaml", "httproutes.gateway.networking.k8s.io"),
        (GATEWAY_API, "config/crd/experimental/gateway.*.yaml", "xmeshes.gateway.networking.x-k8s.io"),
        ("github.com/fluxcd/flagger@v1.36.1", "artifacts/flagger/crd.yaml", "canaries.flagger.app"),
        ("github.com/argoproj/argo-rollouts@v1.10.1", "manifests/crds/*-crd.yaml", "rollouts.argoproj.io"),
        (OPERATOR, "example/prometheus-operator-crd/*.yaml", "prometheuses.monitoring.coreos.com"),
    ],
    ids=lambda value: value.replace("/", "_") if isinstance(value, str) else None,
)
def test_upstream_definitions(cluster: Cluster, name: str, pattern: str, brought: str) -> None:
    files = [f"--filename={path}" for path in sorted(module(name).glob(pattern))]
    assert files, f"{name} has no {pattern}"
    # On the server's side: the last applied state of some would be too long for an annotation, as on a real cluster.
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *files)
    cluster.kubectl("wait", "--for=condition=Established", "crd", brought, "--timeout=30s")
    assert cluster.kubectl("get", brought, "--all-namespaces").strip() == "No resources found"


def test_a_definition_that_is_there_already_is_applied_by_the_client(cluster: Cluster) -> None:
    file = module(ISTIO) / "kubernetes" / "customresourcedefinitions.gen.yaml"
    assert "configured" in cluster.kubectl("apply", f"--filename={file}")
    again = cluster.kubectl("apply", f"--filename={file}").splitlines()
    assert all(line.endswith("unchanged") for line in again), again
