"""The virtual addresses and node ports of Services. Nothing listens on a cluster IP here: sidecars route by name."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable

from pocket.objects import Obj, name_of, namespace_of

_NETWORK = ipaddress.ip_network("10.96.0.0/12")  # kubeadm's default
_NODE_PORTS = range(30000, 32768)  # https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport


def assign(service: Obj, others: Iterable[Obj]) -> None:
    """Give the Service its cluster IP and node ports where it needs and has none, in place.

    The choice depends on the Service's name, so that it is the same after a deletion; `others` are avoided.
    """
    spec = service["spec"]
    others = [other for other in others if (name_of(other), namespace_of(other)) != _identity(service)]
    seed = zlib.crc32(f"{namespace_of(service)}/{name_of(service)}".encode())
    if spec.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP"):
        taken = {other["spec"].get("clusterIP") for other in others}
        size = _NETWORK.num_addresses - 2
        spec["clusterIP"] = next(
            address for n in range(size) if (address := str(_NETWORK[1 + (seed + n) % size])) not in taken
        )
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("type") in ("NodePort", "LoadBalancer"):
        used = {port.get("nodePort") for other in [*others, service] for port in other["spec"].get("ports") or ()}
        for index, port in enumerate(spec.get("ports") or ()):
            if not port.get("nodePort"):
                port["nodePort"] = next(
                    number
                    for n in range(len(_NODE_PORTS))
                    if (number := _NODE_PORTS[(seed + index + n) % len(_NODE_PORTS)]) not in used
                )
                used.add(port["nodePort"])


def carry_over(new: Obj, old: Obj) -> None:
    """What an update need not repeat: cluster IP and node ports stay, and go with the type that needs them."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    if spec.get("type") == "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(field) == before.get(field):
                spec.pop(field, None)
        return
    if before.get("type") == "ExternalName":
        return
    if not spec.get("clusterIP") and before.get("clusterIP"):
        spec["clusterIP"] = before["clusterIP"]
    ports = {(port.get("port"), port.get("protocol", "TCP")): port for port in before.get("ports") or ()}
    exposed = spec.get("type") in ("NodePort", "LoadBalancer")
    was_exposed = before.get("type") in ("NodePort", "LoadBalancer")
    for port in spec.get("ports") or ():
        node_port = (ports.get((port.get("port"), port.get("protocol", "TCP"))) or {}).get("nodePort")
        if exposed and not port.get("nodePort") and node_port:
            port["nodePort"] = node_port
        elif was_exposed and not exposed and port.get("nodePort") == node_port:
            port.pop("nodePort", None)
    if was_exposed and not exposed:
        spec.pop("externalTrafficPolicy", None)
        spec.pop("allocateLoadBalancerNodePorts", None)


def _identity(service: Obj) -> tuple[str, str | None]:
    return name_of(service), namespace_of(service)
