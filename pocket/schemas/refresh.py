"""Takes upstream's schemas out of the modules that carry them, and trims them to what pocket serves.

Whoever raises a version in `go.mod` runs, with Go installed:

    (cd pocket/schemas && go mod download) && .venv/bin/python -m pocket.schemas.refresh

`go.mod` and `go.sum` pin the modules by version and hash. What comes out, one definition a line and sorted, so that a
difference is what upstream changed:

- `kubernetes.jsonl`: the types of Kubernetes' OpenAPI v3 documents, with their numbers in protobuf;
- `kinds.json`: the kinds that a Kubernetes of that version serves (its discovery document);
- `istio.jsonl`, `gateway-api.jsonl`, `monitoring.jsonl`: CustomResourceDefinitions.

Nothing of this runs where pocket runs.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
Json = dict[str, Any]

_STABLE = re.compile(r"^v\d+$")
_REFERENCE = "#/components/schemas/"
_OUTSIDE = ("resource.k8s.io", "storagemigration.k8s.io", "internal.apiserver.k8s.io", "lifecycle.k8s.io")
"""Groups for hardware and for the migration of a real API server's store: nobody asks a pocket for them."""

# OpenAPI's name of a package -> where its Go types stand.
_PACKAGES = {
    "io.k8s.apimachinery.pkg.apis.meta.v1": ("k8s.io/apimachinery", "pkg/apis/meta/v1"),
    "io.k8s.apimachinery.pkg.runtime": ("k8s.io/apimachinery", "pkg/runtime"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": (
        "k8s.io/apiextensions-apiserver", "pkg/apis/apiextensions/v1",
    ),
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": ("k8s.io/kube-aggregator", "pkg/apis/apiregistration/v1"),
}  # fmt: skip
_OPERATOR = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"
_GENERATOR = "v0.23.0"
_MONITORING = ("podmonitors", "probes", "prometheusrules", "servicemonitors")
"""What an application brings. Those that an operator runs (Prometheus, Alertmanager ...) are ten times as long."""
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"^\t(?:(\w+)\s+)?([*\[\]\w.]+)\s+`([^`]*)`", re.MULTILINE)
_PROTOBUF = re.compile(r'protobuf:"\w+,(\d+),')
_JSON = re.compile(r'json:"([^",]*)(,[^"]*)?"')


def main() -> None:
    """Write everything anew."""
    modules = {module["Path"]: module for module in _modules()}
    definitions, kinds = kubernetes(zipfile.ZipFile(modules["k8s.io/kubernetes"]["Zip"]))
    for name, definition in definitions.items():
        if numbers := _numbers(name, {path: Path(module["Dir"]) for path, module in modules.items()}):
            definition["x-protobuf"] = numbers
    _write("kubernetes.jsonl", [{"name": name, "schema": definitions[name]} for name in sorted(definitions)])
    (HERE / "kinds.json").write_text("[\n" + ",\n".join(json.dumps(kind) for kind in kinds) + "\n]\n")
    istio = Path(modules["istio.io/api"]["Dir"])
    _write("istio.jsonl", _definitions([istio / "kubernetes/customresourcedefinitions.gen.yaml"]))
    gateway = Path(modules["sigs.k8s.io/gateway-api"]["Dir"])
    _write("gateway-api.jsonl", _definitions(_gateway_api(gateway / "config/crd")))
    _write("monitoring.jsonl", _monitoring(modules[_OPERATOR]["Version"]))
    (HERE / "LICENSE").write_text((istio / "LICENSE").read_text())


def _gateway_api(folder: Path) -> list[Path]:
    """The standard channel; HTTPRoutes with what is experimental, for Istio honours `retry`, which is only there."""
    experimental = "gateway.networking.k8s.io_httproutes.yaml"
    standard = [path for path in sorted((folder / "standard").glob("*.yaml")) if path.name != experimental]
    return [*standard, folder / "experimental" / experimental]


def _modules() -> list[Json]:
    done = subprocess.run(["go", "mod", "download", "-json"], cwd=HERE, check=True, stdout=subprocess.PIPE)
    decoder, text, found = json.JSONDecoder(), done.stdout.decode(), []
    while text.strip():
        module, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(module)
    return found


# -- Kubernetes --------------------------------------------------------------------------------------------------------


def kubernetes(module: zipfile.ZipFile) -> tuple[dict[str, Json], list[Json]]:
    """The types that the stable kinds need, and those kinds."""
    schemas: dict[str, Json] = {}
    for name in module.namelist():
        if re.search(r"/api/openapi-spec/v3/apis?__.*v\d+_openapi\.json$", name):
            schemas |= json.loads(module.read(name))["components"]["schemas"]
    types = {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, entry in schemas.items()
        for gvk in entry.get("x-kubernetes-group-version-kind", ())
        if name.rpartition(".")[2] == gvk["kind"]
    }
    discovery = next(name for name in module.namelist() if name.endswith("/api/discovery/aggregated_v2.json"))
    core = discovery.replace("aggregated_v2", "api__v1")
    kinds = _kinds([_core(json.loads(module.read(core))), *json.loads(module.read(discovery))["items"]], types)
    wanted = [name for kind in kinds for name in kind["types"].values()]
    wanted += [below["type"] for kind in kinds for below in kind["subresources"].values() if below["type"]]
    wanted += [f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}" for name in ("ListMeta", "DeleteOptions", "Status")]
    found: dict[str, Json] = {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = entry = schemas[name]
            if len(entry.get("x-kubernetes-group-version-kind", ())) > 1:
                del entry["x-kubernetes-group-version-kind"]  # DeleteOptions: a hundred groups have it
            wanted += _references(entry)
    return found, kinds


def _core(listed: Json) -> Json:
    """The list of the core group's resources, in the form of the other groups."""
    found: dict[str, Json] = {}
    for entry in sorted(listed["resources"], key=lambda entry: str(entry["name"])):
        name, _, below = entry["name"].partition("/")
        kind = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        if below:
            found[name].setdefault("subresources", []).append(
                {"subresource": below, "responseKind": kind, "verbs": entry["verbs"]}
            )
        else:
            found[name] = {
                **entry, "resource": name, "singularResource": entry["singularName"], "responseKind": kind,
                "scope": "Namespaced" if entry["namespaced"] else "Cluster",
            }  # fmt: skip
    return {"metadata": {}, "versions": [{"version": "v1", "resources": list(found.values())}]}


def _kinds(groups: list[Json], types: dict[tuple[str, str, str], str]) -> list[Json]:
    """One entry a kind: its versions (the preferred one first), names, verbs, subresources and types."""
    found: dict[tuple[str, str], Json] = {}
    for group in groups:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            if name in _OUTSIDE or not _STABLE.match(version["version"]):
                continue
            for resource in version["resources"]:
                kind = resource["responseKind"]["kind"]
                entry = found.setdefault(
                    (name, resource["resource"]),
                    {
                        "group": name,
                        "kind": kind,
                        "plural": resource["resource"],
                        "singular": resource["singularResource"],
                        "namespaced": resource["scope"] == "Namespaced",
                        "verbs": resource["verbs"],
                        "short": resource.get("shortNames", []),
                        "categories": resource.get("categories", []),
                        "types": {},
                        "subresources": {},
                    },
                )
                entry["types"][version["version"]] = types[name, version["version"], kind]
                for below in resource.get("subresources", ()):
                    answer = below["responseKind"]
                    own = answer["kind"] == kind
                    gvk = (
                        name if own else answer["group"], answer["version"] or version["version"], answer["kind"]
                    )  # fmt: skip
                    entry["subresources"][below["subresource"]] = {
                        "group": gvk[0], "version": gvk[1], "kind": gvk[2], "type": types.get(gvk, ""),
                        "verbs": below["verbs"],
                    }  # fmt: skip
    return list(found.values())


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].removeprefix(_REFERENCE)
        for entry in value.values():
            yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)


def _numbers(name: str, folders: dict[str, Path]) -> str:
    """A type's fields in protobuf, `metadata=1 replicas=2* exec=1.1*`, from the tags of its Go type.

    A star marks a pointer (which may be there and zero); two numbers are those of a Go type whose fields stand in this
    one in JSON, and of a field in it.
    """
    package, _, type_name = name.rpartition(".")
    module, below = _PACKAGES.get(package, ("k8s.io/api", "/".join(package.removeprefix("io.k8s.api.").split("."))))
    structs = _structs(folders[module] / below) if module in folders else {}
    return " ".join(_tags(structs, type_name, ""))


@functools.cache
def _structs(folder: Path) -> dict[str, str]:
    return {name: body for path in sorted(folder.glob("*.go")) for name, body in _STRUCT.findall(path.read_text())}


def _tags(structs: dict[str, str], type_name: str, prefix: str) -> Iterator[str]:
    for _, go_type, tags in _MEMBER.findall(structs.get(type_name, "")):
        number, written = _PROTOBUF.search(tags), _JSON.search(tags)
        if not number or not written or written.group(1) == "-":
            continue
        if not written.group(1):
            yield from _tags(structs, go_type.removeprefix("*"), f"{prefix}{number.group(1)}.")
        else:
            yield f"{written.group(1)}={prefix}{number.group(1)}{'*' if go_type.startswith('*') else ''}"


# -- CustomResourceDefinitions -----------------------------------------------------------------------------------------


def _definitions(files: list[Path]) -> list[Json]:
    found = [
        entry
        for path in files
        for entry in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
        if entry and entry["kind"] == "CustomResourceDefinition"
    ]
    for entry in found:
        entry.pop("status", None)
        entry["metadata"] = {
            key: value for key, value in entry["metadata"].items() if key in ("name", "labels", "annotations")
        }
    return sorted(found, key=lambda entry: str(entry["metadata"]["name"]))


def _monitoring(version: str) -> list[Json]:
    """The Prometheus operator makes its definitions from its Go types, with this generator: so do we."""
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame"
        frame.mkdir()
        (frame / "frame.go").write_text(f'package frame\n\nimport _ "{_OPERATOR}/v1"\n')
        for command in (
            ["go", "mod", "init", "c756.example/frame"],
            ["go", "get", f"{_OPERATOR}@{version}"],
            ["go", "get", "-tool", f"sigs.k8s.io/controller-tools/cmd/controller-gen@{_GENERATOR}"],
            ["go", "mod", "tidy"],
            ["go", "tool", "controller-gen", "crd", f"paths={_OPERATOR}/v1", f"output:crd:dir={folder}"],
        ):
            subprocess.run(command, cwd=frame, check=True)
        return _definitions([Path(folder, f"monitoring.coreos.com_{plural}.yaml") for plural in _MONITORING])


def _write(name: str, entries: list[Json]) -> None:
    lines = [json.dumps(entry, separators=(",", ":"), ensure_ascii=False) for entry in entries]
    (HERE / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
