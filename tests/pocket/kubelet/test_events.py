from pocket.kubelet.events import EventRecorder, forget_old
from pocket.objects import Obj
from pocket.store import Store

POD: Obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns", "uid": "u"}}


def test_the_same_event_counts_up() -> None:
    store = Store()
    recorder = EventRecorder(store, "kubelet", "pocket")
    for _ in range(3):
        recorder.event(POD, "Warning", "BackOff", "words", "spec.containers{a}")
    recorder.event(POD, "Warning", "BackOff", "other words", "spec.containers{a}")
    first, second = store.list("Event", "ns")
    assert (first["count"], second["count"]) == (3, 1)
    assert first["involvedObject"]["fieldPath"] == "spec.containers{a}"
    assert first["involvedObject"]["uid"] == "u"
    assert first["source"] == {"component": "kubelet", "host": "pocket"}


def test_events_are_listed_in_the_order_in_which_they_came() -> None:
    store = Store()
    recorder = EventRecorder(store, "kubelet")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        recorder.event(POD, "Normal", reason, reason)
    assert [event["reason"] for event in store.list("Event")] == ["Scheduled", "Pulled", "Created", "Started"]


def test_what_was_forgotten_begins_anew() -> None:
    store = Store()
    recorder = EventRecorder(store, "kubelet")
    recorder.event(POD, "Normal", "Pulled", "m")
    name = store.list("Event")[0]["metadata"]["name"]

    def age(event: Obj) -> None:
        event["lastTimestamp"] = "2000-01-01T00:00:00Z"

    store.modify("Event", "ns", name, age)
    assert forget_old(store) == 1
    recorder.event(POD, "Normal", "Pulled", "m")
    assert [event["count"] for event in store.list("Event")] == [1]


def test_objects_without_namespace_have_theirs_in_default() -> None:
    store = Store()
    node = {"kind": "Node", "metadata": {"name": "pocket", "uid": "n"}}
    EventRecorder(store, "kubelet").event(node, "Normal", "NodeReady", "m")
    event = store.list("Event", "default")[0]
    assert "namespace" not in event["involvedObject"]
