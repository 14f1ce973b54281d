"""Pods from their first start to their end, as real processes."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pocket import processes
from pocket.objects import Obj, condition, uid_of
from tests.pocket.cluster import IMAGE, NAMESPACE, Cluster, live


@live
async def test_a_pod_runs_in_its_own_copy_of_the_image(cluster: Cluster) -> None:
    digest = cluster.images.resolve(IMAGE)
    cluster.pod(env={"WORD": "hello"})
    await cluster.until_ready()
    assert await cluster.ask() == (200, "hello")
    status = cluster.status()
    assert status["imageID"] == f"{IMAGE}@{digest}"
    assert status["restartCount"] == 0
    assert list(status["state"]) == ["running"]
    assert cluster.get("Pod", "p")["spec"]["nodeName"] == "pocket"
    assert cluster.reasons("p")[:4] == ["Scheduled", "Pulled", "Created", "Started"]
    assert cluster.log() == "serving hello\n"
    context = cluster.kubelet.exec_context(cluster.get("Pod", "p"), "app")
    copy = context.cwd / "app.py"
    assert copy.is_file()
    assert context.cwd == cluster.folder() / "app" / "rootfs" / "code"
    copy.write_text("changed")
    cluster.pod("other")
    await cluster.until_ready("other")
    assert (cluster.folder("other") / "app" / "rootfs" / "code" / "app.py").read_text() != "changed"


@live
async def test_the_end_of_a_pod_leaves_nothing(cluster: Cluster) -> None:
    pod = cluster.pod()
    await cluster.until_ready()
    port, folder = cluster.port("p"), cluster.folder()
    cluster.delete("p")
    await cluster.until_gone()
    assert not folder.exists()
    assert processes.marked(f"{cluster.home}:") == []
    assert "Killing" in cluster.reasons("p")
    await cluster.until(lambda: cluster.kubelet.pod_endpoints() == [])
    cluster.pod("p")  # the same name again is another pod
    await cluster.until_ready()
    assert uid_of(cluster.get("Pod", "p")) != uid_of(pod)
    assert cluster.port("p") != port  # the old port is the last to be used again


@live
async def test_ready_only_after_the_mesh_and_out_of_it_before_the_end(cluster: Cluster) -> None:
    seen: list[tuple[bool, bool, bool]] = []  # endpoint ready, pod ready, still serving

    def look() -> None:
        pod = cluster.store.find("Pod", NAMESPACE, "p")
        endpoints = [entry for entry in cluster.kubelet.pod_endpoints() if entry.name == "p"]
        if pod and endpoints:
            log = cluster.kubelet.log_file(pod, "app", False)
            alive = log.exists() and "stopping" not in log.read_text()
            ready = condition(pod, "Ready")
            seen.append((endpoints[0].ready, ready is not None and ready["status"] == "True", alive))

    cluster.mesh.on_sync = look
    cluster.pod()
    await cluster.until_ready()
    assert seen[-1] == (True, False, True)  # the endpoint first, then the condition
    seen.clear()
    cluster.delete("p")
    await cluster.until_gone()
    assert seen[0] == (False, False, True)  # out of the endpoints before it is asked to stop


@live
async def test_sigterm_and_then_sigkill(cluster: Cluster) -> None:
    cluster.build('FROM x\nCMD ["sh", "-c", "trap \'\' TERM; echo up; while :; do sleep 0.05; done"]', tag="deaf:1")
    cluster.pod(image="deaf:1", readinessProbe=None, terminationGracePeriodSeconds=1)
    await cluster.until(lambda: "up" in _log(cluster))
    cluster.delete("p", grace=1)
    await cluster.until_gone()
    assert processes.marked(f"{cluster.home}:") == []


@live
async def test_a_second_delete_may_be_less_patient(cluster: Cluster) -> None:
    cluster.build('FROM x\nCMD ["sh", "-c", "trap \'\' TERM; echo up; while :; do sleep 0.05; done"]', tag="deaf:1")
    cluster.pod(image="deaf:1", readinessProbe=None)
    await cluster.until(lambda: "up" in _log(cluster))
    cluster.delete("p", grace=3600)
    await cluster.until(lambda: "Killing" in cluster.reasons("p"))
    cluster.delete("p", grace=0)
    await cluster.until_gone()


@live
async def test_a_pod_that_is_taken_away_by_force(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    folder = cluster.folder()
    cluster.store.delete("Pod", NAMESPACE, "p")
    await cluster.until(lambda: not folder.exists(), "its folder to be gone")
    assert processes.marked(f"{cluster.home}:") == []


@live
async def test_volumes_show_in_the_containers_tree_and_follow_changes(cluster: Cluster) -> None:
    cluster.create("ConfigMap", "c", data={"greeting": "hello"})
    cluster.pod(
        volumes=[{"name": "conf", "configMap": {"name": "c"}}, {"name": "tmp", "emptyDir": {}}],
        volumeMounts=[{"name": "conf", "mountPath": "/etc/conf"}, {"name": "tmp", "mountPath": "/tmp"}],
        env={"CONF": "/etc/conf/greeting"},
    )
    await cluster.until_ready()
    env = cluster.kubelet.exec_context(cluster.get("Pod", "p"), "app").env
    greeting = Path(env["CONF"])
    assert text(greeting) == "hello"
    assert greeting == cluster.folder() / "app" / "rootfs" / "etc" / "conf" / "greeting"
    assert Path(env["TMPDIR"]) == cluster.folder() / ".volumes" / "tmp"
    cluster.store.modify("ConfigMap", NAMESPACE, "c", lambda obj: obj.update(data={"greeting": "changed"}))
    await cluster.until(lambda: text(greeting) == "changed", "the volume to follow")


@live
async def test_a_missing_volume_source_holds_the_pod(cluster: Cluster) -> None:
    cluster.pod(volumes=[{"name": "v", "secret": {"secretName": "none"}}])
    await cluster.until(lambda: "FailedMount" in cluster.reasons("p"))
    await cluster.until_waiting("CreateContainerConfigError")
    assert cluster.status()["state"]["waiting"]["message"] == 'secret "none" not found'
    cluster.create("Secret", "none", data={})
    await cluster.until_ready()


@live
async def test_what_a_container_finds_in_its_environment(cluster: Cluster) -> None:
    cluster.create("Service", "my-db", {"ports": [{"name": "http", "port": 80, "targetPort": 8000}],
                                        "selector": {"app": "first"}})  # fmt: skip
    cluster.create("Service", "outside", {"ports": [{"port": 9090}]})
    cluster.create("Endpoints", "outside", subsets=[{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 7}]}])
    cluster.pod("first")
    await cluster.until_ready("first")
    cluster.pod(env={"PORT": "1", "HOST": "0.0.0.0"})
    await cluster.until_ready()
    env = cluster.kubelet.exec_context(cluster.get("Pod", "p"), "app").env
    assert env["HOST"] == "127.0.0.1"
    assert env["PORT"] == env["PORT_8000"] == str(cluster.port("p"))
    assert env["HOSTNAME"] == "p"
    assert env["MY_DB_SERVICE_PORT"] == str(cluster.port("first"))
    assert (env["OUTSIDE_SERVICE_HOST"], env["OUTSIDE_SERVICE_PORT"]) == ("127.0.0.1", "7")
    assert env["DYNAMODB_URL"] == f"http://127.0.0.1:{cluster.settings.emulator_port}"
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert "http_proxy" not in env  # no sidecar
    assert env["HOME"].startswith(str(cluster.folder()))


@live
async def test_clients_inside_a_pod_find_the_api(cluster: Cluster) -> None:
    cluster.settings.tls.mkdir()
    (cluster.settings.tls / "ca.crt").write_text("authority")
    meta = {"name": "default", "namespace": "ns"}
    cluster.store.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    cluster.pod()
    await cluster.until_ready()
    env = cluster.kubelet.exec_context(cluster.get("Pod", "p"), "app").env
    assert cluster.settings.api_url in text(env["KUBECONFIG"])
    assert mode(env["KUBECONFIG"]) == 0o600
    cluster.pod("without", automountServiceAccountToken=False)
    await cluster.until_ready("without")
    assert "KUBECONFIG" not in cluster.kubelet.exec_context(cluster.get("Pod", "without"), "app").env


def shell(name: str, script: str, **more: object) -> Obj:
    return {"name": name, "image": "sh:1", "command": ["sh", "-c", script], **more}


@live
async def test_init_containers_run_one_after_the_other(cluster: Cluster) -> None:
    cluster.build("FROM x", tag="sh:1")
    cluster.pod(
        volumes=[{"name": "v", "emptyDir": {}}],
        volumeMounts=[{"name": "v", "mountPath": "/work"}],
        env={"WORK": "/work"},
        initContainers=[
            shell("one", "echo one >> work/log", volumeMounts=[{"name": "v", "mountPath": "/work"}]),
            shell("two", "echo two >> work/log", volumeMounts=[{"name": "v", "mountPath": "/work"}]),
        ],
    )
    await cluster.until_ready()
    assert (cluster.folder() / ".volumes" / "v" / "log").read_text() == "one\ntwo\n"
    statuses = cluster.get("Pod", "p")["status"]["initContainerStatuses"]
    assert [entry["state"]["terminated"]["reason"] for entry in statuses] == ["Completed", "Completed"]
    assert cluster.log("p", "one") == ""


@live
async def test_a_failing_init_container(cluster: Cluster) -> None:
    cluster.build("FROM x", tag="sh:1")
    cluster.pod("once", restartPolicy="Never", initContainers=[shell("bad", "exit 4")])
    await cluster.until_phase("Failed", "once")
    assert "waiting" in cluster.status("once")["state"]
    cluster.pod("again", initContainers=[shell("bad", "exit 4")])
    cluster.sleeps.hold = True
    await cluster.until(lambda: cluster.sleeps.asked, "the back-off of the init container")
    pod = cluster.get("Pod", "again")
    assert pod["status"]["phase"] == "Pending"
    assert cluster.status("again")["state"]["waiting"]["reason"] == "PodInitializing"


@live
async def test_native_sidecars_outlive_the_application_and_end_with_it(cluster: Cluster) -> None:
    cluster.build("FROM x", tag="sh:1")
    cluster.pod(
        image="sh:1", command=["sh", "-c", "sleep 0.2"], ports=[], readinessProbe=None, restartPolicy="Never",
        initContainers=[shell("helper", "while :; do sleep 0.05; done", restartPolicy="Always")],
    )  # fmt: skip
    await cluster.until_phase("Succeeded")
    await cluster.until(lambda: processes.marked(f"{cluster.home}:") == [], "the helper to end")


@live
async def test_pods_that_end(cluster: Cluster) -> None:
    cluster.build("FROM x", tag="sh:1")
    rest: dict[str, Any] = {"image": "sh:1", "ports": [], "readinessProbe": None}
    cluster.pod("good", command=["true"], restartPolicy="Never", **rest)
    cluster.pod("bad", command=["sh", "-c", "echo why >&2; exit 3"], restartPolicy="Never",
                terminationMessagePolicy="FallbackToLogsOnError", **rest)  # fmt: skip
    cluster.pod("retried", command=["sh", "-c", "test -e $HOME/seen || { touch $HOME/seen; exit 1; }"],
                restartPolicy="OnFailure", **rest)  # fmt: skip
    await cluster.until_phase("Succeeded", "good")
    await cluster.until_phase("Failed", "bad")
    await cluster.until_phase("Succeeded", "retried")
    assert cluster.status("bad")["state"]["terminated"]["message"] == "why\n"
    assert cluster.status("retried")["restartCount"] == 1
    assert condition(cluster.get("Pod", "good"), "Ready")["reason"] == "PodCompleted"  # type: ignore[index]
    assert cluster.log("bad") == "why\n"


@live
async def test_a_deadline_ends_a_pod(cluster: Cluster) -> None:
    cluster.pod(activeDeadlineSeconds=1)
    await cluster.until_phase("Failed")
    assert cluster.get("Pod", "p")["status"]["reason"] == "DeadlineExceeded"
    assert processes.marked(f"{cluster.home}:") == []


@live
async def test_a_folder_that_cannot_be_written_is_the_pods_trouble_only(cluster: Cluster) -> None:
    cluster.pod("well")
    await cluster.until_ready("well")
    pod = cluster.pod("ill")
    (cluster.home / "pods" / uid_of(pod)).write_text("in the way")
    await cluster.until(lambda: "Failed" in cluster.reasons("ill"))
    await cluster.until_waiting("CreateContainerError", "ill")
    assert await cluster.ask("well") == (200, "")


def test_folders_are_private(cluster: Cluster) -> None:
    @live
    async def run(cluster: Cluster) -> None:
        cluster.pod()
        await cluster.until_ready()
        assert cluster.folder().stat().st_mode & 0o777 == 0o700
        assert cluster.kubelet.log_file(cluster.get("Pod", "p"), "app", False).stat().st_mode & 0o077 == 0

    run(cluster)


@pytest.mark.parametrize("name", ["app", "other"])
def test_exec_context_of_what_does_not_run(cluster: Cluster, name: str) -> None:
    @live
    async def run(cluster: Cluster) -> None:
        pod = cluster.pod(image="not-built:1")
        await cluster.until(lambda: cluster.kubelet.pod_endpoints())
        with pytest.raises(LookupError, match=name):
            cluster.kubelet.exec_context(pod, name)

    run(cluster)


@live
async def test_where_a_port_is_to_be_reached(cluster: Cluster) -> None:
    pod = cluster.pod()
    with pytest.raises(LookupError, match="does not run"):
        cluster.kubelet.port_address(pod, 8000)
    await cluster.until_ready()
    assert cluster.kubelet.port_address(pod, 8000) == ("127.0.0.1", cluster.port("p"))
    with pytest.raises(LookupError, match="port 8001"):
        cluster.kubelet.port_address(pod, 8001)


def text(path: str | Path) -> str:
    return Path(path).read_text()


def mode(path: str | Path) -> int:
    return Path(path).stat().st_mode & 0o777


def _log(cluster: Cluster) -> str:
    path = cluster.kubelet.log_file(cluster.get("Pod", "p"), "app", False)
    return path.read_text() if path.exists() else ""
