"""How to reach the Kubernetes API: KUBECONFIG, a pod's service account, or ~/.kube/config, as kubectl does."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from graph.errors import GraphError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PROXY = "kubectl knows how: run `kubectl proxy --port 8001` beside it and set KUBERNETES_URL=http://127.0.0.1:8001"


@dataclass(frozen=True)
class Access:
    """An API server and what it wants to see. `ca`: path of a CA file, True for the system's, False for no check."""

    server: str
    ca: str | bool = True
    token: str | None = None
    token_file: Path | None = None  # read anew from time to time: Kubernetes renews it
    client_certificate: tuple[str, str] | None = None
    proxy: str | None = None


def unreachable(message: str, cure: str) -> GraphError:
    return GraphError(503, "kubernetesUnreachable", message, cure)


def find(env: Mapping[str, str], url: str | None, scratch: Path) -> Access:
    """The API to use. `scratch`: a private folder for certificates that stand inside the kubeconfig.

    Raises GraphError (kubernetesUnreachable) if there is none, or if it needs a log-in that only kubectl can do.
    """
    if url:
        return Access(url)
    if env.get("KUBECONFIG"):
        files = [Path(part) for part in env["KUBECONFIG"].split(os.pathsep) if part]
        return read(files, scratch)
    if env.get("KUBERNETES_SERVICE_HOST") and (ACCOUNT / "token").exists():
        return in_cluster(env)
    home = Path(env.get("HOME", str(Path.home()))) / ".kube" / "config"
    if home.exists():
        return read([home], scratch)
    raise unreachable(
        "There is no kubeconfig (KUBECONFIG, ~/.kube/config) and no service account.",
        "Run it where kubectl works, or set KUBECONFIG.",
    )


def in_cluster(env: Mapping[str, str], account: Path = ACCOUNT) -> Access:
    host, port = env["KUBERNETES_SERVICE_HOST"], env.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Access(f"https://{host}:{port}", ca=str(account / "ca.crt"), token_file=account / "token")


def read(files: list[Path], scratch: Path) -> Access:
    """The current context of kubeconfig files; the first file that names a thing wins."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}}
    current = ""
    for file in files:
        try:
            content = yaml.safe_load(file.read_text()) or {}
        except FileNotFoundError:
            continue  # as kubectl does
        except (OSError, yaml.YAMLError) as error:
            raise unreachable(f"{file} cannot be read: {error}.", "Correct KUBECONFIG or the file.") from error
        current = current or content.get("current-context") or ""
        for kind, singular in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for entry in content.get(kind) or ():
                merged[kind].setdefault(entry["name"], _absolute(entry.get(singular) or {}, file.parent))
    names = " or ".join(str(file) for file in files)
    if not current or current not in merged["contexts"]:
        cure = "Start a cluster (pocket: make up), or choose one: kubectl config use-context NAME"
        raise unreachable(f"{names} has no current context.", cure)
    context = merged["contexts"][current]
    cluster = merged["clusters"].get(context.get("cluster"))
    if not cluster or not cluster.get("server"):
        raise unreachable(f"The context {current} names no cluster.", f"Correct {names}.")
    return _access(current, cluster, merged["users"].get(context.get("user"), {}), scratch)


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """File names in a kubeconfig are relative to it."""
    for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        if entry.get(key):
            entry[key] = str(folder / entry[key])
    return entry


def _access(context: str, cluster: dict[str, Any], user: dict[str, Any], scratch: Path) -> Access:
    for key, what in (("exec", "a plugin"), ("auth-provider", "an auth provider"), ("username", "a password")):
        if user.get(key):
            raise unreachable(f"The context {context} logs in with {what}, which the graph does not run.", _PROXY)
    ca: str | bool = not cluster.get("insecure-skip-tls-verify", False)
    if ca:
        ca = _file(cluster, "certificate-authority", scratch) or True
    certificate, key_file = _file(user, "client-certificate", scratch), _file(user, "client-key", scratch)
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        ca=ca,
        token=user.get("token"),
        token_file=Path(user["tokenFile"]) if user.get("tokenFile") and not user.get("token") else None,
        client_certificate=(certificate, key_file) if certificate and key_file else None,
        proxy=cluster.get("proxy-url"),
    )


def _file(entry: dict[str, Any], key: str, folder: Path) -> str | None:
    """The path of a certificate or key; one that stands in the kubeconfig itself is written to the folder."""
    data = entry.get(f"{key}-data")
    if not data:
        return entry.get(key)
    path = folder / f"{key}.pem"
    path.touch(mode=0o600)
    path.write_bytes(base64.b64decode(data))
    return str(path)
