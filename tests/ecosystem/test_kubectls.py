"""kubectl of other versions: C756_KUBECTLS names them, separated as on the PATH."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.pocket.api.live import Cluster
from tests.pocket.api.running import running
from tests.pocket.api.test_kubectl import DEPLOYMENT
from tests.pocket.api.test_portforward import ask, local_port, server, upper

KUBECTLS = [Path(name) for name in os.environ.get("C756_KUBECTLS", "").split(os.pathsep) if name]

pytestmark = pytest.mark.skipif(not KUBECTLS, reason="C756_KUBECTLS names no kubectl of another version")


@pytest.mark.parametrize("kubectl", KUBECTLS, ids=lambda path: path.name)
def test_objects(cluster: Cluster, kubectl: Path) -> None:
    def run(*arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        return cluster.kubectl(*arguments, stdin=stdin, fails=fails, path=kubectl)

    assert "created" in run("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "unchanged" in run("apply", "-f", "-", stdin=DEPLOYMENT)
    assert "web" in run("get", "deploy,rs", "-o", "wide")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    several = {"apiVersion": "v1", "kind": "List", "items": [config, {**config, "metadata": {"name": "d"}}]}
    assert run("apply", "-f", "-", stdin=json.dumps(several)).count("created") == 2
    run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(config))
    run("patch", "configmap", "c", "--patch", '{"data": {"x": "y"}}')
    assert cluster.get("ConfigMap", "default", "c")["data"] == {"a": "b", "x": "y"}
    assert 'unknown field "spec.replica"' in run(
        "apply", "-f", "-", stdin=DEPLOYMENT.replace("replicas:", "replica:"), fails=True
    )
    assert "no matches for kind" in run("apply", "-f", "-", stdin=json.dumps({**config, "kind": "C"}), fails=True)
    assert "rollingUpdate" in run("explain", "deployment.spec.strategy")
    assert "StrategyType" in run("describe", "deploy", "web")
    run("scale", "deploy", "web", "--replicas=3")
    assert "yes" in run("auth", "can-i", "create", "pods")
    run("label", "deploy", "web", "a=b")
    run("wait", "deploy/web", "--for=jsonpath={.spec.replicas}=3", "--timeout=20s")
    run("diff", "-f", "-", stdin=run("get", "configmap", "c", "-o", "yaml"))
    run("delete", "deploy", "web")


@pytest.mark.parametrize("kubectl", KUBECTLS, ids=lambda path: path.name)
def test_streams(cluster: Cluster, kubectl: Path, tmp_path: Path) -> None:
    cluster.run_pod("web")
    folder = cluster.runtime.folder("web", "web")
    (folder / "current.log").write_text("a line\n")
    assert cluster.kubectl("logs", "web", path=kubectl) == "a line\n"
    command = cluster.command("exec", "-i", "web", "--", "sh", "-c", "cat; exit 7", kubectl=kubectl)
    done = subprocess.run(command, input=b"typed\n", capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"typed\n", 7), done.stderr
    (tmp_path / "there.txt").write_text("there")
    cluster.kubectl("cp", str(tmp_path / "there.txt"), "web:there.txt", path=kubectl)
    assert (folder / "there.txt").read_text() == "there"
    cluster.kubectl("cp", "web:there.txt", str(tmp_path / "back.txt"), path=kubectl)
    assert (tmp_path / "back.txt").read_text() == "there"
    with server(upper) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with running(cluster, "port-forward", "--address=127.0.0.1", "pod/web", ":8080", kubectl=kubectl) as command:
            assert ask(local_port(command), b"hello") == b"HELLO"
