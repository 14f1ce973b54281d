"""The kind Service: its defaults, rules and columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pocket.api import checks, names, services
from pocket.api.names import duplicate, invalid, required
from pocket.kinds.columns import AGE, NAME, NONE, Column, at, labels_text, spec_of, status_of
from pocket.kinds.strategy import Strategy
from pocket.objects import FieldError, Obj
from pocket.store import Store


def _external_ip(service: Obj, _: datetime) -> str:
    spec = spec_of(service)
    ingress = (status_of(service).get("loadBalancer") or {}).get("ingress") or ()
    addresses = list(spec.get("externalIPs") or ())
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            addresses = [entry.get("ip") or entry.get("hostname") or "" for entry in ingress] + addresses
            return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or NONE


def _service_ports(service: Obj, _: datetime) -> str:
    texts = []
    for port in spec_of(service).get("ports") or ():
        number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else f"{port['port']}"
        texts.append(f"{number}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _defaults(service: Obj) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        if "port" in port and spec.get("clusterIP") != "None":
            port.setdefault("targetPort", port["port"])
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def _rules(service: Obj) -> list[FieldError]:
    spec = service["spec"]
    found = checks.one_of(spec, "type", "spec", ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"))
    found += checks.one_of(spec, "sessionAffinity", "spec", ("ClientIP", "None"))
    found += names.label_entries("spec.selector", spec.get("selector"))
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        found.append(required("spec.ports"))
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            found.append(required("spec.externalName"))
        else:
            found += names.subdomain("spec.externalName", spec["externalName"].rstrip("."))
    port_names: set[str] = set()
    pairs: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        path = f"spec.ports[{index}]"
        found += checks.port_number(port.get("port"), f"{path}.port")
        found += checks.one_of(port, "protocol", path, ("SCTP", "TCP", "UDP"))
        if "targetPort" in port:
            found += checks.port(port["targetPort"], f"{path}.targetPort")
        if port.get("nodePort"):
            found += checks.port_number(port["nodePort"], f"{path}.nodePort")
            if spec.get("type") not in ("NodePort", "LoadBalancer"):
                why = "Forbidden: may not be used when `type` is 'ClusterIP'"
                found.append(FieldError(f"{path}.nodePort", why))
        name = port.get("name", "")
        if not name and len(ports) > 1:
            found.append(required(f"{path}.name"))
        elif name:
            found += names.label_1123(f"{path}.name", name)
            if name in port_names:
                found.append(duplicate(f"{path}.name", name))
            port_names.add(name)
        pair = (port.get("port"), port.get("protocol", "TCP"))
        if pair in pairs:
            found.append(duplicate(path, checks.Raw(f'{{"port":{pair[0]},"protocol":"{pair[1]}"}}')))
        pairs.add(pair)
    return found


def _changes(new: Obj, old: Obj) -> list[FieldError]:
    if "ExternalName" in (new["spec"].get("type"), old["spec"].get("type")):
        return []
    if new["spec"].get("clusterIP") == old["spec"].get("clusterIP"):
        return []
    return [invalid("spec.clusterIP", new["spec"].get("clusterIP"), checks.IMMUTABLE)]


def _prepare(service: Obj, old: Obj | None, _: Store) -> None:
    if old is not None:
        services.carry_over(service, old)


def _complete(service: Obj, store: Store) -> None:
    services.assign(service, store.list("Service"))


STRATEGY = Strategy(
    "Service",
    name_rule=names.label_1035,
    fields=("spec.clusterIP", "spec.type"),
    prepare=_prepare,
    complete=_complete,
    defaults=_defaults,
    rules=_rules,
    changes=_changes,
    columns=(
        NAME,
        Column("Type", at("spec", "type")),
        Column("Cluster-IP", lambda service, _: spec_of(service).get("clusterIP") or NONE),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", lambda service, _: labels_text(spec_of(service).get("selector")), wide=True),
    ),
)
