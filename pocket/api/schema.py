"""The fields of the built-in kinds, read as data from the sources of `lightkube-models`.

Those modules are generated from Kubernetes' own OpenAPI document: one dataclass a type, with a required field where
there is no default, and the documentation of each field in the docstring. Importing them would need the `lightkube`
client and keep thousands of classes in memory; the sources are regular enough to read the one class that is asked for.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pocket.objects import Kind

MODULES = (
    "core_v1", "apps_v1", "batch_v1", "meta_v1", "discovery_v1", "policy_v1", "autoscaling_v2", "autoscaling_v1",
    "authentication_v1", "authorization_v1", "apiextensions_v1", "scheduling_v1alpha3",
)  # fmt: skip

TypeName = Literal[
    "string", "integer", "number", "boolean", "time", "bytes", "quantity", "int-or-string", "any", "list", "map",
    "struct",
]  # fmt: skip


@dataclass(frozen=True)
class Type:
    """The type of a field."""

    name: TypeName
    of: Type | None = None  # the elements of a list, the values of a map
    struct: str = ""  # for name == "struct": `core_v1.Container`


@dataclass(frozen=True)
class Field:
    type: Type
    required: bool


@dataclass(frozen=True)
class Struct:
    """One type with named fields."""

    name: str  # `core_v1.Container`
    fields: dict[str, Field]

    @property
    def short_name(self) -> str:
        return self.name.partition(".")[2]


_STRING = Type("string")
_ANY = Type("any")
_SCALARS: dict[str, Type] = {
    "str": _STRING,
    "int": Type("integer"),
    "float": Type("number"),
    "bool": Type("boolean"),
    "meta_v1.Time": Type("time"),
    "meta_v1.MicroTime": Type("time"),
    "resource.Quantity": Type("quantity"),
    "util_intstr.IntOrString": Type("int-or-string"),
    "runtime.RawExtension": _ANY,
    "meta_v1.FieldsV1": _ANY,
    "meta_v1.Patch": _ANY,
    "apiextensions_v1.JSON": _ANY,
    "apiextensions_v1.JSONSchemaPropsOrArray": _ANY,
    "apiextensions_v1.JSONSchemaPropsOrBool": _ANY,
    "apiextensions_v1.JSONSchemaPropsOrStringArray": _ANY,
    "apiextensions_v1.CustomResourceSubresourceStatus": _ANY,
    # Types without fields, within a Job's alpha field `scheduling`.
    "scheduling_v1alpha3.WorkloadPodGroupAllDisruptionMode": _ANY,
    "scheduling_v1alpha3.WorkloadPodGroupSingleDisruptionMode": _ANY,
    "scheduling_v1alpha3.WorkloadPodGroupBasicSchedulingPolicy": _ANY,
}

# The sources write every map as `dict`. All are maps of strings but these (https://kubernetes.io/docs/reference/).
_MAPS: dict[tuple[str, str], Type] = {
    ("core_v1.Secret", "data"): Type("bytes"),
    ("core_v1.ConfigMap", "binaryData"): Type("bytes"),
    ("core_v1.ResourceRequirements", "limits"): Type("quantity"),
    ("core_v1.ResourceRequirements", "requests"): Type("quantity"),
    ("core_v1.VolumeResourceRequirements", "limits"): Type("quantity"),
    ("core_v1.VolumeResourceRequirements", "requests"): Type("quantity"),
    ("core_v1.ContainerStatus", "allocatedResources"): Type("quantity"),
    ("core_v1.PodStatus", "allocatedResources"): Type("quantity"),
    ("core_v1.NodeStatus", "allocatable"): Type("quantity"),
    ("core_v1.NodeStatus", "capacity"): Type("quantity"),
    ("core_v1.PodSpec", "overhead"): Type("quantity"),
    ("policy_v1.PodDisruptionBudgetStatus", "disruptedPods"): Type("time"),
    ("apiextensions_v1.JSONSchemaProps", "definitions"): _ANY,
    ("apiextensions_v1.JSONSchemaProps", "dependencies"): _ANY,
    ("apiextensions_v1.JSONSchemaProps", "patternProperties"): _ANY,
    ("apiextensions_v1.JSONSchemaProps", "properties"): _ANY,
}

_GROUP_MODULES = {
    "": "core", "apps": "apps", "batch": "batch", "discovery.k8s.io": "discovery", "policy": "policy",
    "autoscaling": "autoscaling", "apiextensions.k8s.io": "apiextensions",
}  # fmt: skip

_CLASS = re.compile(rb"^@dataclass\nclass (\w+)\(DictMixin\):\n", re.MULTILINE)
_FIELD = re.compile(r"^    (\w+): '([^']+)'( = .*)?$", re.MULTILINE)
_JSON_NAME = re.compile(r'"json": "([^"]+)"')
_ITEM = re.compile(r"^      \* \*\*(\S+)\*\* ``[^`]*``(?: - )?(.*)$")


def is_builtin(kind: Kind) -> bool:
    """Does Kubernetes itself define this kind (so that its schema is here)?"""
    return kind.group in _GROUP_MODULES


def type_of_kind(kind: Kind) -> str:
    """`apps_v1.Deployment`. Raises KeyError for a custom resource."""
    return f"{_GROUP_MODULES[kind.group]}_{kind.versions[0]}.{kind.name}"


def struct_of_kind(kind: Kind) -> Struct | None:
    """The fields of a built-in kind; None for a custom resource."""
    return struct(type_of_kind(kind)) if is_builtin(kind) else None


@functools.cache
def struct(name: str) -> Struct:
    """The type called `module.Class`. Raises KeyError if there is none."""
    source = _source(name)
    module = name.partition(".")[0]
    fields: dict[str, Field] = {}
    for field, written, default in _FIELD.findall(source):
        renamed = _JSON_NAME.search(default)
        json_name = renamed.group(1) if renamed else field
        fields[json_name] = Field(_type(written, module, name, json_name), required=not default)
    return Struct(name, fields)


def describe(name: str) -> tuple[str, dict[str, str]]:
    """The documentation of a type and of each of its fields (for `kubectl explain`); not cached: it is long."""
    docstring = _source(name).partition('r"""')[2].partition('"""')[0]
    head, _, parameters = docstring.partition("**parameters**")
    texts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in parameters.splitlines():
        if item := _ITEM.match(line):
            current = texts.setdefault(item.group(1), [item.group(2)])
        elif line.strip():
            current.append(line.strip())
    struct_fields = struct(name).fields
    fields = {field: " ".join(text) for field, text in texts.items()}
    # A field called `continue` is documented under the name that Python allows it to have.
    return " ".join(head.split()), {field: fields.get(field, "") for field in struct_fields}


def _type(written: str, module: str, owner: str, field: str) -> Type:
    if written.startswith("Optional["):
        return _type(written[9:-1], module, owner, field)
    if written.startswith("List["):
        return Type("list", _type(written[5:-1], module, owner, field))
    if written == "dict":
        return Type("map", _MAPS.get((owner, field), _STRING))
    if written in _SCALARS:
        return _SCALARS[written]
    full = written if "." in written else f"{module}.{written}"
    return _SCALARS.get(full) or Type("struct", struct=full)


@functools.cache
def _path(module: str) -> Path:
    package = importlib.util.find_spec("lightkube.models")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("lightkube-models is not installed: run `make install` (pip install -r requirements.lock)")
    return Path(package.submodule_search_locations[0]) / f"{module}.py"


@functools.cache
def _index(module: str) -> dict[str, tuple[int, int]]:
    """Where each class stands in the source of its module: first and last byte."""
    text = _path(module).read_bytes()
    starts = [(match.group(1).decode(), match.start()) for match in _CLASS.finditer(text)]
    ends = [start for _, start in starts[1:]] + [len(text)]
    return {name: (start, end) for (name, start), end in zip(starts, ends, strict=True)}


def _source(name: str) -> str:
    module, _, cls = name.partition(".")
    if module not in MODULES:
        raise KeyError(name)
    start, end = _index(module)[cls]
    with _path(module).open("rb") as file:
        file.seek(start)
        return file.read(end - start).decode()


@functools.cache
def stamp() -> str:
    """Changes when other schemas are installed."""
    return importlib.metadata.version("lightkube-models")
