"""tools/wait.sh shows what is missing when the bound is hit."""

from __future__ import annotations

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
    standins.answer("get pods -l app=cmpt756s2", "cmpt756s2-v2-1 1/2 CrashLoopBackOff\n")
    standins.answer("logs deployment/cmpt756s2-v2 -c cmpt756s2", "SyntaxError\n")
    standins.answer("get events", "BackOff\n")
    done = standins.run("tools/wait.sh", "cmpt756db", "cmpt756s2-v2", cwd=checkout, env={"WAIT": "5"})
    assert done.returncode != 0
    for text in ("cmpt756s2-v2 is not ready", "CrashLoopBackOff", "SyntaxError", "BackOff", "within 5 s"):
        assert text in done.stderr
    assert "cmpt756db is not ready" not in done.stderr
