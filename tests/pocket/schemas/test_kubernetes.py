"""Kubernetes' types and kinds, as upstream publishes them."""

from __future__ import annotations

import pytest

from pocket.objects import Kind
from pocket.schemas import kubernetes
from pocket.schemas.model import Struct, Type


def of(name: str) -> Struct:
    return kubernetes.struct(f"io.k8s.api.{name}")


def test_kinds_are_found_with_their_fields() -> None:
    deployment = of("apps.v1.DeploymentSpec")
    assert deployment.fields["replicas"].name == "integer"
    assert "selector" in deployment.required
    assert "replicas" not in deployment.required
    selector = deployment.fields["selector"].struct
    assert selector is not None
    assert (selector.name, selector.atomic) == ("LabelSelector", True)
    ports = of("core.v1.Container").fields["ports"]
    assert (ports.name, ports.list_keys, ports.merge_key) == ("list", ("containerPort", "protocol"), "containerPort")
    data = of("core.v1.Secret").fields["data"]
    assert data.of is not None
    assert (data.name, data.of.name) == ("map", "bytes")
    assert of("core.v1.ServicePort").fields["targetPort"].name == "int-or-string"
    limits = of("core.v1.ResourceRequirements").fields["limits"]
    assert limits.of is not None
    assert limits.of.name == "quantity"


def test_every_type_leads_to_types_that_are_there() -> None:
    seen: set[str] = set()

    def follow(kind: Type | None) -> None:
        while kind is not None and kind.of is not None:
            kind = kind.of
        if kind is not None and kind.struct is not None and kind.struct.name not in seen:
            seen.add(kind.struct.name)
            for field in kind.struct.fields.values():
                follow(field)

    for name in kubernetes.names():
        for field in kubernetes.struct(name).fields.values():
            follow(field)
    assert len(seen) > 150


@pytest.mark.parametrize("kind", kubernetes.kinds(), ids=lambda kind: f"{kind.name}.{kind.group}")
def test_every_kind_has_a_type_in_each_version(kind: Kind) -> None:
    for version in kind.versions:
        assert kubernetes.of_kind(kind.group, version, kind.name).fields
    assert kind.singular == kind.name.lower() or kind.verbs == ("create",)


def test_every_field_has_a_number_in_protobuf() -> None:
    for name in kubernetes.names():
        if not name.startswith("io.k8s.api."):
            continue
        source = kubernetes.source(name)
        numbered = {entry.partition("=")[0] for entry in source.get("x-protobuf", "").split()}
        fields = set(source.get("properties") or ()) - {"apiVersion", "kind"}
        if numbered:
            assert fields <= numbered | {"apiVersion", "kind"}, name


def test_descriptions_are_read_when_asked_for() -> None:
    source = kubernetes.source("io.k8s.api.core.v1.ServicePort")
    assert source["properties"]["port"]["description"] == "The port that will be exposed by this service."
    assert "description" not in kubernetes.struct("io.k8s.api.core.v1.ServicePort").fields["port"].source
