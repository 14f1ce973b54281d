"""One container: its starts, probes, hooks, crashes, as real processes."""

import base64
import json
import threading
import time
from functools import partial
from pathlib import Path
from unittest import mock

from c756.symptoms import symptoms
from pocket import logtimes, processes
from pocket.objects import is_ready
from tests.pocket.cluster import NAMESPACE, Cluster, live


@live
async def test_hooks(cluster: Cluster) -> None:
    cluster.pod(
        lifecycle={
            "postStart": {"exec": {"command": ["sh", "-c", "echo $WORD > started"]}},
            "preStop": {"exec": {"command": ["sh", "-c", f"cp started {cluster.home}/stopped"]}},
        },
        env={"WORD": "hook"},
    )
    await cluster.until_ready()
    assert (cluster.folder() / "app" / "rootfs" / "code" / "started").read_text() == "hook\n"
    cluster.delete("p")
    await cluster.until_gone()
    assert (cluster.home / "stopped").read_text() == "hook\n"


@live
async def test_a_failed_hook_is_told(cluster: Cluster) -> None:
    cluster.pod(lifecycle={"preStop": {"exec": {"command": ["false"]}}})
    await cluster.until_ready()
    cluster.delete("p")
    await cluster.until_gone()
    assert "FailedPreStopHook" in cluster.reasons("p")


@live
async def test_crashes_restarts_and_back_off(cluster: Cluster) -> None:
    cluster.pod()
    for count in range(1, 5):
        await cluster.until_ready()
        await cluster.crash(code=count)
        await cluster.until_restarted(count)
    await cluster.until_ready()
    assert cluster.sleeps.asked == [10, 20, 40]
    status = cluster.status()
    assert status["lastState"]["terminated"]["exitCode"] == 4
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert "BackOff" in cluster.reasons("p")
    assert cluster.log(previous=True).startswith("serving")
    logs = sorted(path.name for path in (cluster.folder() / "app").glob("*.log"))
    assert logs == ["3.log", "4.log"]  # as with kubelet: the present run's and the one's before


def noted(log: Path) -> str:
    times = logtimes.times_of(log)
    return times.read_text() if times.exists() else ""


@live
async def test_log_lines_have_times(cluster: Cluster) -> None:
    before = time.time() - 0.01  # file systems' clocks tick more coarsely
    script = 'echo one; while [ ! -e go ]; do sleep 0.05; done; date +%s.%N >moment; echo two; exit 3'
    cluster.pod(command=["sh", "-c", script], readinessProbe=None, restartPolicy="Never")
    folder = cluster.folder() / "app"
    await cluster.until(lambda: "4 " in noted(folder / "0.log"))
    (folder / "rootfs" / "code" / "go").touch()
    await cluster.until_phase("Failed")
    begun, one, two = (note.until for note in logtimes.read(folder / "0.log"))
    said = float((folder / "rootfs" / "code" / "moment").read_text())
    assert before <= begun <= one + 0.01
    assert one <= said
    assert abs(two - said) < 5


@live
async def test_a_fresh_copy_for_each_start(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    stray = cluster.folder() / "app" / "rootfs" / "code" / "stray"
    stray.touch()
    await cluster.crash()
    await cluster.until(lambda: cluster.status().get("restartCount") == 1 and is_ready(cluster.get("Pod", "p")))
    assert not stray.exists()


@live
async def test_while_it_backs_off(cluster: Cluster) -> None:
    cluster.sleeps.hold = True
    cluster.build('FROM x\nCMD ["sh", "-c", "echo no; exit 3"]', tag="bad:1")
    cluster.pod(image="bad:1")
    await cluster.until_waiting("CrashLoopBackOff")
    assert cluster.sleeps.asked == [10]
    status = cluster.status()
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=app pod=p_test(")
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert cluster.get("Pod", "p")["status"]["phase"] == "Running"
    cluster.delete("p")
    await cluster.until_gone()


@live
async def test_readiness_comes_and_goes(cluster: Cluster) -> None:
    get = {"path": "/unready", "port": "http"}
    cluster.pod(readinessProbe={"httpGet": get, "periodSeconds": 1, "failureThreshold": 1})
    await cluster.until_ready()
    flag = cluster.folder() / "app" / "rootfs" / "code" / "unready"
    flag.touch()
    await cluster.until(lambda: not is_ready(cluster.get("Pod", "p")), "the pod to be unready")
    assert cluster.status()["restartCount"] == 0
    assert [entry.ready for entry in cluster.kubelet.pod_endpoints()] == [False]
    assert "Unhealthy" in cluster.reasons("p")
    flag.unlink()
    await cluster.until_ready()


@live
async def test_liveness_restarts(cluster: Cluster) -> None:
    cluster.pod(livenessProbe={"httpGet": {"path": "/dead", "port": 8000}, "periodSeconds": 1})
    await cluster.until_ready()
    (cluster.folder() / "app" / "rootfs" / "code" / "dead").touch()
    await cluster.until_restarted(1)
    await cluster.until_ready()
    messages = [event["message"] for event in cluster.store.list("Event", NAMESPACE)]
    assert "Container app failed liveness probe, will be restarted" in messages


@live
async def test_a_startup_probe_holds_the_others_back(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "-e", "begun"]}, "periodSeconds": 1, "failureThreshold": 30}
    cluster.pod(startupProbe=probe, readinessProbe=None)
    await cluster.until(lambda: "Unhealthy" in cluster.reasons("p"))
    assert cluster.status()["started"] is False
    assert not is_ready(cluster.get("Pod", "p"))
    (cluster.folder() / "app" / "rootfs" / "code" / "begun").touch()
    await cluster.until_ready()
    assert cluster.status()["started"] is True


@live
async def test_a_failed_startup_probe_restarts(cluster: Cluster) -> None:
    cluster.pod(startupProbe={"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1})
    await cluster.until(lambda: cluster.status().get("restartCount", 0) >= 1, "a restart")


@live
async def test_a_missing_image_is_found_when_it_is_built(cluster: Cluster) -> None:
    cluster.pod(image="new:1", env={"WORD": "new"})
    reason = "ErrImagePull", "ImagePullBackOff"
    await cluster.until(lambda: cluster.status().get("state", {}).get("waiting", {}).get("reason") in reason)
    message = cluster.status()["state"]["waiting"]["message"]
    assert 'image "new:1" has not been built' in message
    assert "pocket build -t new:1" in message
    assert cluster.get("Pod", "p")["status"]["phase"] == "Pending"
    cluster.build(tag="new:1")
    await cluster.until_ready()
    assert await cluster.ask() == (200, "new")


@live
async def test_a_rebuilt_tag_reaches_new_pods_only(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    old = cluster.status()["imageID"]
    cluster.build(dockerfile='FROM x\nWORKDIR /code\nCOPY app.py .\nENV WORD=two\nCMD ["python", "-S", "app.py"]')
    await cluster.crash()
    await cluster.until(lambda: cluster.status().get("restartCount") == 1 and is_ready(cluster.get("Pod", "p")))
    assert cluster.status()["imageID"] == old
    cluster.pod("second")
    await cluster.until_ready("second")
    assert cluster.status("second")["imageID"] != old
    assert await cluster.ask("second") == (200, "two")


@live
async def test_a_command_that_is_not_there(cluster: Cluster) -> None:
    cluster.pod(command=["no-such-program"], restartPolicy="Never")
    await cluster.until_phase("Failed")
    ended = cluster.status()["state"]["terminated"]
    assert ended["reason"] == "StartError"
    assert ended["message"] == 'exec: "no-such-program": executable file not found in $PATH'


# Each kind of what stops a pod: its words (a shell's, Python's, Envoy's), and what its event says.
ENVOY_WITHOUT_INOTIFY = r"""
echo '[2026-11-29 03:00:00.001][17][critical][assert] [source/x.cc:20] assert failure: inotify_fd_ >= 0. Details: more'
for i in 1 2 3 4 5 6 7 8 9; do echo '[2026-11-29 03:00:00.002][17][critical][backtrace] [./s.h:121] #1: [0x55]'; done
exit 134"""
PORT_IN_USE = r"""
echo 'Traceback (most recent call last):'; echo '  File "a.py", line 1, in <module>'
echo 'OSError: [Errno 98] Address already in use'; exit 1"""
KINDS = {
    "inotify": (ENVOY_WITHOUT_INOTIFY, "exit code 134: assert failure: inotify_fd_ >= 0.", "max_user_instances=1024"),
    "port": (PORT_IN_USE, "exit code 1: OSError: [Errno 98] Address already in use.", "ss -ltnp shows which"),
    "crash": ("echo 'KeyError: 1' >&2; echo bye; exit 3", "exit code 3: KeyError: 1", ""),
    "silent": ("exit 4", "ended with exit code 4", ""),
}


@live
async def test_what_stops_a_pod_is_said_in_its_event_in_one_line(cluster: Cluster) -> None:
    for kind, (script, _, _) in KINDS.items():
        cluster.pod(kind, command=["sh", "-c", script], readinessProbe=None, restartPolicy="Never")
    for kind, (_, says, cure) in KINDS.items():
        await cluster.until(partial(cluster.failures, kind))
        (said,) = cluster.failures(kind)
        assert said.startswith("Error: ended with exit code ")
        assert says in said
        assert cure in said
        assert "\n" not in said
        assert "backtrace" not in said


@live
async def test_what_cannot_be_made_is_said_with_its_cure(cluster: Cluster) -> None:
    cluster.pod(name="program", command=["no-such-program"], restartPolicy="Never")
    cluster.pod(name="image", image="nobody/built:1")
    cluster.pod(name="secret", env=[{"name": "W", "valueFrom": {"secretKeyRef": {"name": "s", "key": "word"}}}])
    says = {
        "program": "executable file not found in $PATH. The image has no such program: mend the command",
        "image": "has not been built. Build it from its Dockerfile: python -m pocket build",
        "secret": 'Error: secret "s" not found. Make it, and the pod goes on by itself',
    }
    for name, text in says.items():
        await cluster.until(partial(cluster.failures, name))
        assert text in cluster.failures(name)[0]
        assert "\n" not in cluster.failures(name)[0]
    await cluster.until(lambda: all(symptoms(cluster.get("Pod", name)) for name in ("image", "secret")))


@live
async def test_a_missing_secret_is_named_and_waited_for(cluster: Cluster) -> None:
    cluster.pod(env=[{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "word"}}}])
    await cluster.until_waiting("CreateContainerConfigError")
    assert cluster.status()["state"]["waiting"] == {
        "reason": "CreateContainerConfigError", "message": 'secret "s" not found',
    }  # fmt: skip
    cluster.create("Secret", "s", data={"word": base64.b64encode(b"hush").decode()})
    await cluster.until_ready()
    assert await cluster.ask() == (200, "hush")
    launch = cluster.folder() / "app" / "launch.json"
    assert launch.stat().st_mode & 0o777 == 0o600
    assert json.loads(launch.read_text())["env"]["WORD"] == "hush"


@live
async def test_who_has_ended_gets_no_more_requests_while_its_leftovers_are_looked_for(cluster: Cluster) -> None:
    cluster.pod()
    await cluster.until_ready()
    look_on = threading.Event()
    kill = processes.kill

    def slowly(process: processes.ProcessId) -> None:
        assert look_on.wait(60), "nobody let the search for leftovers go on"
        kill(process)

    with mock.patch("pocket.kubelet.container.processes.kill", slowly):
        try:
            await cluster.crash()
            await cluster.until(lambda: not is_ready(cluster.get("Pod", "p")), "the pod to be out of the endpoints")
            assert not any(entry.ready for entry in cluster.kubelet.pod_endpoints())
            assert cluster.status()["restartCount"] == 0
        finally:
            look_on.set()
        await cluster.until_restarted(1)
        await cluster.until_ready()
