"""What makes an object of a built-in kind wrong although its fields are known and typed: the rules that people meet.

The rules and their wording are those of the real API server (pkg/apis/*/validation). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pocket.api import changes, checks, names, podrules, schema
from pocket.api.names import duplicate, invalid, required, unsupported
from pocket.objects import KINDS, FieldError, Obj


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
    return _unique(check(new) + changes.check(new, old))


def _unique(found: list[FieldError]) -> list[FieldError]:
    return list(dict.fromkeys(found))


# -- metadata ----------------------------------------------------------------------------------------------------------


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


# -- the kinds ---------------------------------------------------------------------------------------------------------


def _pod(pod: Obj) -> list[FieldError]:
    return podrules.pod_spec(pod.get("spec") or {}, "spec")


def _deployment(deployment: Obj) -> list[FieldError]:
    spec = deployment["spec"]
    found = _workload(spec)
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        found += checks.at_least(spec, field, "spec", 0, checks.NON_NEGATIVE)
    if (spec.get("progressDeadlineSeconds") or 600) <= (spec.get("minReadySeconds") or 0):
        deadline = spec["progressDeadlineSeconds"]
        found.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    strategy = spec.get("strategy") or {}
    found += checks.one_of(strategy, "type", "spec.strategy", ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        found.append(
            FieldError(
                "spec.strategy.rollingUpdate",
                "Forbidden: may not be specified when strategy `type` is 'Recreate'",
            )
        )
    elif rolling is not None:
        found += checks.share(rolling.get("maxUnavailable"), "spec.strategy.rollingUpdate.maxUnavailable", 100)
        found += checks.share(rolling.get("maxSurge"), "spec.strategy.rollingUpdate.maxSurge", None)
        if checks.is_zero(rolling.get("maxUnavailable")) and checks.is_zero(rolling.get("maxSurge")):
            found.append(
                invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    rolling["maxUnavailable"],
                    "may not be 0 when `maxSurge` is 0",
                )
            )
    return found


def _workload(spec: Obj) -> list[FieldError]:
    found = checks.at_least(spec, "replicas", "spec", 0, checks.NON_NEGATIVE)
    selector = spec.get("selector")
    found += podrules.selector(selector, "spec.selector")
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    whole = selector if not found else None
    return found + podrules.template(spec["template"], whole, "spec.template", ("Always",))


def _replicaset(replicaset: Obj) -> list[FieldError]:
    spec = replicaset["spec"]
    return _workload(spec) + checks.at_least(spec, "minReadySeconds", "spec", 0, checks.NON_NEGATIVE)


def _job(job: Obj) -> list[FieldError]:
    spec = job["spec"]
    found: list[FieldError] = []
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        found += checks.at_least(spec, field, "spec", 0, checks.NON_NEGATIVE)
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    template = spec["template"]
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        found.append(unsupported("spec.template.spec.restartPolicy", policy, ("OnFailure", "Never")))
    return found + podrules.template(template, spec.get("selector"), "spec.template", ("Always", "OnFailure", "Never"))


def _service(service: Obj) -> list[FieldError]:
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
        return [invalid("spec", checks.Raw("{}"), "minAvailable and maxUnavailable cannot be both set")]
    found: list[FieldError] = []
    for field in ("minAvailable", "maxUnavailable"):
        if spec.get(field) is not None:
            found += checks.share(spec[field], f"spec.{field}", 100)
    return found


def _autoscaler(autoscaler: Obj) -> list[FieldError]:
    spec = autoscaler.get("spec") or {}
    found = checks.at_least(spec, "minReplicas", "spec", 1, "must be greater than or equal to 1")
    found += checks.at_least(spec, "maxReplicas", "spec", 1, "must be greater than 0")
    if not found and "maxReplicas" in spec and spec["maxReplicas"] < spec.get("minReplicas", 1):
        why = "must be greater than or equal to `minReplicas`"
        found.append(invalid("spec.maxReplicas", spec["maxReplicas"], why))
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
