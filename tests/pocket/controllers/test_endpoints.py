from __future__ import annotations

from typing import Any

from pocket.controllers.endpoints import decide, ports_of, reconcile
from pocket.mesh.model import PodEndpoint
from pocket.objects import Obj, name_of
from pocket.store import Store
from tests.pocket.controllers.kit import pod


def service(name: str = "s", **spec: Any) -> Obj:
    default = {"selector": {"app": "a"}, "ports": [{"name": "http", "port": 80, "targetPort": "web"}]}
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "ns", "uid": f"svc-{name}"},
        "spec": {**default, **spec},
    }  # fmt: skip


def endpoint(entry: Obj, port: int) -> PodEndpoint:
    return PodEndpoint(name_of(entry), "ns", {"app": "a"}, "d", {8000: port}, {"web": 8000})


def test_ports_by_name_and_number() -> None:
    target = PodEndpoint("p", "ns", {}, "d", {8000: 20010, 9000: 20011}, {"web": 8000})
    many = service(
        ports=[{"port": 80, "targetPort": "web"}, {"name": "m", "port": 9000}, {"port": 1, "targetPort": "no"}]
    )
    assert ports_of(many, target) == [
        {"port": 20010, "protocol": "TCP"}, {"port": 20011, "protocol": "TCP", "name": "m"},
    ]  # fmt: skip


def test_each_pod_with_its_own_ports() -> None:
    good, ill, going, ended, strange = (
        pod("good"), pod("ill", ready=False), pod("going", going=True), pod("ended", phase="Succeeded"),
        pod("strange", labels={"app": "b"}),
    )  # fmt: skip
    pods = [good, ill, going, ended, strange]
    found, slices = decide(service(), pods, [endpoint(entry, 20000 + number) for number, entry in enumerate(pods)])
    assert [(sorted(subset)[0], subset["ports"][0]["port"]) for subset in found["subsets"]] == [
        ("addresses", 20000), ("notReadyAddresses", 20001),
    ]  # fmt: skip
    conditions = {entry["endpoints"][0]["targetRef"]["name"]: entry["endpoints"][0]["conditions"] for entry in slices}
    assert conditions == {
        "good": {"ready": True, "serving": True, "terminating": False},
        "ill": {"ready": False, "serving": False, "terminating": False},
        "going": {"ready": False, "serving": False, "terminating": True},
    }


def test_services_that_publish_what_is_not_ready() -> None:
    ill = pod("ill", ready=False)
    found, _ = decide(service(publishNotReadyAddresses=True), [ill], [endpoint(ill, 20000)])
    assert "addresses" in found["subsets"][0]


def test_the_store_follows() -> None:
    store = Store()
    store.create({"kind": "Namespace", "metadata": {"name": "ns"}})
    store.create(service())
    store.create(service("manual", selector=None))
    manual = {
        "kind": "Endpoints",
        "metadata": {"name": "manual", "namespace": "ns"},
        "subsets": [{"ports": [{"port": 1}]}],
    }
    store.create(manual)
    entry = store.create(pod("p"))
    running = [endpoint(entry, 20000)]
    reconcile(store, lambda: running)
    assert store.get("Endpoints", "ns", "s")["subsets"][0]["ports"][0]["port"] == 20000
    assert len(store.list("EndpointSlice")) == 1
    version = store.version
    reconcile(store, lambda: running)
    assert store.version == version  # at rest
    store.delete("Pod", "ns", "p")
    reconcile(store, list)
    assert "subsets" not in store.get("Endpoints", "ns", "s")
    assert store.list("EndpointSlice") == []
    assert store.get("Endpoints", "ns", "manual")["subsets"] == manual["subsets"]
    store.delete("Service", "ns", "s")
    store.delete("Service", "ns", "manual")
    reconcile(store, list)
    assert store.list("Endpoints") == []
