"""tools/wait.sh shows what is missing when the bound is hit."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import StandIns


def test_ready(standins: StandIns, checkout: Path) -> None:
    done = standins.run("tools/wait.sh", "cmpt756db", "cmpt756s2-v2", cwd=checkout)
    assert done.returncode == 0
    assert standins.calls == [
        "kubectl -n c756ns rollout status --timeout=180s deployment/cmpt756db deployment/cmpt756s2-v2"
    ]


def test_not_ready(standins: StandIns, checkout: Path) -> None:
    standins.answer("rollout status", "error: timed out waiting for the condition\n", 1)
    standins.answer("--watch=false", "Waiting for deployment ...\n")
    standins.answer("cmpt756db --watch=false", 'deployment "cmpt756db" successfully rolled out\n')
    standins.answer("get deployment cmpt756s2-v2 -o go-template", "app=cmpt756s2,version=v2,")
    standins.answer("get pods -l app=cmpt756s2,version=v2 -o wide", "cmpt756s2-v2-1 1/2 CrashLoopBackOff\n")
    standins.answer("get pods .* -o name", "pod/old\npod/new\n")
    standins.answer("logs pod/new -c cmpt756s2", "SyntaxError\n")
    standins.answer("get events", "BackOff\n")
    done = standins.run("tools/wait.sh", "cmpt756db", "cmpt756s2-v2", cwd=checkout, env={"WAIT": "5"})
    assert done.returncode != 0
    for text in ("cmpt756s2-v2 is not ready", "CrashLoopBackOff", "SyntaxError", "BackOff", "within 5 s"):
        assert text in done.stderr
    assert "cmpt756db is not ready" not in done.stderr


def test_a_new_pod_that_crashes_ends_the_wait(standins: StandIns, checkout: Path) -> None:
    """It says why within seconds: with the log of the pod that crashed, not of the one that still serves."""
    owned = {"annotations": {"deployment.kubernetes.io/revision": "2"}, "uid": "rs", "ownerReferences": [{"uid": "d"}]}
    crash = {"name": "cmpt756s2", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    items = [
        {
            "kind": "Deployment",
            "metadata": {"name": "cmpt756s2-v2", "uid": "d", "generation": 2},
            "status": {"observedGeneration": 2},
        },
        {"kind": "ReplicaSet", "metadata": owned},
        {
            "kind": "Pod",
            "metadata": {"name": "s2-new", "ownerReferences": [{"uid": "rs"}]},
            "status": {"containerStatuses": [crash]},
        },
    ]
    endless = standins.folder / "kubectl"
    standin = standins.folder / "kubectl-answers"
    endless.rename(standin)
    endless.write_text(f'#!/bin/sh\ncase "$*" in *--timeout=*) exec sleep 100 ;; esac\nexec {standin} "$@"\n')
    endless.chmod(0o755)
    standins.answer("get deployments,replicasets,pods", json.dumps({"items": items}))
    standins.answer("logs s2-new -c cmpt756s2 --previous", "RuntimeError: broken\n")
    standins.answer("availableReplicas", "1")
    done = standins.run("tools/wait.sh", "cmpt756s2-v2", cwd=checkout)
    assert done.returncode == 1
    for text in ("s2-new", "CrashLoopBackOff", "RuntimeError: broken", "serves on", "rollout undo", "gave up"):
        assert text in done.stderr
