from __future__ import annotations

import ast
from typing import Any

import pytest

from pocket.api import listkeys, protobuf, schema
from pocket.objects import KINDS


def test_kinds_are_found_with_their_fields() -> None:
    deployment = schema.struct("apps_v1.DeploymentSpec")
    assert deployment.fields["replicas"] == schema.Field(schema.Type("integer"), required=False)
    assert deployment.fields["selector"] == schema.Field(schema.Type("struct", struct="meta_v1.LabelSelector"), True)
    container = schema.struct("core_v1.Container")
    assert container.fields["ports"].type == schema.Type("list", schema.Type("struct", struct="core_v1.ContainerPort"))
    assert schema.struct("core_v1.Secret").fields["data"].type == schema.Type("map", schema.Type("bytes"))
    assert schema.struct("core_v1.Probe").fields["periodSeconds"].type.name == "integer"
    assert schema.struct("core_v1.ServicePort").fields["targetPort"].type.name == "int-or-string"


def test_names_that_python_reserves_come_back_as_they_are_written() -> None:
    assert "continue" in schema.struct("meta_v1.ListMeta").fields
    assert "$ref" in schema.struct("apiextensions_v1.JSONSchemaProps").fields


def test_every_builtin_kind_has_a_schema_and_all_types_that_it_leads_to() -> None:
    seen: set[str] = set()

    def follow(kind: schema.Type | None) -> None:
        while kind is not None and kind.name in ("list", "map"):
            kind = kind.of
        if kind is not None and kind.struct and kind.struct not in seen:
            seen.add(kind.struct)
            for field in schema.struct(kind.struct).fields.values():
                follow(field.type)

    for kind in KINDS.values():
        if schema.is_builtin(kind):
            follow(schema.Type("struct", struct=schema.type_of_kind(kind)))
    assert len(seen) > 150


@pytest.mark.parametrize("module", schema.MODULES)
def test_reading_the_text_finds_what_python_would_find(module: str) -> None:
    tree = ast.parse(schema._path(module).read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes
    for node in classes:
        fields: dict[str, bool] = {}
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                fields[_json_name(statement)] = statement.value is None
        found = schema.struct(f"{module}.{node.name}").fields
        assert {name: field.required for name, field in found.items()} == fields


def _json_name(statement: ast.AnnAssign) -> str:
    assert isinstance(statement.target, ast.Name)
    if isinstance(statement.value, ast.Call):
        for keyword in statement.value.keywords:
            if keyword.arg == "metadata":
                metadata: Any = ast.literal_eval(keyword.value)
                return str(metadata["json"])
    return statement.target.id


def test_descriptions_belong_to_their_fields() -> None:
    text, fields = schema.describe("core_v1.ServicePort")
    assert text == "ServicePort contains information on service's port."
    assert fields["port"] == "The port that will be exposed by this service."
    assert fields["appProtocol"].startswith("The application protocol for this port.")
    assert "my-custom-protocol" in fields["appProtocol"]


def test_the_tables_name_only_fields_that_exist() -> None:
    places = {*listkeys.PATCH_KEYS, *listkeys.APPLY_KEYS, *listkeys.ATOMIC_MAPS, *listkeys.RETAIN_KEYS}
    for struct, field in places | listkeys.PATCH_SETS | listkeys.APPLY_SETS:
        assert field in schema.struct(struct).fields, (struct, field)
    for (struct, field), key in listkeys.PATCH_KEYS.items():
        element = schema.struct(struct).fields[field].type.of
        assert element is not None
        assert key in schema.struct(element.struct).fields
    for struct in listkeys.ATOMIC_STRUCTS:
        assert schema.struct(struct).fields
    for struct, numbers in protobuf._NUMBERS.items():
        for entry in numbers.split():
            assert entry.partition("=")[0] in schema.struct(struct).fields, (struct, entry)
