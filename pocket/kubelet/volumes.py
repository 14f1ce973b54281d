"""A pod's volumes: folders in the pod's own folder, linked into each container's tree where it mounts them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from pocket.files import Outside, within, write_private
from pocket.kubelet.environment import (
    ConfigError,
    Find,
    config_value,
    field_value,
    resource_value,
    secret_value,
)
from pocket.kubelet.supported import VOLUMES
from pocket.objects import Obj, namespace_of

SERVICE_ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"


def prepare(pod: Obj, folder: Path, find: Find, account: Mapping[str, bytes]) -> None:
    """Make (or bring up to date) every volume of the pod under `folder`.

    `account` is what a serviceAccountToken source holds: token, ca.crt, namespace. Raises ConfigError and OSError.
    """
    for volume in pod["spec"].get("volumes") or ():
        place = folder / str(volume["name"])
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if "emptyDir" in volume:
            continue
        files = dict(_files(pod, volume, find, account))
        for relative, content in files.items():
            _write(place, relative, content)
        for path in sorted(place.rglob("*")):
            if not path.is_dir() and str(path.relative_to(place)) not in files:
                path.unlink()


def mount(pod: Obj, container: Obj, volumes: Path, rootfs: Path) -> None:
    """Link the container's volumeMounts into its tree. Raises ConfigError and OSError."""
    known = {volume["name"] for volume in pod["spec"].get("volumes") or ()}
    for entry in sorted(container.get("volumeMounts") or (), key=lambda entry: str(entry["mountPath"])):
        if entry["name"] not in known:
            raise ConfigError(f'volumeMounts: the pod has no volume "{entry["name"]}"')
        source = volumes / entry["name"]
        if entry.get("subPath"):
            try:
                source = within(source, source / entry["subPath"])
            except Outside:  # a link that a container has put there: the kubelet's words
                name, owner = entry["name"], container.get("name")
                message = f'failed to prepare subPath for volumeMount "{name}" of container "{owner}"'
                raise ConfigError(message) from None
            if not source.exists():
                source.mkdir(parents=True)
        link_in(rootfs, str(entry["mountPath"]), source)


def link_in(rootfs: Path, mount_path: str, source: Path) -> None:
    """Have `source` appear at `mount_path` of the container. Raises ConfigError."""
    path = Path(os.path.normpath(rootfs / mount_path.lstrip("/")))
    try:
        within(rootfs.parent.parent, path.parent)  # the pod's folder: below another mount is in one of its volumes
        inside = rootfs in path.parents
    except Outside:
        inside = False
    if not inside:
        raise ConfigError(f"mountPath {mount_path}: pocket cannot mount there")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)  # the container's own copy of what the mount hides
    path.symlink_to(source)


def mounted_at(container: Obj, mount_path: str) -> Obj | None:
    """The volumeMount at that path, if there is one."""
    for entry in container.get("volumeMounts") or ():
        if str(entry["mountPath"]).rstrip("/") == mount_path:
            return dict(entry)
    return None


def uses(pod: Obj, kind: str, name: str) -> bool:
    """Does a volume of the pod show this ConfigMap or Secret?"""
    for volume in pod["spec"].get("volumes") or ():
        for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
            reference = source.get("configMap" if kind == "ConfigMap" else "secret") or {}
            if name in (reference.get("name"), reference.get("secretName")):
                return True
    return False


def _files(pod: Obj, volume: Obj, find: Find, account: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    kinds = [kind for kind in VOLUMES if kind in volume]
    if not kinds:
        unknown = ", ".join(sorted(set(volume) - {"name"})) or "nothing"
        known = ", ".join(VOLUMES)
        raise ConfigError(f'volume "{volume["name"]}": {unknown}: not supported by pocket, which has {known}')
    for source in (volume["projected"].get("sources") or ()) if kinds[0] == "projected" else (volume,):
        if "secret" in source:
            yield from _keyed(pod, "Secret", source["secret"], find)
        elif "configMap" in source:
            yield from _keyed(pod, "ConfigMap", source["configMap"], find)
        elif "serviceAccountToken" in source:
            yield str(source["serviceAccountToken"]["path"]), account.get("token", b"")
        elif "downwardAPI" in source:
            for item in source["downwardAPI"].get("items") or ():
                yield str(item["path"]), _downward(pod, item).encode()
        else:
            raise ConfigError(f'volume "{volume["name"]}": {", ".join(sorted(source))}: not supported by pocket')


def _keyed(pod: Obj, kind: str, reference: Obj, find: Find) -> Iterator[tuple[str, bytes]]:
    name = str(reference.get("secretName") or reference.get("name"))
    obj = find(kind, namespace_of(pod), name)
    if obj is None:
        if reference.get("optional"):
            return
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    read = secret_value if kind == "Secret" else config_value
    keys = sorted({**(obj.get("data") or {}), **(obj.get("stringData") or {}), **(obj.get("binaryData") or {})})
    items = reference.get("items") or [{"key": key, "path": key} for key in keys]
    for item in items:
        value = read(obj, item["key"])
        if value is not None:
            yield str(item["path"]), value
        elif not reference.get("optional"):
            raise ConfigError(f"references non-existent {kind.lower()} key: {item['key']}")


def _downward(pod: Obj, item: Obj) -> str:
    if "fieldRef" in item:
        return field_value(pod, str(item["fieldRef"]["fieldPath"]))
    reference = item["resourceFieldRef"]
    for container in pod["spec"]["containers"]:
        if container["name"] == reference.get("containerName"):
            return resource_value(container, reference)
    raise ConfigError(f'resourceFieldRef: no container "{reference.get("containerName")}"')


def _write(place: Path, relative: str, content: bytes) -> None:
    """Readable by the owner alone; a reader sees the old content or the new one."""
    path = place / relative
    try:
        within(place, path.parent)
    except Outside:  # the API refuses such a path; here a container has put a link into its volume
        raise ConfigError(f"{relative}: leads out of the volume") from None
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return
    write_private(path, content)
