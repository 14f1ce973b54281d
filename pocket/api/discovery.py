"""Which kinds there are: version, groups, resources, in the old form (lists) and the new one (aggregated)."""

from __future__ import annotations

import platform
import sys

from pocket.api.target import COMPUTED, SUBRESOURCES
from pocket.objects import KINDS, Kind, Obj

KUBERNETES = (1, 37)
"""The version of the API that pocket speaks; kubectl wants to be within one minor version of it."""

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_FIXED_VERBS = ["get", "list", "patch", "update", "watch"]

# Subresources that are about another kind than their own: verbs, and the kind that goes over the wire.
_SUBRESOURCE_VERBS: dict[str, list[str]] = {
    "status": ["get", "patch", "update"],
    "scale": ["get", "patch", "update"],
    "finalize": ["update"],
    "log": ["get"],
    "exec": ["create", "get"],
    "attach": ["create", "get"],
    "portforward": ["create", "get"],
    "eviction": ["create"],
    "token": ["create"],
}
_SUBRESOURCE_KINDS: dict[str, tuple[str, str, str]] = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "exec": ("", "v1", "PodExecOptions"),
    "attach": ("", "v1", "PodAttachOptions"),
    "portforward": ("", "v1", "PodPortForwardOptions"),
}

# Questions that are answered and not stored: group -> version, kind, plural.
REVIEWS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "authorization.k8s.io": (
        ("v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        ("v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    ),
    "authentication.k8s.io": (("v1", "SelfSubjectReview", "selfsubjectreviews"),),
}


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


def groups() -> dict[str, list[str]]:
    """Every named group and its versions, the preferred one first."""
    found: dict[str, list[str]] = {}
    for kind in (*KINDS.values(), *COMPUTED.values()):
        if kind.group:
            versions = found.setdefault(kind.group, [])
            versions += [entry for entry in kind.versions if entry not in versions]
    for group in REVIEWS:
        found[group] = ["v1"]
    return dict(sorted(found.items()))


def core_versions(address: str) -> Obj:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list() -> Obj:
    """GET /apis."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in groups()]}


def group(name: str) -> Obj | None:
    """GET /apis/GROUP; None if there is none."""
    if name not in groups():
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def _group(name: str) -> Obj:
    versions = [{"groupVersion": f"{name}/{entry}", "version": entry} for entry in groups()[name]]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resources(group: str, version: str) -> Obj | None:
    """GET /api/v1, /apis/GROUP/VERSION; None if there is none."""
    served = (*KINDS.values(), *COMPUTED.values())
    kinds = [kind for kind in served if kind.group == group and version in kind.versions]
    reviews = [entry for entry in REVIEWS.get(group, ()) if entry[0] == version]
    if not kinds and not reviews:
        return None
    entries = [entry for kind in kinds for entry in _resource(kind)]
    entries += [
        {"name": plural, "singularName": name.lower(), "namespaced": False, "kind": name, "verbs": ["create"]}
        for _, name, plural in reviews
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": entries,
    }


def verbs(kind: Kind) -> list[str]:
    """What can be done with it."""
    if kind in COMPUTED.values():
        return ["get", "list"]
    return _FIXED_VERBS if kind.name in ("Node", "CustomResourceDefinition") else VERBS


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
    entries = [entry]
    for subresource in SUBRESOURCES.get(kind.name, ()):
        below: Obj = {
            "name": f"{kind.plural}/{subresource}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": _SUBRESOURCE_VERBS[subresource],
        }
        if subresource in _SUBRESOURCE_KINDS:
            below["group"], below["version"], below["kind"] = _SUBRESOURCE_KINDS[subresource]
        entries.append(below)
    return entries


def aggregated(core: bool) -> Obj:
    """GET /api and /apis with `Accept: application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io`."""
    wanted = {"": ["v1"]} if core else groups()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": name, "creationTimestamp": None},
                "versions": [
                    {"version": version, "resources": _aggregated_resources(name, version), "freshness": "Current"}
                    for version in versions
                ],
            }
            for name, versions in wanted.items()
        ],
    }


def _aggregated_resources(group: str, version: str) -> list[Obj]:
    listed = resources(group, version)
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
