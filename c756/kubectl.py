"""kubectl, as the make targets and the scripts use it: which cluster is meant, and does it answer?

Everything that is asked raises Trouble instead of leaving a hole: "no answer" is never taken for "nothing there".
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from c756.trouble import Trouble

ROOT = Path(__file__).resolve().parents[1]
NAMESPACE = "c756ns"
POCKET = "pocket"
"""The context of the cluster on this machine."""
_PATIENCE = "20s"
_NO_CONTEXT = "current-context is not set"
_NOISE = "memcache.go"  # kubectl repeats a failed discovery in lines like "E1124 20:40:40.152966 ... memcache.go:265]"


def use_the_projects() -> None:
    """Puts the kubectl of tools/setup.sh before the machine's, which may be missing or too old (as tools/lib.sh)."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("C756_BIN") or str(ROOT / ".cache/bin"), os.environ["PATH"]])


def run(*arguments: str, piped: str | None = None) -> subprocess.CompletedProcess[str]:
    """What came of a call. Raises Trouble where there is no kubectl."""
    try:
        return subprocess.run(["kubectl", *arguments], input=piped, text=True, capture_output=True, check=False)
    except FileNotFoundError:
        raise _no_kubectl() from None


def ask(*arguments: str, piped: str | None = None) -> str:
    """The output of a call. Raises Trouble if it fails, for whatever reason."""
    done = run(*arguments, piped=piped)
    if done.returncode != 0:
        require()  # that nobody answers is the better explanation
        raise Trouble(said(done))
    return done.stdout


def said(done: subprocess.CompletedProcess[str]) -> str:
    """kubectl's own words for what went wrong."""
    lines = [line for line in done.stderr.splitlines() if line.strip() and _NOISE not in line]
    return "\n".join(lines) or f"kubectl ended with {done.returncode} and gave no reason"


def context() -> str:
    """The current context's name. Raises Trouble where there is none, or where the kubeconfig cannot be read."""
    if shutil.which("kubectl") is None:
        raise _no_kubectl()
    done = run("config", "current-context")
    name = done.stdout.strip()
    if done.returncode == 0 and name:
        return name
    if _NO_CONTEXT in done.stderr or done.returncode == 0:
        raise Trouble(
            "kubectl has no current context. Start a cluster first: make up (pocket), make -f eks.mak start, ..."
        )
    raise Trouble(
        f"kubectl cannot read its kubeconfig: {said(done)}",
        "Mend that file, or move it away, or name another in KUBECONFIG",
    )


def require() -> str:
    """The current context's name, once its cluster has answered. Raises Trouble."""
    name = context()
    done = run("get", "--raw", "/version", f"--request-timeout={_PATIENCE}")
    if done.returncode != 0:
        raise Trouble(
            f'the cluster of context "{name}" cannot be asked: {said(done)}',
            "Start it (pocket: make up), or choose another: kubectl config use-context NAME",
        )
    return name


def shown() -> str:
    """One line on the cluster that is meant, whether it answers or not. Raises Trouble."""
    name = context()
    server = run("config", "view", "--minify", "--output=jsonpath={.clusters[0].cluster.server}")
    if server.returncode != 0:
        raise Trouble(f'the kubeconfig has a current context "{name}" and no such context: {said(server)}')
    return f"context {name}, cluster at {server.stdout.strip()}"


def _no_kubectl() -> Trouble:
    return Trouble("there is no kubectl on this machine. make setup puts one into .cache/bin")
