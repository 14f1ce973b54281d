"""tools/check-cluster.sh names everything that is missing."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StandIns


def test_nothing_missing(standins: StandIns, checkout: Path) -> None:
    done = standins.run("tools/check-cluster.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "has Istio with its ingress gateway, and Prometheus" in done.stdout


def test_an_empty_cluster(standins: StandIns, checkout: Path) -> None:
    standins.answer("networking.istio.io|monitoring.coreos.com|istio-system", "Error: not found\n", 1)
    done = standins.run("tools/check-cluster.sh", cwd=checkout)
    assert done.returncode != 0
    for name in ("Istio's kinds", "ingress gateway", "the Prometheus operator's kinds", "Service prometheus"):
        assert name in done.stderr
    assert "aws756" in done.stderr
    assert "istio-cni" not in done.stderr


def test_nodes_that_run_containers_need_istio_cni(standins: StandIns, checkout: Path) -> None:
    standins.answer("get --raw /apis/apps/v1$", '{"resources":[{"name":"daemonsets"}]}')
    done = standins.run("tools/check-cluster.sh", cwd=checkout)
    assert done.returncode != 0
    assert "istio-cni" in done.stderr
    standins.answer("get daemonsets", "daemonset.apps/istio-cni-node\n")
    assert standins.run("tools/check-cluster.sh", cwd=checkout).returncode == 0


def test_no_answer_at_all(standins: StandIns, checkout: Path) -> None:
    standins.answer("get --raw /version", "connection refused\n", 1)
    done = standins.run("tools/check-cluster.sh", cwd=checkout)
    assert done.returncode != 0
    assert "connection refused" in done.stderr
    assert 'context "aws756" does not answer' in done.stderr
