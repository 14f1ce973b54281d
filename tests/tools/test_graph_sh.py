"""tools/graph.sh keeps out of the way of a real Kiali."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StandIns


def test_installed_where_there_is_none(standins: StandIns, checkout: Path) -> None:
    standins.answer("config current-context", "minikube\n")
    standins.answer("get services", "prometheus \nkiali c756\ngrafana c756\n")
    done = standins.run("tools/graph.sh", cwd=checkout)
    assert done.returncode == 0, done.stderr
    applied = standins.stdin("apply -f -")[0]
    assert "kind: ClusterRole\n" in applied
    assert "/cmpt756graph:v1-" in applied
    standins.answer("get --raw /apis/rbac", "not found\n", 1)
    standins.forget()
    standins.run("tools/graph.sh", cwd=checkout)
    assert "kind: ClusterRole\n" not in standins.stdin("apply -f -")[0]


def test_a_real_kiali_or_grafana_is_left_alone(standins: StandIns, checkout: Path) -> None:
    for service in ("kiali", "grafana"):
        standins.forget()
        standins.answer("get services", f"prometheus \n{service} \n")
        done = standins.run("tools/graph.sh", cwd=checkout)
        assert done.returncode == 0
        assert f"{service} is installed in this cluster" in done.stdout
        assert len(standins.calls) == 1
