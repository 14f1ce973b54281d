"""tools/wait.sh shows what is missing when the bound is hit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import StandIns


def test_ready(standins: StandIns, checkout: Path) -> None:
    done = standins.run("tools/wait.sh", "cmpt756db", "cmpt756s2-v2", cwd=checkout)
    assert done.returncode == 0
    assert standins.calls == [
        "kubectl config current-context",
        "kubectl get --raw /version --request-timeout=20s",
        "kubectl -n c756ns rollout status --timeout=180s deployment/cmpt756db deployment/cmpt756s2-v2"
    ]


OWNED = {"annotations": {"deployment.kubernetes.io/revision": "2"}, "uid": "rs", "ownerReferences": [{"uid": "d"}]}


def objects(container: dict[str, Any], **status: Any) -> str:
    """What kubectl says of Deployment cmpt756s2-v2 whose new pod is not ready."""
    items = [
        {
            "kind": "Deployment",
            "metadata": {"name": "cmpt756s2-v2", "uid": "d", "generation": 2},
            "status": {"observedGeneration": 2},
        },
        {"kind": "ReplicaSet", "metadata": OWNED},
        {
            "kind": "Pod",
            "metadata": {"name": "s2-new", "ownerReferences": [{"uid": "rs"}]},
            "status": {"containerStatuses": [container], **status},
        },
    ]
    return json.dumps({"items": items})


def test_not_ready(standins: StandIns, checkout: Path) -> None:
    """When the bound is hit: one line on what is not ready, and nothing on what is."""
    unready = {"type": "ContainersReady", "status": "False", "message": "containers with unready status: [cmpt756s2]"}
    container = {"name": "cmpt756s2", "restartCount": 0, "state": {"running": {}}}
    standins.answer("rollout status", "error: timed out waiting for the condition\n", 1)
    standins.answer("get deployments,replicasets,pods", objects(container, conditions=[unready]))
    done = standins.run("tools/wait.sh", "cmpt756s2-v2", cwd=checkout, env={"WAIT": "5"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "cmpt756s2-v2: pod s2-new: containers with unready status: [cmpt756s2]. Look whether its probes can pass. "
        "More: kubectl -n c756ns describe pod s2-new",
        "wait.sh: not everything became ready within 5 s",
    ]


def test_a_new_pod_that_crashes_ends_the_wait(standins: StandIns, checkout: Path) -> None:
    """It says why within seconds, in one line: by the log of the pod that crashed, not of the one that still serves."""
    crash = {"name": "cmpt756s2", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    endless = standins.folder / "kubectl"
    standin = standins.folder / "kubectl-answers"
    endless.rename(standin)
    endless.write_text(f'#!/bin/sh\ncase "$*" in *--timeout=*) exec sleep 100 ;; esac\nexec {standin} "$@"\n')
    endless.chmod(0o755)
    standins.answer("get deployments,replicasets,pods", objects(crash))
    standins.answer("logs s2-new -c cmpt756s2 --tail=200 --previous", "Traceback\n  x\nRuntimeError: broken\nbye\n")
    standins.answer("availableReplicas", "1")
    done = standins.run("tools/wait.sh", "cmpt756s2-v2", cwd=checkout)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "cmpt756s2-v2: pod s2-new, container cmpt756s2: ended with exit code ? (3 times): RuntimeError: broken. "
        "Mend it and deploy again. More: kubectl -n c756ns logs s2-new -c cmpt756s2 --previous",
        "What ran before serves on. Mend it and deploy again, or go back: "
        "kubectl -n c756ns rollout undo deployment/cmpt756s2-v2",
        "wait.sh: gave up: waiting does not help",
    ]
