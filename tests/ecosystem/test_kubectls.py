"""kubectl of other versions than the project's: C756_KUBECTL names them (1.27 to 1.30, 1.32 and 1.37 were tried)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.ecosystem.programs import each
from tests.pocket.api.live import Cluster
from tests.pocket.api.running import running
from tests.pocket.api.test_kubectl import DEPLOYMENT
from tests.pocket.api.test_portforward import ask, local_port, server, upper


@each("kubectl", of_path=False)
def test_objects(cluster: Cluster, program: Path) -> None:
    def run(*arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        return cluster.kubectl(*arguments, stdin=stdin, fails=fails, path=program)

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


@each("kubectl", of_path=False)
def test_streams(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    cluster.run_pod("web")
    folder = cluster.runtime.folder("web", "web")
    (folder / "current.log").write_text("a line\n")
    assert cluster.kubectl("logs", "web", path=program) == "a line\n"
    command = cluster.command("exec", "-i", "web", "--", "sh", "-c", "cat; exit 7", kubectl=program)
    done = subprocess.run(command, input=b"typed\n", capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"typed\n", 7), done.stderr
    (tmp_path / "there.txt").write_text("there")
    cluster.kubectl("cp", str(tmp_path / "there.txt"), "web:there.txt", path=program)
    assert (folder / "there.txt").read_text() == "there"
    cluster.kubectl("cp", "web:there.txt", str(tmp_path / "back.txt"), path=program)
    assert (tmp_path / "back.txt").read_text() == "there"
    with server(upper) as port:
        cluster.runtime.ports[8080] = "127.0.0.1", port
        with running(cluster, "port-forward", "--address=127.0.0.1", "pod/web", ":8080", kubectl=program) as forward:
            assert ask(local_port(forward), b"hello") == b"HELLO"
