from __future__ import annotations

from pathlib import Path

import pytest

from pocket.kubelet.inject import injected
from pocket.kubelet.network import Network
from pocket.kubelet.records import PodRecord
from pocket.objects import Obj
from pocket.ports import PortPool
from pocket.settings import Settings
from pocket.store import Store
from tests.pocket.cluster import port_base


@pytest.fixture
def store() -> Store:
    return Store()


def network(store: Store, pod: Obj, home: Path = Path("/nowhere")) -> Network:
    record = PodRecord("u", "ns", "p")
    made = Network(store, Settings(home, 20000, 8080), lambda *_: ("10.0.0.1", 1), pod, record)
    made.allocate(PortPool(port_base(), 50))
    return made


def pod(mode: str | None = "sidecar", **meta: object) -> Obj:
    ports = [{"name": "http", "containerPort": 8000}, {"containerPort": 9000}]
    plain: Obj = {
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "a", "version": "v1"}, **meta},
        "spec": {"containers": [{"name": "c", "ports": ports}, {"name": "d", "ports": [{"containerPort": 7000}]}]},
    }
    return injected(plain, mode)  # type: ignore[arg-type]


def test_ports_with_a_sidecar(store: Store) -> None:
    made = network(store, pod())
    proxy = made.proxy(Path("/proxy"))
    assert [entry.container_port for entry in proxy.inbound] == [7000, 8000, 9000]
    container = made.pod["spec"]["containers"][0]
    assert made.place(container, "http") == made.place(container, 8000) == made.place(container, "8000")
    endpoint = made.endpoint(ready=True)
    assert endpoint.ports == {entry.container_port: entry.listen_port for entry in proxy.inbound}
    assert endpoint.port_names == {"http": 8000}
    assert (proxy.app, proxy.version, endpoint.has_sidecar) == ("a", "v1", True)
    ports = [
        *endpoint.ports.values(),
        *(entry.app_port for entry in proxy.inbound),
        proxy.metrics_port,
        proxy.outbound_port,
    ]
    assert len({*ports, proxy.substitutes[0].listen_port}) == len(ports) + 1


def test_ports_without(store: Store) -> None:
    made = network(store, pod(None))
    assert made.mode is None
    assert set(made.endpoint(ready=False).ports) == {7000, 8000, 9000}
    with pytest.raises(ValueError, match="port 1: no containerPort of the pod"):
        made.place(made.pod["spec"]["containers"][0], 1)


def test_what_a_port_is_as_seen_from_inside(store: Store) -> None:
    made = network(store, pod())
    envoy = Path("/pods/u/istio-proxy")
    assert made.address(8000, envoy) == made.place(made.pod["spec"]["containers"][0], 8000)
    assert made.address(15000, envoy) == envoy / "admin.sock"
    assert {made.address(port, envoy) for port in (15020, 15021, 15090)} == {envoy / "stats.sock"}
    with pytest.raises(LookupError, match="port 1234: no containerPort"):
        made.address(1234, envoy)
    with pytest.raises(LookupError):
        network(store, pod(None)).address(15000, envoy)


def test_a_pod_outside_the_mesh_finds_services_through_an_envoy(store: Store) -> None:
    record = PodRecord("u", "ns", "p", plain=True)
    settings = Settings(Path("/nowhere"), 20000, 8080)
    made = Network(store, settings, lambda *_: ("10.0.0.1", 1), pod(None), record)
    made.allocate(PortPool(port_base(), 50))
    env = made.environment(made.pod["spec"]["containers"][0], {}, {}, Path("/"))
    way_out = f"http://pod:{record.password}@127.0.0.1:{record.outbound_port}"
    assert (made.mode, env["http_proxy"], len(record.password)) == ("plain", way_out, 43)
    assert env["DYNAMODB_URL"] == "http://127.0.0.1:20001", "outside the mesh nobody counts the bytes"
    proxy = made.proxy(Path("/proxy"))
    assert (proxy.mode, proxy.inbound, proxy.substitutes) == ("plain", (), ())
    endpoint = made.endpoint(ready=True)
    assert (endpoint.has_sidecar, endpoint.ports) == (False, record.app_ports)


def test_what_can_listens_on_a_socket_of_the_pods_folder(store: Store, tmp_path: Path) -> None:
    """The first port of a container that can; its Envoy, probes and port-forwards go there."""
    made = network(store, pod(), tmp_path)
    container, other = made.pod["spec"]["containers"][:2]
    made.listen(container, True)
    made.listen(other, False)
    socket, workdir = tmp_path / "pods/u/8000.sock", tmp_path / "pods/u/c/rootfs/code"
    workdir.mkdir(parents=True)
    env = made.environment(container, {}, {}, workdir)
    assert env["HOST"] == "unix:../../../8000.sock"
    assert made.environment(other, {}, {}, workdir)["HOST"] == "127.0.0.1"
    assert made.place(container, "http") == made.address(8000, Path("/proxy")) == socket
    assert isinstance(made.place(container, 9000), tuple)
    assert [entry.socket for entry in made.proxy(Path("/proxy")).inbound] == ["", "../../u/8000.sock", ""]
    assert made.endpoint(ready=True).sockets == {}, "others come to the sidecar"
    made.listen(container, False)  # another image
    assert made.environment(container, {}, {}, workdir)["HOST"] == "127.0.0.1"


def test_without_an_envoy_of_its_own_others_come_to_the_socket(store: Store) -> None:
    made = network(store, pod(None))
    made.listen(made.pod["spec"]["containers"][0], True)
    assert made.endpoint(ready=True).sockets == {8000: "../../u/8000.sock"}


def test_outside_the_mesh_nothing_listens_on_a_socket(store: Store) -> None:
    """Prometheus reads the port itself."""
    record = PodRecord("u", "ns", "p", plain=True)
    made = Network(store, Settings(Path("/nowhere"), 20000, 8080), lambda *_: None, pod(None), record)
    made.allocate(PortPool(port_base(), 50))
    made.listen(made.pod["spec"]["containers"][0], True)
    assert (made.endpoint(ready=True).sockets, record.sockets) == ({}, [])


def test_again_takes_no_more_ports(store: Store) -> None:
    made = network(store, pod())
    before = made.endpoint(ready=True)
    made.allocate(PortPool(port_base() + 60, 1))
    assert made.endpoint(ready=True) == before


def test_each_container_has_its_own_port(store: Store) -> None:
    made = network(store, pod())
    containers = made.pod["spec"]["containers"][:2]
    first, second = (made.environment(entry, {}, {"MORE": "m"}, Path("/")) for entry in containers)
    assert first["PORT"] == first["PORT_8000"] != second["PORT"] == second["PORT_7000"]
    assert first["MORE"] == "m"
    assert "http_proxy" in first
    assert first["no_proxy"] == "localhost,127.0.0.1"


def test_the_images_path_comes_first(store: Store) -> None:
    made = network(store, pod())
    env = made.environment(made.pod["spec"]["containers"][0], {"PATH": "/opt/bin:/bin"}, {}, Path("/"))
    assert env["PATH"].split(":")[:2] == ["/opt/bin", "/bin"]


def test_a_gateway_has_its_services_node_ports(store: Store) -> None:
    ports = [{"port": 80, "targetPort": "http", "nodePort": 8080}, {"port": 443, "targetPort": 9000, "nodePort": 8443}]
    spec = {"selector": {"app": "a"}, "ports": [*ports, {"port": 1}]}
    store.create({"kind": "Service", "metadata": {"name": "gw", "namespace": "ns"}, "spec": spec})
    store.create({"kind": "Service", "metadata": {"name": "x", "namespace": "ns"}, "spec": {"ports": ports}})
    made = network(store, pod("gateway", annotations={"inject.istio.io/templates": "gateway"}))
    proxy = made.proxy(Path("/proxy"))
    assert [(entry.service_port, entry.listen_port) for entry in proxy.gateway_ports] == [(80, 8080), (443, 8443)]
    assert [entry.target for entry in proxy.gateway_ports] == [8000, 9000]
    assert made.endpoint(ready=True).ports == {8000: 8080, 9000: 8443}
    assert proxy.mode == "gateway"


def test_the_workload_is_what_people_named(store: Store) -> None:
    def owned(kind: str, name: str) -> list[Obj]:
        return [{"kind": kind, "name": name, "uid": "x", "controller": True}]

    assert network(store, pod()).workload() == "p"
    assert network(store, pod(ownerReferences=owned("Job", "j"))).workload() == "j"
    assert network(store, pod(ownerReferences=owned("ReplicaSet", "rs"))).workload() == "rs"
    replica_set = {"name": "d-1", "namespace": "ns", "ownerReferences": owned("Deployment", "d")}
    store.create({"kind": "ReplicaSet", "metadata": replica_set})
    assert network(store, pod(ownerReferences=owned("ReplicaSet", "d-1"))).workload() == "d"
