import pytest

from pocket.controllers import common
from pocket.objects import Obj, share
from pocket.store import Store
from tests.pocket.controllers.kit import NOW, pod, template


def test_a_hash_stands_for_a_template() -> None:
    hashed = common.template_hash(template())
    assert len(hashed) == 10
    assert hashed == common.template_hash(template())
    assert hashed != common.template_hash(template("two"))
    labelled = template()
    labelled["metadata"]["labels"][common.HASH_LABEL] = hashed
    assert common.template_hash(labelled) == hashed
    assert common.without_hash(labelled) == template()


@pytest.mark.parametrize(
    ("value", "total", "up", "result"),
    [
        (1, 10, True, 1),
        ("25%", 10, True, 3),
        ("25%", 10, False, 2),
        ("0%", 10, True, 0),
        (None, 4, True, 1),
        ("100%", 3, False, 3),
    ],
)
def test_share(value: int | str | None, total: int, up: bool, result: int) -> None:
    assert share(value, total, "25%", up=up) == result


def test_conditions_keep_their_transition_time_while_the_status_stays() -> None:
    first = common.set_condition([], "A", "True", "R", "m", "T1", updates=True)
    second = common.set_condition(first, "A", "True", "Other", "m", "T2", updates=True)
    third = common.set_condition(second, "A", "False", "Other", "m", "T3", updates=True)
    assert (second[0]["lastTransitionTime"], second[0]["lastUpdateTime"]) == ("T1", "T2")
    assert (third[0]["lastTransitionTime"], third[0]["lastUpdateTime"]) == ("T3", "T3")
    assert common.set_condition(first, "B", "True", "R", "m", "T4")[0] == first[0]


def test_pods_get_defaults_and_an_owner() -> None:
    owner: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs", "namespace": "ns", "uid": "u"},
    }
    made = common.pod_from(template(), owner)
    assert made["metadata"]["name"].startswith("rs-")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["spec"]["serviceAccountName"] == "default"
    assert (
        len(
            common.pod_from(template(), {**owner, "metadata": {**owner["metadata"], "name": "x" * 63}})["metadata"][
                "name"
            ]
        )
        <= 63
    )


def test_available_after_min_ready_seconds() -> None:
    assert common.available_in(pod(ready=False), 0, NOW) is None
    assert common.available_in(pod(since=1), 0, NOW) == 0
    assert common.available_in(pod(since=4), 10, NOW) == 6
    assert common.available_in(pod(since=20), 10, NOW) == 0
    assert common.available_in(pod(going=True), 0, NOW) is None


def test_deletion_is_gentle_to_pods_and_waits_for_finalizers() -> None:
    store = Store()
    running = store.create(
        {"kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}, "spec": {"nodeName": "pocket"}}
    )
    common.delete(store, running)
    common.delete(store, running)
    stored = store.get("Pod", "ns", "p")
    assert stored["metadata"]["deletionGracePeriodSeconds"] == 30
    held = store.create({"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "ns", "finalizers": ["x"]}})
    common.delete(store, held)
    assert store.get("ConfigMap", "ns", "c")["metadata"]["deletionTimestamp"]
    plain = store.create({"kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}})
    common.delete(store, {**plain, "metadata": {**plain["metadata"], "uid": "of another one"}})
    assert store.find("Secret", "ns", "s")
    common.delete(store, plain)
    assert store.find("Secret", "ns", "s") is None
    common.delete(store, plain)  # somebody else was quicker
