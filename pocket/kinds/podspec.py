"""The values that an API server fills into the spec of a pod, alone or in a template (pkg/apis/core/v1/defaults.go).

They change the object in place and are idempotent.
"""

from __future__ import annotations

from pocket.objects import Obj

GRACE = 30
"""Seconds that a pod has to stop, where it does not say."""


def fill(spec: Obj) -> None:
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
    container.setdefault("imagePullPolicy", pull_policy(str(container.get("image", ""))))
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


def pull_policy(image: str) -> str:
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


def template(template: Obj | None) -> None:
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        template["metadata"].pop("creationTimestamp", None)  # kubectl create and client libraries write a null
        fill(template.setdefault("spec", {}))


def unset(spec: Obj, field: str, value: object) -> None:
    """A default where the field is absent or null."""
    if spec.get(field) is None:
        spec[field] = value
