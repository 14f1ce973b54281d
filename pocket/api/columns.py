"""The columns of each kind in `kubectl get`, and what stands in them: those of the real server (pkg/printers). Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pocket.api.ages import UNKNOWN, duration, parse_time, since
from pocket.objects import Obj

NONE = "<none>"


@dataclass(frozen=True)
class Column:
    name: str
    value: Callable[[Obj, datetime], Any]
    wide: bool = False
    type: str = "string"
    format: str = ""

    def definition(self) -> Obj:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": 1 if self.wide else 0,
        }


def _meta(obj: Obj, field: str) -> Any:
    return obj["metadata"].get(field)


def _spec(obj: Obj) -> Obj:
    return obj.get("spec") or {}


def _status(obj: Obj) -> Obj:
    return obj.get("status") or {}


def _labels_text(labels: Any) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Any) -> str:
    """A LabelSelector as text, as kubectl writes it."""
    selector = selector or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for rule in selector.get("matchExpressions") or ():
        values = ",".join(rule.get("values") or ())
        terms.append(
            {
                "In": f"{rule['key']} in ({values})",
                "NotIn": f"{rule['key']} notin ({values})",
                "Exists": rule["key"],
                "DoesNotExist": f"!{rule['key']}",
            }[rule["operator"]]
        )
    return ",".join(terms) or NONE


def _template_containers(obj: Obj, field: str) -> str:
    spec = (_spec(obj).get("template") or {}).get("spec") or {}
    return ",".join(str(container.get(field, "")) for container in spec.get("containers") or ())


def _first(condition: Any, default: str = NONE) -> Any:
    return condition or default


def pod_status(pod: Obj) -> str:
    """The STATUS column of a pod (printPod of pkg/printers/internalversion)."""
    status = _status(pod)
    reason = status.get("reason") or status.get("phase") or "Unknown"
    initializing = False
    for index, state in enumerate(status.get("initContainerStatuses") or ()):
        current = state.get("state") or {}
        ended, waiting = current.get("terminated"), current.get("waiting") or {}
        if ended is not None and ended.get("exitCode") == 0:
            continue
        initializing = True
        if ended is not None:
            reason = f"Init:{ended.get('reason') or 'ExitCode:' + str(ended.get('exitCode'))}"
        elif waiting.get("reason") not in (None, "PodInitializing"):
            reason = f"Init:{waiting['reason']}"
        else:
            reason = f"Init:{index}/{len(_spec(pod).get('initContainers') or ())}"
        break
    if not initializing:
        running = False
        for state in reversed(status.get("containerStatuses") or []):
            current = state.get("state") or {}
            ended, waiting = current.get("terminated"), current.get("waiting") or {}
            if waiting.get("reason"):
                reason = waiting["reason"]
            elif ended is not None:
                if ended.get("reason"):
                    reason = ended["reason"]
                elif ended.get("signal"):
                    reason = f"Signal:{ended['signal']}"
                else:
                    reason = f"ExitCode:{ended.get('exitCode', 0)}"
            elif state.get("ready") and current.get("running") is not None:
                running = True
        if reason == "Completed" and running:
            ready = any(
                entry.get("type") == "Ready" and entry.get("status") == "True"
                for entry in status.get("conditions") or ()
            )
            reason = "Running" if ready else "NotReady"
    if _meta(pod, "deletionTimestamp"):
        return "Terminating"
    return str(reason)


def _pod_ready(pod: Obj, _: datetime) -> str:
    states = _status(pod).get("containerStatuses") or ()
    ready = sum(
        1 for state in states if state.get("ready") and (state.get("state") or {}).get("running") is not None
    )
    return f"{ready}/{len(_spec(pod).get('containers') or ())}"


def _pod_restarts(pod: Obj, moment: datetime) -> str:
    states = _status(pod).get("containerStatuses") or ()
    count = sum(int(state.get("restartCount", 0)) for state in states)
    ends = [
        end
        for state in states
        if (end := parse_time(((state.get("lastState") or {}).get("terminated") or {}).get("finishedAt")))
    ]
    if count and ends:
        return f"{count} ({duration((moment - max(ends)).total_seconds())} ago)"
    return str(count)


def _readiness_gates(pod: Obj, _: datetime) -> str:
    gates = [gate["conditionType"] for gate in _spec(pod).get("readinessGates") or ()]
    if not gates:
        return NONE
    true = {entry["type"] for entry in _status(pod).get("conditions") or () if entry.get("status") == "True"}
    return f"{len(true & set(gates))}/{len(gates)}"


def _external_ip(service: Obj, _: datetime) -> str:
    spec = _spec(service)
    ingress = (_status(service).get("loadBalancer") or {}).get("ingress") or ()
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
    for port in _spec(service).get("ports") or ():
        number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else f"{port['port']}"
        texts.append(f"{number}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _endpoints(endpoints: Obj, _: datetime) -> str:
    entries: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = subset.get("addresses") or ()
        ports = subset.get("ports") or ()
        entries += [f"{address['ip']}:{port['port']}" for port in ports for address in addresses]
        if not ports:
            entries += [address["ip"] for address in addresses]
    return _more(entries)


def _more(entries: list[str], most: int = 3) -> str:
    shown = ",".join(entries[:most])
    return (f"{shown} + {len(entries) - most} more..." if len(entries) > most else shown) or NONE


def _slice_addresses(endpointslice: Obj, _: datetime) -> str:
    addresses = [
        address for entry in endpointslice.get("endpoints") or () for address in entry.get("addresses") or ()
    ]
    return _more(addresses) if addresses else "<unset>"


def _slice_ports(endpointslice: Obj, _: datetime) -> str:
    ports = [str(port.get("port", "")) for port in endpointslice.get("ports") or ()]
    return _more(ports) if ports else "<unset>"


def _job_status(job: Obj, _: datetime) -> str:
    for entry in _status(job).get("conditions") or ():
        if entry.get("status") != "True":
            continue
        if entry["type"] in ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"):
            if entry["type"] == "Failed" or entry["type"] == "Complete":
                return str(entry["type"])
            if entry["type"] == "Suspended":
                return "Suspended"
    return "Terminating" if _meta(job, "deletionTimestamp") else "Running"


def _job_completions(job: Obj, _: datetime) -> str:
    spec, done = _spec(job), _status(job).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{done}/{spec['completions']}"
    parallel = spec.get("parallelism", 1)
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(job: Obj, moment: datetime) -> str:
    start = parse_time(_status(job).get("startTime"))
    if start is None:
        return ""
    end = parse_time(_status(job).get("completionTime")) or moment
    return duration((end - start).total_seconds())


def _node_status(node: Obj, _: datetime) -> str:
    ready = next((entry for entry in _status(node).get("conditions") or () if entry["type"] == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if _spec(node).get("unschedulable") else text


def _node_roles(node: Obj, _: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = [key.removeprefix(prefix) for key in _meta(node, "labels") or {} if key.startswith(prefix)]
    return ",".join(sorted(roles)) or NONE


def _node_address(kind: str) -> Callable[[Obj, datetime], str]:
    return lambda node, _: next(
        (entry["address"] for entry in _status(node).get("addresses") or () if entry.get("type") == kind), NONE
    )


def _node_info(field: str) -> Callable[[Obj, datetime], str]:
    return lambda node, _: (_status(node).get("nodeInfo") or {}).get(field) or UNKNOWN


def _event_object(event: Obj, _: datetime) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_last(event: Obj, moment: datetime) -> str:
    series = event.get("series") or {}
    return since(
        series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        or _meta(event, "creationTimestamp"),
        moment,
    )  # fmt: skip


def _event_first(event: Obj, moment: datetime) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime") or _meta(event, "creationTimestamp"), moment)


def _event_source(event: Obj, _: datetime) -> str:
    source = event.get("source") or {}
    name, host = source.get("component") or event.get("reportingComponent") or "", source.get("host")
    return f"{name}, {host}" if host else name


def _autoscaler_targets(autoscaler: Obj, _: datetime) -> str:
    texts = []
    for metric in _spec(autoscaler).get("metrics") or ():
        source = metric.get("resource") or metric.get("containerResource") or {}
        target, name = source.get("target") or {}, source.get("name", metric.get("type", ""))
        wanted = target.get("averageUtilization")
        texts.append(f"{name}: {UNKNOWN}/{wanted}%" if wanted is not None else f"{name}: {UNKNOWN}")
    return ", ".join(texts) or NONE


def _json(value: Any) -> str:
    """A list in a printer column of a custom resource."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _sum(resource: str, unit: str) -> Callable[[Obj, datetime], str]:
    """Of all containers of a PodMetrics."""
    return lambda obj, _: f"{sum(int(part['usage'][resource].removesuffix(unit)) for part in obj['containers'])}{unit}"


def _get(*path: str, default: Any = "") -> Callable[[Obj, datetime], Any]:
    def value(obj: Obj, _: datetime) -> Any:
        found: Any = obj
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return default if found is None else found

    return value


def _spec_json(field: str) -> Callable[[Obj, datetime], str]:
    return lambda obj, _: _json(_spec(obj).get(field))


NAME = Column("Name", _get("metadata", "name"), format="name")
AGE = Column("Age", lambda obj, moment: since(_meta(obj, "creationTimestamp"), moment))
_CONTAINERS = (
    Column("Containers", lambda obj, _: _template_containers(obj, "name"), wide=True),
    Column("Images", lambda obj, _: _template_containers(obj, "image"), wide=True),
    Column("Selector", lambda obj, _: selector_text(_spec(obj).get("selector")), wide=True),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "Namespace": (NAME, Column("Status", _get("status", "phase")), AGE),
    "Node": (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", lambda node, _: (_status(node).get("nodeInfo") or {}).get("kubeletVersion", "")),
        Column("Internal-IP", _node_address("InternalIP"), wide=True),
        Column("External-IP", _node_address("ExternalIP"), wide=True),
        Column("OS-Image", _node_info("osImage"), wide=True),
        Column("Kernel-Version", _node_info("kernelVersion"), wide=True),
        Column("Container-Runtime", _node_info("containerRuntimeVersion"), wide=True),
    ),
    "Pod": (
        NAME,
        Column("Ready", _pod_ready),
        Column("Status", lambda pod, _: pod_status(pod)),
        Column("Restarts", _pod_restarts),
        AGE,
        Column("IP", _get("status", "podIP", default=NONE), wide=True),
        Column("Node", _get("spec", "nodeName", default=NONE), wide=True),
        Column("Nominated Node", _get("status", "nominatedNodeName", default=NONE), wide=True),
        Column("Readiness Gates", _readiness_gates, wide=True),
    ),
    "Service": (
        NAME,
        Column("Type", _get("spec", "type")),
        Column("Cluster-IP", lambda service, _: _first(_spec(service).get("clusterIP"))),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", lambda service, _: _labels_text(_spec(service).get("selector")), wide=True),
    ),
    "ServiceAccount": (
        NAME,
        Column("Secrets", lambda account, _: len(account.get("secrets") or ()), type="integer"),
        AGE,
    ),
    "Secret": (
        NAME,
        Column("Type", _get("type")),
        Column("Data", lambda secret, _: len(secret.get("data") or ()), type="integer"),
        AGE,
    ),
    "ConfigMap": (
        NAME,
        Column(
            "Data", lambda obj, _: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), type="integer"
        ),
        AGE,
    ),
    "Event": (
        Column("Last Seen", _event_last),
        Column("Type", _get("type")),
        Column("Reason", _get("reason")),
        Column("Object", _event_object),
        Column("Subobject", _get("involvedObject", "fieldPath"), wide=True),
        Column("Source", _event_source, wide=True),
        Column("Message", lambda event, _: str(event.get("message", "")).strip()),
        Column("First Seen", _event_first, wide=True),
        Column("Count", _get("count", default=1), wide=True, type="integer"),
        Column("Name", _get("metadata", "name"), wide=True, format="name"),
    ),
    "Endpoints": (NAME, Column("Endpoints", _endpoints), AGE),
    "EndpointSlice": (
        NAME,
        Column("AddressType", _get("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    "Deployment": (
        NAME,
        Column(
            "Ready", lambda obj, _: f"{_status(obj).get('readyReplicas', 0)}/{_spec(obj).get('replicas', 1)}"
        ),
        Column("Up-to-date", _get("status", "updatedReplicas", default=0), type="integer"),
        Column("Available", _get("status", "availableReplicas", default=0), type="integer"),
        AGE,
        *_CONTAINERS,
    ),
    "ReplicaSet": (
        NAME,
        Column("Desired", _get("spec", "replicas", default=1), type="integer"),
        Column("Current", _get("status", "replicas", default=0), type="integer"),
        Column("Ready", _get("status", "readyReplicas", default=0), type="integer"),
        AGE,
        *_CONTAINERS,
    ),
    "Job": (
        NAME,
        Column("Status", _job_status),
        Column("Completions", _job_completions),
        Column("Duration", _job_duration),
        AGE,
        *_CONTAINERS,
    ),
    "PodDisruptionBudget": (
        NAME,
        Column("Min Available", _get("spec", "minAvailable", default="N/A")),
        Column("Max Unavailable", _get("spec", "maxUnavailable", default="N/A")),
        Column("Allowed Disruptions", _get("status", "disruptionsAllowed", default=0), type="integer"),
        AGE,
    ),
    "HorizontalPodAutoscaler": (
        NAME,
        Column(
            "Reference",
            lambda obj, _: "{kind}/{name}".format_map(_spec(obj).get("scaleTargetRef") or {"kind": "", "name": ""}),
        ),
        Column("Targets", _autoscaler_targets),
        Column("MinPods", _get("spec", "minReplicas", default="<unset>")),
        Column("MaxPods", _get("spec", "maxReplicas", default=0), type="integer"),
        Column("Replicas", _get("status", "currentReplicas", default=0), type="integer"),
        AGE,
    ),
    "CustomResourceDefinition": (NAME, Column("Created At", _get("metadata", "creationTimestamp"))),
    "Lease": (NAME, Column("Holder", _get("spec", "holderIdentity")), AGE),
    "NodeMetrics": (
        NAME,
        Column("CPU", _get("usage", "cpu")),
        Column("Memory", _get("usage", "memory")),
        Column("Window", _get("window")),
    ),
    "PodMetrics": (
        NAME,
        Column("CPU", _sum("cpu", "n")),
        Column("Memory", _sum("memory", "Ki")),
        Column("Window", _get("window")),
    ),
    "VirtualService": (NAME, Column("Gateways", _spec_json("gateways")), Column("Hosts", _spec_json("hosts")), AGE),
    "DestinationRule": (NAME, Column("Host", _spec_json("host")), AGE),
    "ServiceEntry": (
        NAME,
        Column("Hosts", _spec_json("hosts")),
        Column("Location", _spec_json("location")),
        Column("Resolution", _spec_json("resolution")),
        AGE,
    ),
}
