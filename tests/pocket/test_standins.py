"""Pods that stand for pocket's own processes."""

from __future__ import annotations

import pytest

from pocket import credentials, standins
from pocket.objects import name_of
from pocket.settings import NODE
from tests.pocket.cluster import Cluster, live


def test_they_are_found_and_come_back(cluster: Cluster) -> None:
    @live
    async def run(cluster: Cluster) -> None:
        store, name = cluster.store, f"prometheus-{NODE}"
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": standins.NAMESPACE}})
        for entry in standins.all_of(cluster.settings):
            store.create(standins.pod(entry))
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "prometheus", "namespace": standins.NAMESPACE},
            "spec": {"selector": {"app.kubernetes.io/name": "prometheus"}, "ports": [{"port": 9090}]},
        }
        store.create(service)
        where = {"ip": "127.0.0.1"}
        port = cluster.settings.prometheus_port

        def served() -> bool:
            found = store.find("Endpoints", standins.NAMESPACE, "prometheus")
            return [
                (entry["addresses"][0]["ip"], entry["ports"][0]["port"]) for entry in (found or {}).get("subsets", ())
            ] == [(where["ip"], port)]

        await cluster.until(served, "the Service's Endpoints")
        pod = store.get("Pod", standins.NAMESPACE, name)
        assert cluster.kubelet.port_address(pod, 9090) == cluster.settings.prometheus_socket
        (known,) = [one for one in cluster.kubelet.pod_endpoints() if one.name == name]
        assert known.authorization == credentials.prometheus_authorization(cluster.settings)
        assert known.authorization not in repr(known)
        with pytest.raises(LookupError):
            cluster.kubelet.port_address(pod, 1)
        store.delete("Pod", standins.NAMESPACE, name)
        await cluster.until(lambda: store.find("Pod", standins.NAMESPACE, name) is not None, "the pod to come back")

    run(cluster)


def test_only_pocket_s_own_are_stand_ins(cluster: Cluster) -> None:
    found = standins.all_of(cluster.settings)
    assert [name_of(standins.pod(entry)) for entry in found] == [f"prometheus-{NODE}", f"istiod-{NODE}"]
    other = standins.pod(found[0])
    other["metadata"]["namespace"] = "default"
    assert standins.find(cluster.settings, other) is None
