"""The environment of a container, in the order in which Kubernetes builds it. Pure.

image < service links < envFrom < env (https://kubernetes.io/docs/tasks/inject-data-application/), and last what
pocket itself must decide: where the container listens and which proxy it uses.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping, Sequence

from pocket import quantity
from pocket.objects import Obj, annotations_of, labels_of, name_of, namespace_of, uid_of

Find = Callable[[str, "str | None", str], "Obj | None"]
"""Kind, namespace, name -> the object, if it is there (Store.find)."""

HOST = "127.0.0.1"
_REFERENCE = re.compile(r"\$(?:(\$)|\(([^()$]*)\))")
_KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """The environment or a volume cannot be made; the message is what CreateContainerConfigError shows."""


def container_environment(
    pod: Obj,
    container: Obj,
    find: Find,
    *,
    image: Mapping[str, str],
    links: Mapping[str, str],
    ours: Mapping[str, str],
    defaults: Mapping[str, str],
) -> dict[str, str]:
    """All variables of one container.

    `ours` wins over everything (HOST, PORT); `defaults` holds what a container that says nothing, or an empty
    text, gets (DYNAMODB_URL, the proxy). Raises ConfigError.
    """
    env = {**image, **links}
    env.update(_env_from(pod, container, find))
    for entry in container.get("env") or ():
        value = _value(pod, container, entry, env, find)
        if value is not None:
            env[str(entry["name"])] = value
    env.update({name: value for name, value in defaults.items() if not env.get(name)})
    env.update(ours)
    return env


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` as Kubernetes does: an unknown name stays as it is, `$$` is a dollar."""

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        return variables.get(match[2], match[0])

    return _REFERENCE.sub(one, text)


def command_of(
    container: Obj, entrypoint: Sequence[str] | None, cmd: Sequence[str] | None, env: Mapping[str, str]
) -> list[str]:
    """`command` and `args` over the image's ENTRYPOINT and CMD
    (https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/)."""
    command, args = container.get("command") or [], container.get("args") or []
    if not command:
        command = list(entrypoint or [])
        args = args or list(cmd or [])
        return [*command, *(expand(word, env) if container.get("args") else word for word in args)]
    return [expand(word, env) for word in [*command, *args]]


def service_links(
    services: Sequence[Obj], address: Callable[[Obj, int], tuple[str, int] | None]
) -> dict[str, str]:
    """`NAME_SERVICE_HOST`, `NAME_SERVICE_PORT` and the Docker-style ones for each Service that has an address.

    `address(service, port)` says where the container reaches that port.
    """
    links: dict[str, str] = {}
    for service in services:
        prefix = name_of(service).upper().replace("-", "_")
        ports = service["spec"].get("ports") or []
        for index, port in enumerate(ports):
            found = address(service, int(port["port"]))
            if found is None:
                continue
            host, number = found
            if index == 0:
                links[f"{prefix}_SERVICE_HOST"] = host
                links[f"{prefix}_SERVICE_PORT"] = str(number)
                links[f"{prefix}_PORT"] = f"tcp://{host}:{number}"
            if port.get("name"):
                links[f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
            stem = f"{prefix}_PORT_{port['port']}_{port.get('protocol', 'TCP')}"
            links[stem] = f"tcp://{host}:{number}"
            links.update({f"{stem}_PROTO": "tcp", f"{stem}_PORT": str(number), f"{stem}_ADDR": host})
    return links


def secret_value(secret: Obj, key: str) -> bytes | None:
    """The bytes under `key` of a Secret."""
    if key in (secret.get("stringData") or {}):
        return str(secret["stringData"][key]).encode()
    value = (secret.get("data") or {}).get(key)
    return None if value is None else base64.b64decode(value or "")


def config_value(config: Obj, key: str) -> bytes | None:
    """The bytes under `key` of a ConfigMap."""
    if key in (config.get("data") or {}):
        return str(config["data"][key]).encode()
    value = (config.get("binaryData") or {}).get(key)
    return None if value is None else base64.b64decode(value)


def field_value(pod: Obj, path: str) -> str:
    """What a fieldRef gives. Raises ConfigError for a path that Kubernetes does not know either."""
    keyed = _KEYED.fullmatch(path)
    if keyed:
        return (labels_of(pod) if keyed[1] == "labels" else annotations_of(pod)).get(keyed[2], "")
    simple = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod) or "",
        "metadata.uid": uid_of(pod) if "uid" in pod["metadata"] else "",
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": HOST,
        "status.podIPs": HOST,
        "status.hostIP": HOST,
        "status.hostIPs": HOST,
    }
    if path in simple:
        return str(simple[path])
    if path in ("metadata.labels", "metadata.annotations"):  # volumes only
        pairs = labels_of(pod) if path.endswith("labels") else annotations_of(pod)
        return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
    raise ConfigError(f"unsupported fieldPath: {path}")


def resource_value(container: Obj, reference: Obj) -> str:
    """What a resourceFieldRef gives; where there is no limit, the machine's own figure. Raises ConfigError."""
    kind, _, name = str(reference["resource"]).partition(".")
    resources = container.get("resources") or {}
    value: str | int | float | None = (resources.get(kind) or {}).get(name)
    if value is None and kind == "requests":
        value = (resources.get("limits") or {}).get(name, "0")
    if value is None:
        value = {"cpu": os.cpu_count() or 1, "memory": _memory()}.get(name, 0)
    try:
        return str(quantity.divided(value, reference.get("divisor") or "1"))
    except ValueError as error:
        raise ConfigError(f"resourceFieldRef {reference['resource']}: {error}") from error


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _env_from(pod: Obj, container: Obj, find: Find) -> dict[str, str]:
    env: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            reference = source.get(field)
            if reference is None:
                continue
            obj = find(kind, namespace_of(pod), reference["name"])
            if obj is None:
                if reference.get("optional"):
                    continue
                raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
            read = secret_value if kind == "Secret" else config_value
            for key in sorted({**(obj.get("data") or {}), **(obj.get("stringData") or {})}):
                value = read(obj, key)
                if value is not None:
                    env[source.get("prefix", "") + key] = value.decode(errors="replace")
    return env


def _value(pod: Obj, container: Obj, entry: Obj, env: Mapping[str, str], find: Find) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return expand(str(entry.get("value") or ""), env)
    if "fieldRef" in source:
        return field_value(pod, str(source["fieldRef"]["fieldPath"]))
    if "resourceFieldRef" in source:
        return resource_value(container, source["resourceFieldRef"])
    kind, reference = (
        ("Secret", source["secretKeyRef"]) if "secretKeyRef" in source else ("ConfigMap", source["configMapKeyRef"])
    )
    obj = find(kind, namespace_of(pod), reference["name"])
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    value = (secret_value if kind == "Secret" else config_value)(obj, reference["key"])
    if value is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace_of(pod)}/{reference['name']}")
    return value.decode(errors="replace")
