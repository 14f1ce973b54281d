"""The values that an API server fills in where an object leaves them out: `get -o yaml` and `describe` show them.

The values are Kubernetes' own (pkg/apis/*/v1/defaults.go, and the API reference). All functions change the object in
place and are idempotent. `apply` is for whoever makes objects without going through the API (controllers) too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from pocket.objects import Obj

GRACE = 30
"""Seconds that a pod has to stop, where it does not say."""


def apply(obj: Obj) -> None:
    """Fill in the defaults of the object's kind."""
    if fill := _KINDS.get(obj["kind"]):
        fill(obj)


def _pod(pod: Obj) -> None:
    spec = pod.setdefault("spec", {})
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    if "tolerations" not in spec:
        spec["tolerations"] = [
            {"effect": "NoExecute", "key": f"node.kubernetes.io/{key}", "operator": "Exists", "tolerationSeconds": 300}
            for key in ("not-ready", "unreachable")
        ]
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))


def pod_spec(spec: Obj) -> None:
    """Defaults of a pod's spec, also inside a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", GRACE)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in (spec.get("containers") or []) + (spec.get("initContainers") or []):
        _container(container)
    for volume in spec.get("volumes") or []:
        _volume(volume)


def _container(container: Obj) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image", ""))))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    for name, quantity in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, quantity)
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        if reference := (variable.get("valueFrom") or {}).get("fieldRef"):
            reference.setdefault("apiVersion", "v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe):
            _probe(container[probe])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet"):
            _http_get(hook["httpGet"])


def _pull_policy(image: str) -> str:
    name, _, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def _probe(probe: Obj) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    if probe.get("httpGet"):
        _http_get(probe["httpGet"])


def _http_get(action: Obj) -> None:
    action.setdefault("path", "/")
    action.setdefault("scheme", "HTTP")


def _volume(volume: Obj) -> None:
    for source in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", 0o644)
    if not set(volume) - {"name"}:
        volume["emptyDir"] = {}


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort
    (https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/)."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(entry.get("requests") or entry.get("limits") for entry in resources):
        return "BestEffort"
    names = {"cpu", "memory"}
    if all(
        names <= set(entry.get("limits") or {}) and (entry.get("requests") or entry["limits"]) == entry["limits"]
        for entry in resources
    ):
        return "Guaranteed"
    return "Burstable"


def _template(template: Obj | None) -> None:
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        template["metadata"].pop("creationTimestamp", None)  # kubectl create and client libraries write a null
        pod_spec(template.setdefault("spec", {}))


def _deployment(deployment: Obj) -> None:
    spec = deployment.setdefault("spec", {})
    _unset(spec, "replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate")
        if rolling is None:
            rolling = strategy["rollingUpdate"] = {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _template(spec.get("template"))


def _replicaset(replicaset: Obj) -> None:
    spec = replicaset.setdefault("spec", {})
    _unset(spec, "replicas", 1)
    _template(spec.get("template"))
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        spec.setdefault("selector", {"matchLabels": dict(labels)})
    replicaset.setdefault("status", {}).setdefault("replicas", 0)


def _job(job: Obj) -> None:
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _unset(spec, "parallelism", 1)
    _unset(spec, "backoffLimit", 6)
    spec.setdefault("completionMode", "NonIndexed")
    _unset(spec, "suspend", False)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed")
    spec.setdefault("manualSelector", False)
    _template(spec.get("template"))
    if spec["manualSelector"] is False:
        del spec["manualSelector"]


def _service(service: Obj) -> None:
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


def _secret(secret: Obj) -> None:
    secret.setdefault("type", "Opaque")
    strings = secret.pop("stringData", None)
    if strings:
        data = secret.get("data") or {}
        data.update({key: base64.b64encode(str(value).encode()).decode() for key, value in strings.items()})
        secret["data"] = data


def _namespace(namespace: Obj) -> None:
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")
    labels = namespace["metadata"].get("labels") or {}
    name = namespace["metadata"].get("name")
    if name:
        namespace["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": name}


def _endpoints(endpoints: Obj) -> None:
    for subset in endpoints.get("subsets") or []:
        for port in subset.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _endpointslice(endpointslice: Obj) -> None:
    for port in endpointslice.get("ports") or []:
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _autoscaler(autoscaler: Obj) -> None:
    spec = autoscaler.setdefault("spec", {})
    _unset(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _unset(spec: Obj, field: str, value: object) -> None:
    """A default where the field is absent or null."""
    if spec.get(field) is None:
        spec[field] = value


_KINDS: dict[str, Callable[[Obj], None]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replicaset,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "Namespace": _namespace,
    "Endpoints": _endpoints,
    "EndpointSlice": _endpointslice,
    "HorizontalPodAutoscaler": _autoscaler,
}
