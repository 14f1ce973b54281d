"""Which kinds there are: version, groups, resources, in the old form (lists) and the new one (aggregated)."""

from __future__ import annotations

import base64
import hashlib
import platform
import sys

from pocket.api.catalog import Catalog
from pocket.kinds import strategy
from pocket.objects import Kind, Obj

KUBERNETES = (1, 37)
"""The version of the API that pocket speaks; kubectl wants to be within one minor version of it."""


def version() -> Obj:
    """GET /version."""
    major, minor = KUBERNETES
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": f"v{major}.{minor}.0-pocket",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "compiler": "",
        "platform": f"{sys.platform}/{machine}",
    }


def core_versions(address: str) -> Obj:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(kinds: Catalog) -> Obj:
    """GET /apis."""
    groups = [_group(name, versions) for name, versions in kinds.groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: Catalog, name: str) -> Obj | None:
    """GET /apis/GROUP; None if there is none."""
    versions = kinds.groups().get(name)
    return None if versions is None else {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def _group(name: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{entry}", "version": entry} for entry in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resources(kinds: Catalog, group: str, version: str) -> Obj | None:
    """GET /api/v1, /apis/GROUP/VERSION; None if there is none."""
    found = [kind for kind in kinds if kind.group == group and version in kind.versions]
    if not found:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for kind in found for entry in _resource(kind)],
    }


def verbs(kind: Kind) -> list[str]:
    """What can be done with it."""
    fixed = ("create", "delete", "deletecollection") if strategy(kind).fixed else ()
    return [verb for verb in kind.verbs if verb not in fixed]


def _resource(kind: Kind) -> list[Obj]:
    entry: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": verbs(kind),
    }
    if kind.short:
        entry["shortNames"] = list(kind.short)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if "create" in kind.verbs and "watch" in kind.verbs:
        entry["storageVersionHash"] = _storage_version_hash(kind)
    entries = [entry]
    for name, subresource in kind.subresources.items():
        below: Obj = {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": subresource.kind,
            "verbs": list(subresource.verbs),
        }
        if subresource.kind != kind.name:
            below["group"], below["version"] = subresource.group, subresource.version
        entries.append(below)
    return entries


def _storage_version_hash(kind: Kind) -> str:
    """Tells clients when objects are stored in another version (k8s.io/apiserver's discovery.StorageVersionHash)."""
    group, _, version = kind.stored_version.rpartition("/")
    digest = hashlib.sha256(f"{group}/{version}/{kind.name}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


def aggregated(kinds: Catalog, core: bool) -> Obj:
    """GET /api and /apis with `Accept: application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io`."""
    wanted = {"": ["v1"]} if core else kinds.groups()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name, "creationTimestamp": None},
                "versions": [
                    {
                        "version": version,
                        "resources": _aggregated_resources(kinds, name, version),
                        "freshness": "Current",
                    }
                    for version in versions
                ],
            }
            for name, versions in wanted.items()
        ],
    }


def _aggregated_resources(kinds: Catalog, group: str, version: str) -> list[Obj]:
    listed = resources(kinds, group, version)
    found: dict[str, Obj] = {}
    for entry in listed["resources"] if listed else ():
        name, _, subresource = entry["name"].partition("/")
        kind = {
            "group": entry.get("group", group),
            "version": entry.get("version", version),
            "kind": entry["kind"],
        }
        if subresource:
            below = {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            found[name].setdefault("subresources", []).append(below)
            continue
        found[name] = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            "singularResource": entry["singularName"],
            "verbs": entry["verbs"],
            **{key: entry[key] for key in ("shortNames", "categories") if key in entry},
        }
    return list(found.values())
