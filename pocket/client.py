"""A few questions to pocket's own API server and parts, for the command line. People use kubectl."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pocket.objects import Obj

_TIMEOUT = 5.0
# Never through a proxy: everything is on this machine.
_DIRECT = urllib.request.ProxyHandler({})


def answers(url: str, authority: Path, timeout: float = _TIMEOUT) -> bool:
    """Does something speak HTTP there, and say anything but that it is not ready (503)?"""
    opener = _opener(authority)
    try:
        with opener.open(url, timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        return error.code != 503
    except (OSError, ValueError):
        return False


class ApiClient:
    """Reads lists of objects."""

    def __init__(self, server: str, authority: Path, token: str) -> None:
        self._server = server
        self._opener = _opener(authority)
        self._headers = {"Authorization": f"Bearer {token}"}

    def list(self, api_version: str, plural: str) -> list[Obj]:
        """All objects of a kind, in all namespaces. Raises OSError where the server does not answer."""
        prefix = "api" if api_version == "v1" else "apis"
        request = urllib.request.Request(f"{self._server}/{prefix}/{api_version}/{plural}", headers=self._headers)  # noqa: S310 our own https address
        with self._opener.open(request, timeout=_TIMEOUT) as answer:
            body: dict[str, Any] = json.load(answer)
        return list(body["items"])


def _opener(authority: Path) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=str(authority))
    return urllib.request.build_opener(_DIRECT, urllib.request.HTTPSHandler(context=context))
