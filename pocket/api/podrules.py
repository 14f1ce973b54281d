"""What makes the spec of a pod, or a template with one, wrong (pkg/apis/core/validation). Pure."""

from __future__ import annotations

from typing import Any

from pocket.api import checks, names, selectors
from pocket.api.names import duplicate, invalid, required, unsupported
from pocket.objects import FieldError, Obj


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
    found += checks.unique_names(spec.get("volumes"), f"{path}.volumes")
    for index, volume in enumerate(spec.get("volumes") or []):
        here = f"{path}.volumes[{index}]"
        found += names.label_1123(f"{here}.name", str(volume.get("name", "")))
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            found.append(FieldError(f"{here}.{sources[1]}", "Forbidden: may not specify more than 1 volume type"))
        found += _volume_paths(volume, here)
    found += checks.one_of(spec, "restartPolicy", path, ("Always", "OnFailure", "Never"))
    found += checks.one_of(spec, "dnsPolicy", path, ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"))
    found += checks.at_least(spec, "terminationGracePeriodSeconds", path, 0, checks.NON_NEGATIVE)
    found += checks.at_least(spec, "activeDeadlineSeconds", path, 1, "must be between 1 and 2147483647, inclusive")
    found += names.label_entries(f"{path}.nodeSelector", spec.get("nodeSelector"))
    return found


def _volume_paths(volume: Obj, path: str) -> list[FieldError]:
    """The files of a volume stay in it. The paths of the fields are the real server's, odd ones included."""
    found: list[FieldError] = []
    projected = (volume.get("projected") or {}).get("sources") or ()
    places = [(f"{path}.projected.sources[{index}]", source) for index, source in enumerate(projected)]
    for here, source in ((path, volume), *places):
        for kind in ("secret", "configMap"):
            for index, item in enumerate((source.get(kind) or {}).get("items") or ()):
                found += _item_path(item, f"{here}.{kind}.items[{index}].path")
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            found += _item_path(item, f"{here}.downwardAPI.path")
        if token := source.get("serviceAccountToken"):
            found += _item_path(token, f"{path}.projected.path")
    return found


def _item_path(item: Obj, path: str) -> list[FieldError]:
    return names.local_path(path, item["path"]) if item.get("path") else [required(path)]


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
    found += checks.one_of(container, "imagePullPolicy", path, ("Always", "IfNotPresent", "Never"))
    found += checks.one_of(container, "terminationMessagePolicy", path, ("FallbackToLogsOnError", "File"))
    port_names: set[str] = set()
    for index, port in enumerate(container.get("ports") or []):
        here = f"{path}.ports[{index}]"
        found += checks.port_number(port.get("containerPort"), f"{here}.containerPort")
        if port.get("hostPort"):
            found += checks.port_number(port["hostPort"], f"{here}.hostPort")
        found += checks.one_of(port, "protocol", here, ("SCTP", "TCP", "UDP"))
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
        found += names.descending_path(f"{here}.subPath", mount.get("subPath") or "")
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
        found += checks.at_least(probe, field, path, 0, checks.NON_NEGATIVE)
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
            found += checks.port(action.get("port"), f"{path}.{kind}.port")
            if kind == "httpGet":
                found += checks.one_of(action, "scheme", f"{path}.{kind}", ("HTTP", "HTTPS"))
    if handler.get("exec") is not None and not handler["exec"].get("command"):
        found.append(required(f"{path}.exec.command"))
    return found


def template(template: Obj, selector: Obj | None, path: str, policies: tuple[str, ...]) -> list[FieldError]:
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
    return checks.Raw("{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}")


def selector(selector: Obj | None, path: str) -> list[FieldError]:
    if selector is None:
        return [required(path)]
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return [invalid(path, checks.Raw("{}"), "empty selector is invalid for deployment")]
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


def workload(spec: Obj) -> list[FieldError]:
    """The spec of a Deployment or a ReplicaSet."""
    found = checks.at_least(spec, "replicas", "spec", 0, checks.NON_NEGATIVE)
    chosen = spec.get("selector")
    found += selector(chosen, "spec.selector")
    if spec.get("template") is None:
        return [*found, required("spec.template")]
    whole = chosen if not found else None
    return found + template(spec["template"], whole, "spec.template", ("Always",))
