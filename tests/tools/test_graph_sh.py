"""tools/graph.sh keeps out of the way of a real Kiali."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StandIns


def test_installed_where_there_is_none(standins: StandIns, checkout: Path) -> None:
    standins.answer("get services", "prometheus \nkiali c756\ngrafana c756\n")
    done = standins.run("tools/graph.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cluster/graph-rbac.yaml\ncluster/graph.yaml\n"


def test_no_rules_of_access_where_they_are_unknown(standins: StandIns, checkout: Path) -> None:
    nothing = "Error from server (NotFound): the server could not find the requested resource\n"
    standins.answer("get --raw /apis/rbac", nothing, 1)
    assert standins.run("tools/graph.sh", cwd=checkout).stdout == "cluster/graph.yaml\n"


def test_a_cluster_that_cannot_be_asked(standins: StandIns, checkout: Path) -> None:
    standins.answer("get --raw /apis/rbac", "The connection to the server was refused\n", 1)
    done = standins.run("tools/graph.sh", cwd=checkout)
    assert done.returncode == 1
    assert "connection to the server was refused" in done.stderr


def test_a_real_kiali_or_grafana_is_left_alone(standins: StandIns, checkout: Path) -> None:
    for service in ("kiali", "grafana"):
        standins.answer("get services", f"prometheus \n{service} \n")
        done = standins.run("tools/graph.sh", cwd=checkout)
        assert (done.returncode, done.stdout) == (0, "")
        assert f"{service} is installed in this cluster" in done.stderr


def test_deploy_with_and_without(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "minikube\n")
    standins.answer("get secret c756-auth", "secret/c756-auth\n")
    done = standins.run("make", "-f", "k8s.mak", "deploy", cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "/cmpt756graph:v1-" in standins.stdin("apply -f -")[-1]
    assert "kubectl -n istio-system rollout status --timeout=180s deployment/kiali" in standins.calls

    standins.forget()
    standins.answer("get services", "kiali \n")
    assert standins.run("make", "-f", "k8s.mak", "deploy", cwd=checkout).returncode == 0
    assert "cmpt756graph" not in standins.stdin("apply -f -")[-1]
    assert not any("deployment/kiali" in call for call in standins.calls)
