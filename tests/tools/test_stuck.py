"""tools/stuck.py: only new pods that will not become ready by waiting are named."""

from __future__ import annotations

from typing import Any

import pytest

from tools.stuck import Stuck, stuck

CRASHING = {"waiting": {"reason": "CrashLoopBackOff"}}


def deployment(generation: int = 2, observed: int = 2) -> dict[str, Any]:
    metadata = {"name": "shop-v2", "uid": "d", "generation": generation}
    return {"kind": "Deployment", "metadata": metadata, "status": {"observedGeneration": observed}}


def replica_set(uid: str, revision: int, owner: str = "d") -> dict[str, Any]:
    metadata = {
        "uid": uid,
        "ownerReferences": [{"uid": owner}],
        "annotations": {"deployment.kubernetes.io/revision": str(revision)},
    }
    return {"kind": "ReplicaSet", "metadata": metadata}


def pod(name: str, owner: str, state: dict[str, Any], restarts: int = 0, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "ownerReferences": [{"uid": owner}], **metadata},
        "status": {
            "containerStatuses": [
                {"name": "istio-proxy", "state": {"running": {}}, "restartCount": 0},
                {"name": "shop", "state": state, "restartCount": restarts},
            ]
        },
    }


def test_a_new_pod_that_crashes_again_and_again() -> None:
    objects = [deployment(), replica_set("old", 9), replica_set("new", 10), pod("new-1", "new", CRASHING, 2)]
    assert stuck(objects, ["shop-v2"]) == [
        Stuck("shop-v2", "new-1", "shop", "CrashLoopBackOff, restarted 2 times")
    ]


def test_an_image_with_an_impossible_name() -> None:
    state = {"waiting": {"reason": "InvalidImageName", "message": "couldn't parse it"}}
    objects = [deployment(), replica_set("new", 1), pod("new-1", "new", state)]
    assert stuck(objects, ["shop-v2"])[0].why == "InvalidImageName: couldn't parse it"


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([deployment(), replica_set("new", 1), pod("p", "new", CRASHING, 1)], id="one crash is bad luck"),
        pytest.param(
            [deployment(), replica_set("old", 1), replica_set("new", 2), pod("p", "old", CRASHING, 9)],
            id="the pods of before",
        ),
        pytest.param(
            [deployment(3, 2), replica_set("old", 1), pod("p", "old", CRASHING, 9)], id="the controller has yet to look"
        ),
        pytest.param(
            [deployment(), replica_set("new", 1), pod("p", "new", CRASHING, 9, deletionTimestamp="now")],
            id="on its way out",
        ),
        pytest.param(
            [deployment(), replica_set("x", 1, "other"), pod("p", "x", CRASHING, 9)], id="another Deployment's"
        ),
        pytest.param(
            [deployment(), replica_set("new", 1), pod("p", "new", {"waiting": {"reason": "ErrImagePull"}})],
            id="a registry may come back",
        ),
        pytest.param([deployment()], id="no pods yet"),
    ],
)
def test_what_may_become_ready(objects: list[dict[str, Any]]) -> None:
    assert stuck(objects, ["shop-v2"]) == []


def test_another_deployment_is_not_asked_for() -> None:
    assert stuck([deployment(), replica_set("new", 1), pod("p", "new", CRASHING, 9)], ["other"]) == []
