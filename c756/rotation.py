"""A new key for the tokens, while requests go on: `make -f k8s.mak secrets ROTATE=1`.

1. The new key is put beside the one in use (`jwt-secret-next`), and the pods are restarted: all of them accept it.
2. It takes the place of the one in use, which joins the old ones (`jwt-secrets-old`), and the pods are restarted: they
   sign with it, and accept an old key until tokens that were signed with it are over.

At any moment each pod accepts what any other, or tools/token.sh, signs with. Whoever is interrupted runs it again.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from typing import Any

from c756 import kubectl
from c756.kubectl import NAMESPACE
from c756.secret import auth
from c756.trouble import Trouble

VERIFIERS = "app in (cmpt756s1, cmpt756s2)"
_NEXT, _OLD = "jwt-secret-next", "jwt-secrets-old"
_MOST = 366 * 24 * 3600  # seconds, the longest life of a token (servicekit.config)
_LATE = 600  # seconds in which pods may still sign with a key that was replaced: they are being restarted
_PATIENCE = "120s"


def rotate() -> None:
    """Does both steps in the current cluster. Raises Trouble."""
    held = _read()
    deployments = _verifiers()
    new = held.get(_NEXT) or auth({})["jwt-secret"]
    print("1. every pod is to accept the new key", flush=True)
    _write({_NEXT: new})
    _restart(deployments)
    now = int(time.time())
    old = {key: replaced for key, replaced in json.loads(held.get(_OLD, "{}")).items() if replaced > now - _MOST}
    old[held["jwt-secret"]] = now + _LATE
    print("2. every pod is to sign with it, and to accept the old one until its tokens have ended", flush=True)
    _write({"jwt-secret": new, _OLD: json.dumps(old)}, gone=_NEXT)
    _restart(deployments)
    print("the key is another one; whoever has a token keeps it")


def _secret() -> Any:
    return json.loads(kubectl.ask("-n", NAMESPACE, "get", "secret", "c756-auth", "-o", "json"))


def _read() -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in _secret()["data"].items()}


def _write(values: dict[str, str], gone: str = "") -> None:
    """Changes these of the Secret; two who rotate at the same time get a conflict."""
    secret = _secret()
    secret["data"] |= {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    secret["data"].pop(gone, None)
    kubectl.ask("replace", "-f", "-", piped=json.dumps(secret))


def _verifiers() -> list[str]:
    """The Deployments that verify tokens. Raises Trouble where one of them would not hear of a new key."""
    found = json.loads(kubectl.ask("-n", NAMESPACE, "get", "deployments", "-l", VERIFIERS, "-o", "json"))["items"]
    for deployment in found:
        if _NEXT not in json.dumps(deployment["spec"]["template"]["spec"]["containers"]):
            name = deployment["metadata"]["name"]
            raise Trouble(f"{name} takes no second key: it is of an older version", "make -f k8s.mak deploy")
    return [deployment["metadata"]["name"] for deployment in found]


def _restart(deployments: list[str]) -> None:
    """Returns when no pod from before is left."""
    if not deployments:
        return
    before = kubectl.ask("-n", NAMESPACE, "get", "pods", "-l", VERIFIERS, "-o", "name").split()
    kubectl.ask("-n", NAMESPACE, "rollout", "restart", *(f"deployment/{name}" for name in deployments))
    if subprocess.run(("tools/wait.sh", *deployments), cwd=kubectl.ROOT).returncode != 0:
        raise Trouble("the key was not rotated to the end (see above)", "Mend that, and run this again")
    if before:
        kubectl.ask("-n", NAMESPACE, "wait", "--for=delete", f"--timeout={_PATIENCE}", *before)
