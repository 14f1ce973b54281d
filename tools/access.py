"""Who may see Kiali, Grafana and Prometheus through the gateway: `tools/access.py`, for the current cluster.

They stand under the gateway's address, which on a cloud is open to the world. An AuthorizationPolicy at the gateway
refuses their paths (403) to every address that is not in ALLOW_FROM (config.mak). It decides by where a connection
comes from, which nobody can claim falsely; where the cluster hides that address, all are refused.
https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/

Nothing happens in a cluster that knows no such policies, nor on pocket: its gateway is open to this
machine only.
"""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

API = "/apis/security.istio.io/v1"
PATHS = ("/kiali*", "/grafana*", "/prometheus*")
"""Whatever begins so, as the routes in cluster/monitoring-virtualservice.yaml take it (a test compares). "/kiali/*"
would be too narrow: the gateway passes /kiali%2Fapi on as it is, which Kiali's router reads as /kiali/api."""
PRIVATE = ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""What `auto` means in a cluster on this machine (minikube, kind): RFC 1918 3 and loopback."""
WHO_AM_I = "https://checkip.amazonaws.com"
_PATIENCE = 10  # seconds


class AccessError(Exception):
    """ALLOW_FROM cannot be used; the message says why and what to do."""


def blocks(access: str) -> list[str]:
    """The CIDR blocks of a list with commas, in order. Raises AccessError for what is none and for the whole world."""
    found = []
    for word in access.replace(",", " ").split():
        try:
            network = ipaddress.ip_network(word)
        except ValueError as error:
            raise AccessError(f"ALLOW_FROM={access!r}: {error}. Write 203.0.113.7 or 203.0.113.0/24") from None
        if network.prefixlen == 0:
            raise AccessError(f"ALLOW_FROM={access!r}: {word} is everybody, and there is no login")
        found.append(str(network))
    if not found:
        raise AccessError("ALLOW_FROM is empty: set it in config.mak, to addresses or to auto")
    return found


def policy(allowed: Sequence[str]) -> dict[str, Any]:
    """The AuthorizationPolicy that keeps everybody else out."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "c756-access", "namespace": "istio-system"},
        "spec": {
            "selector": {"matchLabels": {"istio": "ingressgateway"}},
            "action": "DENY",
            "rules": [
                {
                    "from": [{"source": {"notIpBlocks": list(allowed)}}],
                    "to": [{"operation": {"paths": list(PATHS)}}],
                }
            ],
        },
    }


def local(context: str) -> bool:
    """Is the cluster of this context on this machine, so that callers have private addresses?"""
    return context == "minikube" or context.startswith("kind-")


def own_address(url: str = WHO_AM_I) -> str:
    """This machine's address as the internet sees it. Raises AccessError."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310  https, or a test's own server
            text = answer.read(64).decode("ascii", "replace").strip()
        return str(ipaddress.ip_address(text))
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise AccessError(
            f"{url} does not say this machine's address ({error}): set ALLOW_FROM in config.mak to it, or to the block "
            "of addresses that your network has"
        ) from error


def _kubectl(*arguments: str, piped: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["kubectl", *arguments], input=piped, text=True, capture_output=True, check=False)


def main() -> int:
    """Returns the exit code."""
    asked = _kubectl("get", "--raw", API)
    if asked.returncode != 0:
        if "(NotFound)" in asked.stderr:
            return 0
        # Not to know is no reason to leave the pages open to everybody.
        print(f"{asked.stderr.rstrip()}\naccess.py: the cluster does not say who may see its pages", file=sys.stderr)
        return 1
    context = _kubectl("config", "current-context").stdout.strip()
    if context == "pocket":
        return 0
    access = os.environ.get("ALLOW_FROM", "")
    try:
        if access.strip() != "auto":
            allowed = blocks(access)
        else:
            allowed = list(PRIVATE) if local(context) else blocks(own_address(os.environ.get("WHO_AM_I", WHO_AM_I)))
    except AccessError as error:
        print(f"access.py: {error}", file=sys.stderr)
        return 1
    done = _kubectl("apply", "-f", "-", piped=json.dumps(policy(allowed)))
    if done.returncode != 0:
        print(done.stderr, end="", file=sys.stderr)
        return 1
    print(f"Kiali, Grafana and Prometheus may be seen from {', '.join(allowed)} (ALLOW_FROM in config.mak)")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ^C ends it without a traceback
    sys.exit(main())
