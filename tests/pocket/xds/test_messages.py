from __future__ import annotations

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from pocket.mesh.model import Resource
from pocket.mesh.names import typed
from pocket.xds.messages import CLUSTER, LISTENER, ROUTE, Encoder, encoded


def routes(*prefixes: str) -> Resource:
    answer = {"direct_response": {"status": 200}}
    hosts = [
        {"name": prefix, "domains": [prefix], "routes": [{"match": {"prefix": prefix}, **answer}]}
        for prefix in prefixes
    ]
    return {"name": "r", "virtual_hosts": hosts, "validate_clusters": False}


def test_a_resource_becomes_its_message() -> None:
    message = Cluster.FromString(encoded(CLUSTER, {"name": "a", "type": "EDS", "connect_timeout": "1.5s"}))
    assert (message.name, message.type, message.connect_timeout.nanos) == ("a", Cluster.EDS, 500_000_000)


def test_what_is_no_such_message_names_the_field() -> None:
    with pytest.raises(ValueError, match=r"envoy.config.cluster.v3.Cluster a: .*no field named \"colour\""):
        encoded(CLUSTER, {"name": "a", "colour": "red"})
    options = typed("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", colour="red")
    with pytest.raises(ValueError, match="colour"):
        encoded(CLUSTER, {"name": "a", "typed_extension_protocol_options": {"o": options}})


def test_a_message_that_is_newer_than_the_package_travels_as_a_struct() -> None:
    logger = {"name": "l", "typed_config": typed("envoy.extensions.access_loggers.stats.v3.Config", of_tomorrow=1)}
    data = encoded(LISTENER, {"name": "a", "access_log": [logger]})
    assert b"type.googleapis.com/xds.type.v3.TypedStruct" in data
    assert b"of_tomorrow" in data


def test_virtual_hosts_come_together_in_their_order() -> None:
    wire = Encoder().wires(ROUTE, {"r": routes("/b", "/a")})["r"]
    assert RouteConfiguration.FromString(wire.data) == RouteConfiguration.FromString(encoded(ROUTE, routes("/b", "/a")))


def test_the_version_is_the_content() -> None:
    def version(resource: Resource) -> str:
        return Encoder().wires(ROUTE, {"r": resource})["r"].version

    assert version(routes("/a", "/b")) == version(routes("/a", "/b"))
    assert len({version(routes("/a", "/b")), version(routes("/b", "/a")), version(routes("/a"))}) == 3


def test_what_stays_the_same_is_made_once() -> None:
    encoder = Encoder()
    first = encoder.wires(CLUSTER, {"a": {"name": "a"}, "b": {"name": "b"}})
    encoder.begin()
    second = encoder.wires(CLUSTER, {"a": {"name": "a"}, "b": {"name": "b", "type": "EDS"}})
    assert second["a"] is first["a"]
    assert second["b"] is not first["b"]
    encoder.begin()
    encoder.begin()
    assert encoder.wires(CLUSTER, {"a": {"name": "a"}})["a"] is not first["a"], "what nobody has is forgotten"
