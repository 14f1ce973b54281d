from pocket.controllers.node import HEARTBEAT, node, reconcile
from pocket.objects import condition
from pocket.settings import NODE
from pocket.store import Store


def test_the_node_is_ready_and_at_home() -> None:
    made = node(None, "T1")
    assert (condition(made, "Ready") or {})["status"] == "True"
    assert {"type": "InternalIP", "address": "127.0.0.1"} in made["status"]["addresses"]
    again = node(made, "T2")
    ready = condition(again, "Ready") or {}
    assert (ready["lastTransitionTime"], ready["lastHeartbeatTime"]) == ("T1", "T2")


def test_between_heartbeats_nothing_is_written() -> None:
    store = Store()
    assert reconcile(store) == HEARTBEAT
    version = store.version
    wait = reconcile(store)
    assert wait is not None
    assert 0 < wait <= HEARTBEAT
    assert store.version == version
    assert store.get("Node", None, NODE)
