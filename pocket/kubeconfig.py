"""The context `pocket` in the kubeconfig that kubectl uses: `start` puts it in, `stop` takes it out, like minikube."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pocket.files import write_private
from pocket.settings import CONTEXT

Config = dict[str, Any]
_BEFORE = "pocket/current-context-before"


class KubeconfigError(Exception):
    """A kubeconfig that cannot be read."""


def file_to_write(environ: Mapping[str, str] = os.environ) -> Path:
    """The file that a new context goes into.

    KUBECONFIG may list several: the first that exists, else the last; without it ~/.kube/config
    (https://kubernetes.io/docs/reference/kubectl/generated/kubectl_config/).
    """
    paths = [Path(entry).expanduser() for entry in environ.get("KUBECONFIG", "").split(os.pathsep) if entry]
    if not paths:
        return Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"
    return next((path for path in paths if path.exists()), paths[-1])


def check_writable(path: Path) -> None:
    """Raises KubeconfigError where the context could not be written there, or what is there cannot be read."""
    read(path)
    place = path.resolve()
    folder = next(parent for parent in (place.parent, *place.parents) if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        raise KubeconfigError(
            f"{path}: {folder} is not writable for you. Point KUBECONFIG at a file of yours, or mend its owner."
        )


def with_context(config: Config, server: str, authority: bytes, token: str) -> Config:
    """`config` with the context pocket in it, and made current. Which one was current before is kept in it."""
    before = config.get("current-context") or ""
    if before == CONTEXT:
        before = _before(config)
    config = without_context(config)
    config.setdefault("apiVersion", "v1")
    config.setdefault("kind", "Config")
    config.setdefault("preferences", {})
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    config["clusters"] = [*(config.get("clusters") or []), {"name": CONTEXT, "cluster": cluster}]
    config["users"] = [*(config.get("users") or []), {"name": CONTEXT, "user": {"token": token}}]
    config["contexts"] = [
        *(config.get("contexts") or []),
        {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, **_kept(before)}},
    ]
    config["current-context"] = CONTEXT
    return config


def without_context(config: Config) -> Config:
    """`config` without the context pocket; everything else stays as it is, and what was current before is so again."""
    config = dict(config)
    before = _before(config)
    for section in ("clusters", "users", "contexts"):
        if section in config:
            config[section] = [entry for entry in config[section] or [] if entry.get("name") != CONTEXT]
    if config.get("current-context") == CONTEXT:
        known = {entry.get("name") for entry in config.get("contexts") or []}
        config["current-context"] = before if before in known else ""
    return config


def _kept(before: str) -> dict[str, Any]:
    """An extension: kubectl keeps what it does not know (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/)."""
    return {"extensions": [{"name": _BEFORE, "extension": {"name": before}}]} if before else {}


def _before(config: Config) -> str:
    """Which context was current when pocket's was put in; empty if none was."""
    for entry in config.get("contexts") or []:
        for extension in (entry.get("context") or {}).get("extensions") or [] if entry.get("name") == CONTEXT else ():
            if extension.get("name") == _BEFORE:
                return str((extension.get("extension") or {}).get("name") or "")
    return ""


def server_of(config: Config) -> str | None:
    """The address that the context pocket points at, if there is one."""
    for entry in config.get("clusters") or []:
        if entry.get("name") == CONTEXT:
            return str(entry["cluster"].get("server"))
    return None


def authority_of(config: Config) -> bytes | None:
    """The authority that the context pocket trusts, if there is such a context."""
    for entry in config.get("clusters") or []:
        if entry.get("name") == CONTEXT:
            return base64.b64decode(entry["cluster"].get("certificate-authority-data", ""))
    return None


def read(path: Path) -> Config:
    """The kubeconfig in that file; an empty one where there is none. Raises KubeconfigError."""
    if not path.exists():
        return {}
    try:
        config = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path}: not YAML ({error}). Mend it, or point KUBECONFIG at another file.") from error
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig. Mend it, or point KUBECONFIG at another file.")
    return config


def install(path: Path, server: str, authority: bytes, token: str) -> bool:
    """Put the context in and make it current; says whether the file had to be changed."""
    old = read(path)
    new = with_context(old, server, authority, token)
    if new == old:
        return False
    _write(path, new)
    return True


def remove(path: Path, server: str) -> bool:
    """Take the context out if it points at `server` (another pocket may have taken the name over)."""
    old = read(path)
    if server_of(old) != server:
        return False
    _write(path, without_context(old))
    return True


def _write(path: Path, config: Config) -> None:
    # A link (a kubeconfig kept elsewhere) stays a link: what it points at is replaced.
    write_private(path.resolve(), yaml.safe_dump(config, sort_keys=False).encode())
