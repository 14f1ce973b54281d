from __future__ import annotations

import pytest

from pocket.api import protobuf


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (2**64 - 1))
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def test_a_secret() -> None:
    metadata = field(1, "s") + field(2, "") + field(3, "default") + field(8, b"")
    entry = field(1, "key") + field(2, b"\x00\xff")
    body = envelope("v1", "Secret", field(1, metadata) + field(2, entry) + field(3, "Opaque"))
    assert protobuf.parse_object(body) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"},
        "data": {"key": "AP8="},
        "type": "Opaque",
    }


def test_numbers_that_are_optional_may_be_zero() -> None:
    spec = field(1, 0) + field(5, 0)  # replicas, minReadySeconds
    body = envelope("apps/v1", "Deployment", field(2, spec))
    assert protobuf.parse_object(body)["spec"] == {"replicas": 0}


def test_negative_numbers_and_ports_by_name_or_number() -> None:
    port = field(1, "http") + field(3, 80) + field(4, field(1, 1) + field(2, 0) + field(3, "web"))
    other = field(3, -1) + field(4, field(1, 0) + field(2, 8080) + field(3, ""))
    body = envelope("v1", "Service", field(2, field(1, port) + field(1, other)))
    assert protobuf.parse_object(body)["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": "web"},
        {"port": -1, "targetPort": 8080},
    ]


def test_quantities_and_times() -> None:
    limit = field(1, "memory") + field(2, field(1, "64Mi"))
    template = field(2, field(2, field(1, "c") + field(8, field(1, limit))))
    body = envelope("batch/v1", "Job", field(1, field(8, field(1, 1767225600))) + field(2, field(6, template)))
    job = protobuf.parse_object(body)
    assert job["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "c", "resources": {"limits": {"memory": "64Mi"}}}


def test_a_status_is_read_as_well() -> None:
    """Who writes a status (client-go's UpdateStatus) sends the whole object; in other writes the server drops it."""
    namespace = protobuf.parse_object(envelope("v1", "Namespace", field(3, field(1, "Active"))))
    assert namespace["status"] == {"phase": "Active"}


def test_what_leader_election_and_controllers_send() -> None:
    spec = field(1, "me") + field(2, 15) + field(4, field(1, 1767225600) + field(2, 123456000)) + field(5, 0)
    lease = protobuf.parse_object(envelope("coordination.k8s.io/v1", "Lease", field(2, spec)))
    assert lease["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.123456Z",
        "leaseTransitions": 0,
    }
    owner = field(1, "Canary") + field(3, "c") + field(4, "u") + field(5, "flagger.app/v1beta1") + field(6, 1)
    body = envelope("v1", "ConfigMap", field(1, field(1, "m") + field(13, owner)))
    assert protobuf.parse_object(body)["metadata"]["ownerReferences"] == [
        {"kind": "Canary", "name": "c", "uid": "u", "apiVersion": "flagger.app/v1beta1", "controller": True}
    ]


def test_fields_of_a_message_that_stand_in_the_one_around_it() -> None:
    probe = field(1, field(2, field(1, "/healthz"))) + field(3, 2)
    template = field(2, field(2, field(1, "c") + field(10, probe)))
    body = envelope("apps/v1", "Deployment", field(2, field(3, template)))
    container = protobuf.parse_object(body)["spec"]["template"]["spec"]["containers"][0]
    assert container["livenessProbe"] == {"httpGet": {"path": "/healthz"}, "timeoutSeconds": 2}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "four bytes"),
        (b"k8s\x00\xff", "in the middle of a number"),
        (b"k8s\x00" + varint(2 << 3 | 2) + varint(100) + b"x", "in the middle of a field"),
        (b"k8s\x00" + varint(1 << 3 | 5) + b"1234", "encoded in a way"),
        (b"k8s\x00" + b"\xff" * 11, "too long"),
        (envelope("v1", "Widget", b""), "Widget as JSON or YAML only"),
        (envelope("networking.istio.io/v1", "VirtualService", b""), "VirtualService as JSON or YAML only"),
        (envelope("v1", "Secret", field(99, "x")), "field number 99 of Secret"),
        (envelope("v1", "Secret", field(3, 7)), "a number stands where"),
        (envelope("apps/v1", "Deployment", field(2, field(1, "x"))), "a text or a message stands where"),
        (envelope("v1", "Secret", field(3, b"\xff")), "not UTF-8"),
    ],
)
def test_bodies_that_cannot_be_read(body: bytes, message: str) -> None:
    with pytest.raises(protobuf.ProtobufError, match=message):
        protobuf.parse_object(body)


def _field(number: int, value: bytes) -> bytes:
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def _envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + _field(1, _field(1, api_version.encode()) + _field(2, kind.encode())) + _field(2, raw)


def test_delete_options_of_any_group() -> None:
    """client-go says the group of what it deletes."""
    found = protobuf.parse_object(_envelope("apps/v1", "DeleteOptions", _field(4, b"Orphan")))
    assert found == {"apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan"}


def test_what_a_schema_writes_otherwise_in_json() -> None:
    """JSON in a message, and the types that are one thing or the other (client-go sends definitions so)."""
    plain = _field(5, b"string")  # JSONSchemaProps.type
    schema = (
        _field(8, _field(1, b'{"a":[1]}'))  # default
        + b"\xa2\x01" + bytes([5]) + _field(1, b'"x"')  # enum (20)
        + b"\xc2\x01" + bytes([len(plain) + 2]) + _field(1, plain)  # items (24): a schema
    )
    additional = b"\xf2\x01" + bytes([len(plain) + 2]) + _field(2, plain)  # field 30: additionalProperties, a schema
    version = _field(1, b"v1") + _field(4, _field(1, schema + additional))
    spec = _field(1, b"example.com") + _field(7, version)
    found = protobuf.parse_object(_envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", _field(2, spec)))
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {
        "default": {"a": [1]},
        "enum": ["x"],
        "items": {"type": "string"},
        "additionalProperties": {"type": "string"},
    }


def test_go_s_zero_time() -> None:
    """The year 1 is a negative number of seconds (client-go sends Leases so)."""
    seconds = (-62135596798 & (1 << 64) - 1)
    varint = b""
    while seconds > 127:
        varint, seconds = varint + bytes([seconds & 127 | 128]), seconds >> 7
    moment = bytes([1 << 3]) + varint + bytes([seconds])
    found = protobuf.parse_object(_envelope("coordination.k8s.io/v1", "Lease", _field(2, _field(3, moment))))
    assert found["spec"] == {"acquireTime": "0001-01-01T00:00:02.000000Z"}
