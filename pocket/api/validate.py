"""What makes an object of a built-in kind wrong although its fields are known and typed: the rules that people meet.

The rules and their wording are those of the real API server (pkg/apis/*/validation). Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from pocket.api import names, schema, selectors
from pocket.api.names import duplicate, invalid, required, unsupported
from pocket.objects import KINDS, FieldError, Obj

NON_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"


def check(obj: Obj) -> list[FieldError]:
    """Everything that is wrong with a new object (defaults filled in). Not for custom resources' spec."""
    kind = KINDS[obj["kind"]]
    found = metadata(obj)
    if schema.is_builtin(kind):
        found += [error for error in _required(obj, schema.type_of_kind(kind), "") if error.path != "metadata"]
        if rule := _RULES.get(kind.name):
            found += rule(obj)
    return _unique(found)


def check_update(new: Obj, old: Obj) -> list[FieldError]:
    """Everything that is wrong with a changed object, and with the change itself."""
    found = check(new)
    if rule := _CHANGES.get(new["kind"]):
        found += rule(new, old)
    return _unique(found)


def _unique(found: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(found))


# -- metadata ---------------------------------------------------------------------------------------------------------


def metadata(obj: Obj) -> list[FieldError]:
    """Name, labels, annotations, finalizers, owners."""
    meta, kind = obj["metadata"], obj["kind"]
    found: list[FieldError] = []
    name = meta.get("name")
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    elif kind == "Namespace":
        found += names.label_1123("metadata.name", name)
    elif kind == "Service":
        found += names.label_1035("metadata.name", name)
    else:
        found += names.subdomain("metadata.name", name)
    found += names.label_entries("metadata.labels", meta.get("labels"))
    found += names.annotation_entries("metadata.annotations", meta.get("annotations"))
    for index, owner in enumerate(meta.get("ownerReferences") or ()):
        found += [
            required(f"metadata.ownerReferences[{index}].{field}", "must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        ]
    for finalizer in meta.get("finalizers") or ():
        found += names.qualified("metadata.finalizers", finalizer)
    return found


def _required(value: Any, type_name: str, path: str) -> Iterator[FieldError]:
    """The fields without which an object of this type makes no sense."""
    for name, field in schema.struct(type_name).fields.items():
        entry = value.get(name)
        here = f"{path}.{name}" if path else name
        if name == "status" and not path:
            continue  # the server's own
        if entry is None:
            if field.required:
                yield required(here)
        elif field.type.name == "struct":
            yield from _required(entry, field.type.struct, here)
        elif field.type.name == "list" and field.type.of is not None and field.type.of.name == "struct":
            for index, element in enumerate(entry):
                if element is None:
                    yield required(f"{here}[{index}]")
                else:
                    yield from _required(element, field.type.of.struct, f"{here}[{index}]")


# -- pods -------------------------------------------------------------------------------------------------------------


def pod_spec(spec: Obj, path: str) -> list[FieldError]:
    """The spec of a pod, or of a template."""
    found: list[FieldError] = []
    containers = spec.get("containers") or []
    if not containers:
        found.append(required(f"{path}.containers"))
    seen: set[str] = set()
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or []):
            found += _container(container, f"{path}.{group}[{index}]", volumes)
            name = container.get("name")
            if name in seen:
                found.append(duplicate(f"{path}.{group}[{index}].name", name))
            seen.add(name)
    found += _unique_names(spec.get("volumes"), f"{path}.volumes")
    for index, volume in enumerate(spec.get("volumes") or []):
        here = f"{path}.volumes[{index}]"
        found += names.label_1123(f"{here}.name", str(volume.get("name", "")))
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            found.append(FieldError(f"{here}.{sources[1]}", "Forbidden: may not specify more than 1 volume type"))
    found += _one_of(spec, "restartPolicy", path, ("Always", "OnFailure", "Never"))
    found += _one_of(spec, "dnsPolicy", path, ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"))
    found += _at_least(spec, "terminationGracePeriodSeconds", path, 0, NON_NEGATIVE)
    found += _at_least(spec, "activeDeadlineSeconds", path, 1, "must be between 1 and 2147483647, inclusive")
    found += names.label_entries(f"{path}.nodeSelector", spec.get("nodeSelector"))
    return found


def _container(container: Obj, path: str, volumes: set[Any]) -> list[FieldError]:
    found: list[FieldError] = []
    if not container.get("name"):
        found.append(required(f"{path}.name"))
    else:
        found += names.label_1123(f"{path}.name", container["name"])
    image = container.get("image")
    if not image:
        found.append(required(f"{path}.image"))
    elif image != image.strip():
        found.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    found += _one_of(container, "imagePullPolicy", path, ("Always", "IfNotPresent", "Never"))
    found += _one_of(container, "terminationMessagePolicy", path, ("FallbackToLogsOnError", "File"))
    port_names: set[str] = set()
    for index, port in enumerate(container.get("ports") or []):
        here = f"{path}.ports[{index}]"
        found += _port_number(port.get("containerPort"), f"{here}.containerPort")
        if port.get("hostPort"):
            found += _port_number(port["hostPort"], f"{here}.hostPort")
        found += _one_of(port, "protocol", here, ("SCTP", "TCP", "UDP"))
        if name := port.get("name"):
            found += names.port_name(f"{here}.name", name)
            if name in port_names:
                found.append(duplicate(f"{here}.name", name))
            port_names.add(name)
    for index, variable in enumerate(container.get("env") or []):
        found += _variable(variable, f"{path}.env[{index}]")
    for index, source in enumerate(container.get("envFrom") or []):
        if not source.get("configMapRef") and not source.get("secretRef"):
            found.append(invalid(f"{path}.envFrom[{index}]", "", "must specify one of: `configMapRef` or `secretRef`"))
    mounts: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        here = f"{path}.volumeMounts[{index}]"
        if not mount.get("name"):
            found.append(required(f"{here}.name"))
        elif mount["name"] not in volumes:
            found.append(FieldError(f"{here}.name", f'Not found: "{mount["name"]}"'))
        if not mount.get("mountPath"):
            found.append(required(f"{here}.mountPath"))
        elif mount["mountPath"] in mounts:
            found.append(invalid(f"{here}.mountPath", mount["mountPath"], "must be unique"))
        mounts.add(mount.get("mountPath"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name):
            found += _probe(container[name], f"{path}.{name}", name != "readinessProbe")
    for name in ("postStart", "preStop"):
        if hook := (container.get("lifecycle") or {}).get(name):
            found += _handler(hook, f"{path}.lifecycle.{name}", ("exec", "httpGet", "tcpSocket", "sleep"))
    return found


def _variable(variable: Obj, path: str) -> list[FieldError]:
    name = variable.get("name")
    if not name:
        return [required(f"{path}.name")]
    if not names.is_environment_name(name):
        return [invalid(f"{path}.name", name, "a valid environment variable name must consist only of printable ASCII characters other than '='")]  # noqa: E501
    source = variable.get("valueFrom")
    if source is None:
        return []
    if variable.get("value"):
        return [invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")]
    if len(source) == 0:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        return [invalid(f"{path}.valueFrom", "", why)]
    if len(source) > 1:
        return [invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")]
    return [
        required(f"{path}.valueFrom.{reference}.name")
        for reference in ("configMapKeyRef", "secretKeyRef")
        if reference in source and not source[reference].get("name")
    ]


def _probe(probe: Obj, path: str, success_is_one: bool) -> list[FieldError]:
    found = _handler(probe, path, ("exec", "grpc", "httpGet", "tcpSocket"))
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        found += _at_least(probe, field, path, 0, NON_NEGATIVE)
    if success_is_one and probe.get("successThreshold", 1) != 1:
        found.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return found


def _handler(handler: Obj, path: str, kinds: tuple[str, ...]) -> list[FieldError]:
    found: list[FieldError] = []
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        found.append(required(path, "must specify a handler type"))
    found += [FieldError(f"{path}.{kind}", "Forbidden: may not specify more than 1 handler type") for kind in given[1:]]
    for kind in ("httpGet", "tcpSocket"):
        if action := handler.get(kind):
            found += _port(action.get("port"), f"{path}.{kind}.port")
            if kind == "httpGet":
                found += _one_of(action, "scheme", f"{path}.{kind}", ("HTTP", "HTTPS"))
    if handler.get("exec") is not None and not handler["exec"].get("command"):
        found.append(required(f"{path}.exec.command"))
    return found


def _template(template: Obj, selector: Obj | None, path: str, policies: tuple[str, ...]) -> list[FieldError]:
    found: list[FieldError] = []
    meta = template.get("metadata") or {}
    labels = meta.get("labels") or {}
    found += names.label_entries(f"{path}.metadata.labels", labels)
    found += names.annotation_entries(f"{path}.metadata.annotations", meta.get("annotations"))
    if selector is not None and not selectors.selector_matches(selector, labels):
        found.append(invalid(f"{path}.metadata.labels", _go_map(labels), "`selector` does not match template `labels`"))
    spec = template.get("spec") or {}
    if spec.get("restartPolicy") not in (None, *policies):
        found.append(unsupported(f"{path}.spec.restartPolicy", spec["restartPolicy"], policies))
    return found + pod_spec(spec, f"{path}.spec")


def _go_map(labels: dict[str, str]) -> Any:
    return _Raw("{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}")


class _Raw:
    """Shown as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def _selector(selector: Obj | None, path: str) -> list[FieldError]:
    if selector is None:
        return [required(path)]
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return [invalid(path, _Raw("{}"), "empty selector is invalid for deployment")]
    found = names.label_entries(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, rule in enumerate(selector.get("matchExpressions") or []):
        here = f"{path}.matchExpressions[{index}]"
        operator, values = rule.get("operator"), rule.get("values")
        if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
            found.append(invalid(f"{here}.operator", operator, "not a valid selector operator"))
        elif operator in ("In", "NotIn") and not values:
            found.append(required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist") and values:
            why = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(FieldError(f"{here}.values", why))
    return found


# -- the kinds --------------------------------------------------------------------------------------------------------


def _pod(pod: Obj) -> list[FieldError]:
    return pod_spec(pod.get("spec") or {}, "spec")


def _deployment(deployment: Obj) -> list[FieldError]:
    spec = deployment["spec"]
    found = _workload(spec)
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        found += _at_least(spec, field, "spec", 0, NON_NEGATIVE)
    if (spec.get("progressDeadlineSeconds") or 600) <= (spec.get("minReadySeconds") or 0):
        deadline = spec["progressDeadlineSeconds"]
        found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    strategy = spec.get("strategy") or {}
    found += _one_of(strategy, "type", "spec.strategy", ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        found.append(
            FieldError(
                "spec.strategy.rollingUpdate",
                "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            )
        )
    elif rolling is not None:
        found += _share(rolling.get("maxUnavailable"), "spec.strategy.rollingUpdate.maxUnavailable", 100)
        found += _share(rolling.get("maxSurge"), "spec.strategy.rollingUpdate.maxSurge", None)
        if _is_zero(rolling.get("maxUnavailable")) and _is_zero(rolling.get("maxSurge")):
            found.append(
                invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    rolling["maxUnavailable"],
                    "may not be 0 when `maxSurge` is 0",
                )
            )
    return found


def _workload(spec: Obj) -> list[FieldError]:
    found = _at_least(spec, "replicas", "spec", 0, NON_NEGATIVE)
    selector = spec.get("selector")
    found += _selector(selector, "spec.selector")
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    whole = selector if not found else None
    return found + _template(spec["template"], whole, "spec.template", ("Always",))


def _replicaset(replicaset: Obj) -> list[FieldError]:
    return _workload(replicaset["spec"]) + _at_least(replicaset["spec"], "minReadySeconds", "spec", 0, NON_NEGATIVE)


def _job(job: Obj) -> list[FieldError]:
    spec = job["spec"]
    found: list[FieldError] = []
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        found += _at_least(spec, field, "spec", 0, NON_NEGATIVE)
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    template = spec["template"]
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        found.append(unsupported("spec.template.spec.restartPolicy", policy, ("OnFailure", "Never")))
    return found + _template(template, spec.get("selector"), "spec.template", ("Always", "OnFailure", "Never"))


def _service(service: Obj) -> list[FieldError]:
    spec = service["spec"]
    found = _one_of(spec, "type", "spec", ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"))
    found += _one_of(spec, "sessionAffinity", "spec", ("ClientIP", "None"))
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
        found += _port_number(port.get("port"), f"{path}.port")
        found += _one_of(port, "protocol", path, ("SCTP", "TCP", "UDP"))
        if "targetPort" in port:
            found += _port(port["targetPort"], f"{path}.targetPort")
        if port.get("nodePort"):
            found += _port_number(port["nodePort"], f"{path}.nodePort")
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
            found.append(duplicate(path, _Raw(f'{{"port":{pair[0]},"protocol":"{pair[1]}"}}')))
        pairs.add(pair)
    return found


_SECRET_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def _secret(secret: Obj) -> list[FieldError]:
    data = secret.get("data") or {}
    found = _keys(data, "data")
    found += [required(f"data[{key}]") for key in _SECRET_KEYS.get(secret.get("type", ""), ()) if key not in data]
    if sum(len(value) for value in data.values()) > 4 * 1024 * 1024 // 3:
        found.append(FieldError("data", "Too long: may not be more than 1048576 bytes"))
    return found


def _configmap(configmap: Obj) -> list[FieldError]:
    data, binary = configmap.get("data") or {}, configmap.get("binaryData") or {}
    found = _keys(data, "data") + _keys(binary, "binaryData")
    found += [invalid(f"data[{key}]", key, "duplicate of key present in binaryData") for key in data if key in binary]
    if sum(len(value) for value in (*data.values(), *binary.values())) > 1024 * 1024:
        found.append(FieldError("", "Too long: may not be more than 1048576 bytes"))
    return found


def _keys(data: Obj, path: str) -> list[FieldError]:
    why = (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )
    return [invalid(f"{path}[{key}]", key, why) for key in data if not names.is_config_key(key)]


def _budget(budget: Obj) -> list[FieldError]:
    spec = budget.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [invalid("spec", _Raw("{}"), "minAvailable and maxUnavailable cannot be both set")]
    found: list[FieldError] = []
    for field in ("minAvailable", "maxUnavailable"):
        if spec.get(field) is not None:
            found += _share(spec[field], f"spec.{field}", 100)
    return found


def _autoscaler(autoscaler: Obj) -> list[FieldError]:
    spec = autoscaler.get("spec") or {}
    found = _at_least(spec, "minReplicas", "spec", 1, "must be greater than or equal to 1")
    found += _at_least(spec, "maxReplicas", "spec", 1, "must be greater than 0")
    if not found and "maxReplicas" in spec and spec["maxReplicas"] < spec.get("minReplicas", 1):
        why = "must be greater than or equal to `minReplicas`"
        found.append(invalid("spec.maxReplicas", spec["maxReplicas"], why))
    return found


# -- changes ----------------------------------------------------------------------------------------------------------


def _same(new: Obj, old: Obj, *path: str) -> list[FieldError]:
    a: Any = new
    b: Any = old
    for key in path:
        a, b = (a or {}).get(key), (b or {}).get(key)
    if a == b:
        return []
    return [invalid(".".join(path), _Raw(_short(a)), IMMUTABLE)]


def _short(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _selector_stays(new: Obj, old: Obj) -> list[FieldError]:
    return _same(new, old, "spec", "selector")


def _job_change(new: Obj, old: Obj) -> list[FieldError]:
    found = []
    for field in ("completions", "selector", "template", "completionMode"):
        found += _same(new, old, "spec", field)
    return found


def _pod_change(new: Obj, old: Obj) -> list[FieldError]:
    if new.get("spec") == old.get("spec"):
        return []
    why = (
        "Forbidden: pocket runs a pod as it was created and changes nothing in its spec: change the Deployment "
        "or the Job that made it, or delete the pod and create it anew"
    )
    changed = sorted(
        field
        for field in {*(new.get("spec") or {}), *(old.get("spec") or {})}
        if (new.get("spec") or {}).get(field) != (old.get("spec") or {}).get(field)
    )
    return [FieldError(f"spec.{changed[0]}", why)]


def _service_change(new: Obj, old: Obj) -> list[FieldError]:
    if "ExternalName" in (new["spec"].get("type"), old["spec"].get("type")):
        return []
    if new["spec"].get("clusterIP") == old["spec"].get("clusterIP"):
        return []
    return [invalid("spec.clusterIP", new["spec"].get("clusterIP"), IMMUTABLE)]


def _data_change(new: Obj, old: Obj) -> list[FieldError]:
    """An immutable Secret or ConfigMap stays as it is."""
    found = [] if new["kind"] != "Secret" else _same(new, old, "type")
    if old.get("immutable"):
        if not new.get("immutable"):
            found.append(FieldError("immutable", "Forbidden: field is immutable when `immutable` is set"))
        found += [
            FieldError(field, "Forbidden: field is immutable when `immutable` is set")
            for field in ("data", "binaryData")
            if new.get(field) != old.get(field)
        ]
    return found


# -- small rules ------------------------------------------------------------------------------------------------------


def _one_of(spec: Obj, field: str, path: str, supported: tuple[str, ...]) -> list[FieldError]:
    value = spec.get(field)
    return [] if value is None or value in supported else [unsupported(f"{path}.{field}", value, supported)]


def _at_least(spec: Obj, field: str, path: str, least: int, why: str) -> list[FieldError]:
    value = spec.get(field)
    return [invalid(f"{path}.{field}", value, why)] if isinstance(value, int) and value < least else []


def _port_number(value: Any, path: str) -> list[FieldError]:
    if value is None:
        return [required(path)]
    return [] if 1 <= value <= 65535 else [invalid(path, value, "must be between 1 and 65535, inclusive")]


def _port(value: Any, path: str) -> list[FieldError]:
    """A number, or the name of a container's port."""
    if value is None:
        return [required(path)]
    return _port_number(value, path) if isinstance(value, int) else names.port_name(path, value)


_PERCENT = re.compile(r"^\d+%$")


def _share(value: Any, path: str, most: int | None) -> list[FieldError]:
    """A count, or a percentage."""
    if value is None:
        return []
    if isinstance(value, int):
        return [] if value >= 0 else [invalid(path, value, NON_NEGATIVE)]
    if not _PERCENT.match(value):
        why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"  # noqa: E501
        return [invalid(path, value, why)]
    return [invalid(path, value, "must not be greater than 100%")] if most and int(value[:-1]) > most else []


def _is_zero(value: Any) -> bool:
    return value in (0, "0%")


def _unique_names(entries: Any, path: str) -> list[FieldError]:
    seen: set[Any] = set()
    found = []
    for index, entry in enumerate(entries or []):
        name = entry.get("name")
        if name in seen:
            found.append(duplicate(f"{path}[{index}].name", name))
        seen.add(name)
    return found


_RULES: dict[str, Callable[[Obj], list[FieldError]]] = {
    "Pod": _pod,
    "Deployment": _deployment,
    "ReplicaSet": _replicaset,
    "Job": _job,
    "Service": _service,
    "Secret": _secret,
    "ConfigMap": _configmap,
    "PodDisruptionBudget": _budget,
    "HorizontalPodAutoscaler": _autoscaler,
}
_CHANGES: dict[str, Callable[[Obj, Obj], list[FieldError]]] = {
    "Deployment": _selector_stays,
    "ReplicaSet": _selector_stays,
    "Job": _job_change,
    "Pod": _pod_change,
    "Service": _service_change,
    "Secret": _data_change,
    "ConfigMap": _data_change,
}
