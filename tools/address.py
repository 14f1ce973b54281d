"""Where a Service can be reached from outside: reads the Service and the list of nodes (JSON, one after the other) on
standard input and prints HOST or HOST:PORT.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


class NoAddress(Exception):
    """The Service cannot be reached from outside (yet)."""


def address(service: Mapping[str, Any], nodes: Mapping[str, Any]) -> str:
    """The load balancer's IP or name, else a node's address and the Service's node port. Raises NoAddress.

    Of several ports the one for plain HTTP is meant: number 80, or the names that Istio gives it.
    """
    name = service["metadata"]["name"]
    ports = service["spec"]["ports"]
    port = next((p for p in ports if p["port"] == 80 or p.get("name") in ("http", "http2")), ports[0])
    for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress") or ():
        if host := entry.get("ip") or entry.get("hostname"):
            return str(host) if port["port"] == 80 else f"{host}:{port['port']}"
    if not port.get("nodePort"):
        raise NoAddress(f"Service {name} is of type {service['spec'].get('type', 'ClusterIP')}: only reachable inside")
    kinds = ("ExternalIP", "InternalIP")
    found = [a for node in nodes["items"] for a in node.get("status", {}).get("addresses") or () if a["type"] in kinds]
    if not found:
        raise NoAddress("no node of the cluster has an address")
    best = min(found, key=lambda a: kinds.index(a["type"]))
    return f"{best['address']}:{port['nodePort']}"


def main() -> int:
    """Returns the exit code."""
    text = sys.stdin.read()
    try:
        service, end = json.JSONDecoder().raw_decode(text)
        nodes = json.loads(text[end:])
        print(address(service, nodes))
    except json.JSONDecodeError:
        print("getip.sh: no answer from the cluster (see above)", file=sys.stderr)
        return 1
    except NoAddress as error:
        print(f"getip.sh: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
