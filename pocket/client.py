"""A few questions to pocket's own API server and parts, for the command line. People use kubectl."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pocket.objects import Obj

_TIMEOUT = 5.0
# Never through a proxy: everything is on this machine.
_DIRECT = urllib.request.ProxyHandler({})


def answers(url: str, authority: Path, timeout: float = _TIMEOUT) -> bool:
    """Does something speak HTTP there, and say anything but that it is not ready (503)?

    Raises ssl.SSLCertVerificationError where it answers, but with a certificate that this Python does not accept.
    """
    opener = _opener(authority)
    try:
        with opener.open(url, timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 503
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise reason from error  # waiting does not help
        return False


class ApiClient:
    """Reads lists of objects, and changes some."""

    def __init__(self, server: str, authority: Path, token: str) -> None:
        self._server = server
        self._opener = _opener(authority)
        self._headers = {"Authorization": f"Bearer {token}"}

    def list(self, api_version: str, plural: str) -> list[Obj]:
        """All objects of a kind, in all namespaces. Raises OSError where the server does not answer."""
        prefix = "api" if api_version == "v1" else "apis"
        return list(self._ask("GET", f"/{prefix}/{api_version}/{plural}")["items"])

    def restart(self, deployment: Obj) -> Obj:
        """What `kubectl rollout restart` does; the Deployment as it is then. Raises OSError."""
        meta = deployment["metadata"]
        stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
        patch = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        path = f"/apis/apps/v1/namespaces/{meta['namespace']}/deployments/{meta['name']}?fieldManager=pocket"
        return self._ask("PATCH", path, patch)

    def _ask(self, method: str, path: str, body: Obj | None = None) -> dict[str, Any]:
        headers = {**self._headers, "Content-Type": "application/merge-patch+json"} if body else self._headers
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"{self._server}{path}", data, headers, method=method)  # noqa: S310 our own https address
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def _opener(authority: Path) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=str(authority))
    return urllib.request.build_opener(_DIRECT, urllib.request.HTTPSHandler(context=context))
