from pocket.controllers.namespace import reconcile
from pocket.store import Store
from tests.pocket.controllers.kit import ago


def test_each_namespace_has_a_service_account() -> None:
    store = Store()
    store.create({"kind": "Namespace", "metadata": {"name": "ns"}})
    reconcile(store)
    assert store.get("ServiceAccount", "ns", "default")


def test_a_namespace_in_deletion_is_emptied_first() -> None:
    store = Store()
    store.create({"kind": "Namespace", "metadata": {"name": "ns", "deletionTimestamp": ago(0)}})
    store.create({"kind": "Namespace", "metadata": {"name": "other"}})
    for namespace in ("ns", "other"):
        for kind in ("ConfigMap", "VirtualService", "Deployment", "Event"):
            store.create({"kind": kind, "metadata": {"name": "x", "namespace": namespace, "finalizers": ["x"]}})
    store.create({"kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}, "spec": {"nodeName": "pocket"}})
    reconcile(store)
    assert store.get("Namespace", None, "ns")["status"]["phase"] == "Terminating"
    assert store.find("ServiceAccount", "ns", "default") is None
    assert store.get("Pod", "ns", "p")["metadata"]["deletionTimestamp"]
    assert store.list("ConfigMap", "ns") == store.list("VirtualService", "ns") == []
    store.delete("Pod", "ns", "p")
    reconcile(store)
    assert store.find("Namespace", None, "ns") is None
    assert len(store.list("ConfigMap", "other")) == 1
