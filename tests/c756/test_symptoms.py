"""What holds a pod up: on objects as a real cluster writes them (kubelet and scheduler of 1.32) and as pocket does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from c756 import symptoms as module
from c756.symptoms import crash, reason_in, symptoms, with_cure

IMAGE = "ghcr.io/someone/cmpt756s2:v2"


def pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "p"}, "status": {"containerStatuses": list(containers), **status}}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "s2", "image": IMAGE, "restartCount": 0, "state": state, **more}


def crashing(restarts: int, **ended: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 1, "reason": "Error", **ended}}
    return waiting("CrashLoopBackOff", "back-off 20s ...", restartCount=restarts, lastState=last)


NO_IMAGE = (
    f'Back-off pulling image "{IMAGE}": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack '
    f'image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
)
BEFORE_1_32 = f'Back-off pulling image "{IMAGE}"'
NO_NETWORK = f'failed to pull image "{IMAGE}": dial tcp: lookup ghcr.io on 10.0.0.10:53: server misbehaving'
NOT_BUILT = f'image "{IMAGE}" has not been built. Build it from its Dockerfile: python -m pocket build -t {IMAGE}'
NO_PROGRAM = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
    'error during container init: exec: "gunicornx": executable file not found in $PATH'
)
NO_ROOM = "0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available."


@pytest.mark.parametrize(
    ("container", "says", "cure", "hopeless"),
    [
        pytest.param(waiting("ImagePullBackOff", NO_IMAGE), "not found", "pushed by that name", True, id="no image"),
        pytest.param(waiting("ErrImagePull", NO_NETWORK), "misbehaving", "pushed by", False, id="no network"),
        pytest.param(waiting("ImagePullBackOff", BEFORE_1_32), IMAGE, "", False, id="before 1.32"),
        pytest.param(waiting("ImagePullBackOff", NOT_BUILT), "built. Build it", "", True, id="pocket: no image"),
        pytest.param(waiting("InvalidImageName", "couldn't parse it"), "couldn't parse it", "", True, id="no name"),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "c756-auth" not found'),
            'secret "c756-auth" not found', "Make it", True, id="no Secret",
        ),
        pytest.param(waiting("RunContainerError", NO_PROGRAM), "gunicornx", "mend the command", True, id="no program"),
        pytest.param(
            waiting("CreateContainerError", "[Errno 28] No space left on device: '/x'"), "No space", "Make room", True,
            id="pocket: disk",
        ),
        pytest.param(
            waiting("CreateContainerError", "context deadline exceeded"), "deadline", "", False, id="a busy machine"
        ),
        pytest.param(crashing(2), "ended with exit code 1 (3 times)", "", True, id="crashes"),
        pytest.param(crashing(1), "ended with exit code 1 (2 times)", "", False, id="one may be bad luck"),
        pytest.param(crashing(2, reason="OOMKilled"), "ran out of memory (3 times)", "", True, id="memory"),
        pytest.param(
            crashing(2, reason="StartError", message=NO_PROGRAM), "could not be started", "mend the command", True,
            id="no program, again",
        ),
        pytest.param(
            crashing(2, message="Traceback (most recent call last):\n  x\nKeyError: 'A'\n"), "KeyError: 'A'", "", True,
            id="its last words",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_waits(container: dict[str, Any], says: str, cure: str, hopeless: bool, field: str) -> None:
    found = symptoms(pod({"name": "istio-proxy", "state": {"running": {}}}, **{field: [container]}))
    (only,) = found
    assert (only.container, only.hopeless) == ("s2", hopeless)
    assert says in only.what
    assert cure in only.cure
    assert "\n" not in only.what


def test_no_node_takes_it() -> None:
    """Not hopeless: an autoscaler may add one."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}
    (only,) = symptoms(pod(conditions=[condition]))
    assert only.what == f"no node takes it: {NO_ROOM.rstrip('.')}"
    assert "add a node" in only.cure
    assert not only.hopeless


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_pod_that_comes_up(reason: str) -> None:
    assert symptoms(pod(waiting(reason))) == []
    assert symptoms({"metadata": {"name": "p"}}) == []


def test_a_pod_that_goes_away() -> None:
    leaving = pod(crashing(9))
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert symptoms(leaving) == []


ENVOY = """[2026-11-29 03:00:00.000][17][info][main] [source/server/server.cc:432] initializing epoch 0
[2026-11-29 03:00:00.001][17][critical][assert] [source/x.cc:20] assert failure: inotify_fd_ >= 0. Details: Consider \
increasing value of user.max_inotify_watches via sysctl
[2026-11-29 03:00:00.002][17][critical][backtrace] [./signal.h:129] Caught Aborted, suspect faulting address 0x1
[2026-11-29 03:00:00.003][17][critical][backtrace] [./signal.h:113] Backtrace (use tools/stack_decode.py):
""" + "".join(f"[2026-11-29 03:00:00.003][17][critical][backtrace] [./signal.h:121] #{n}: [0x55]\n" for n in range(20))
GUNICORN = "\n".join(
    [
        json.dumps({"level": "info", "message": "Booting worker"}),
        json.dumps(
            {
                "level": "error",
                "message": "Exception in worker",
                "exception": "Traceback:\n  x\nImportError: No module x",
            }
        ),
        "No module x",
        json.dumps({"level": "error", "message": "Reason: Worker failed to boot."}),
    ]
)
PLAIN = "[2026-11-29] [7] [INFO] Starting\n[2026-11-29] [7] [ERROR] Connection in use: ('127.0.0.1', 80)\nbye\n"
THROWN = (
    'Traceback (most recent call last):\n  File "a.py", line 1\n    x()\nOSError: [Errno 98] Address already in use\n'
)


@pytest.mark.parametrize(
    ("log", "line", "cure"),
    [
        pytest.param(ENVOY, "assert failure: inotify_fd_ >= 0. Details:", "max_user_instances=1024", id="Envoy"),
        pytest.param(GUNICORN, "ImportError: No module x", "", id="a worker"),
        pytest.param(PLAIN, "Connection in use: ('127.0.0.1', 80)", "", id="an error"),
        pytest.param(THROWN, "OSError: [Errno 98] Address already in use", "ss -ltnp", id="a port"),
        pytest.param("one\ntwo\n\n", "two", "", id="the last line"),
        pytest.param("", "", "", id="nothing"),
    ],
)
def test_the_line_of_a_log_that_says_why(log: str, line: str, cure: str) -> None:
    found = reason_in(log)
    assert found.startswith(line) if line else found == ""
    assert cure in with_cure(found)
    assert "backtrace" not in found.lower()


def test_one_line_and_not_too_long() -> None:
    assert with_cure("Error: a\n  b") == "Error: a b"
    assert with_cure("OSError: No space left on device.").endswith("No space left on device. Make room on the disk")
    assert len(reason_in(f"Error: {'x' * 5000}")) == module._LONGEST
    assert crash({"exitCode": 3}, 1, "why") == "ended with exit code 3: why"
