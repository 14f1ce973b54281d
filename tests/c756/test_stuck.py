"""`python -m c756 stuck`: only new pods that will not become ready by waiting are named, in a line each."""

from __future__ import annotations

from typing import Any

import pytest

from c756.stuck import line, not_ready, stuck
from tests.c756.test_symptoms import crashing, waiting


def deployment(generation: int = 2, observed: int = 2, **status: Any) -> dict[str, Any]:
    metadata = {"name": "shop-v2", "uid": "d", "generation": generation}
    return {"kind": "Deployment", "metadata": metadata, "status": {"observedGeneration": observed, **status}}


def replica_set(uid: str, revision: int, owner: str = "d") -> dict[str, Any]:
    metadata = {
        "uid": uid,
        "ownerReferences": [{"uid": owner}],
        "annotations": {"deployment.kubernetes.io/revision": str(revision)},
    }
    return {"kind": "ReplicaSet", "metadata": metadata}


def pod(name: str, owner: str, container: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "ownerReferences": [{"uid": owner}], **metadata},
        "status": {"containerStatuses": [container or {"name": "s2", "state": {"running": {}}, "restartCount": 0}]},
    }


NEW = [deployment(), replica_set("old", 9), replica_set("new", 10)]


def test_a_new_pod_that_crashes_again_and_again() -> None:
    (found,) = stuck([*NEW, pod("new-1", "new", crashing(2))], ["shop-v2"])
    assert found.symptom.hopeless
    assert line("shop", found, "KeyError: 'A'\n") == (
        "shop-v2: pod new-1, container s2: ended with exit code 1 (3 times): KeyError: 'A'. Mend it and deploy again. "
        "More: kubectl -n shop logs new-1 -c s2 --previous"
    )
    port = line("shop", found, "OSError: Address already in use\n")
    assert "Another program has that port" in port
    assert "Mend it" not in port


def test_one_that_cannot_be_made() -> None:
    (found,) = stuck(
        [*NEW, pod("new-1", "new", waiting("CreateContainerConfigError", 'secret "a" not found'))], ["shop-v2"]
    )
    assert line("shop", found, "") == (
        'shop-v2: pod new-1, container s2: CreateContainerConfigError: secret "a" not found. '
        "Make it, and the pod goes on by itself. More: kubectl -n shop describe pod new-1"
    )


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([*NEW, pod("p", "new", crashing(1))], id="one crash is bad luck"),
        pytest.param([*NEW, pod("p", "old", crashing(9))], id="the pods of before"),
        pytest.param(
            [deployment(3, 2), replica_set("old", 1), pod("p", "old", crashing(9))], id="the controller has yet to look"
        ),
        pytest.param([*NEW, pod("p", "new", crashing(9), deletionTimestamp="now")], id="on its way out"),
        pytest.param(
            [deployment(), replica_set("x", 1, "other"), pod("p", "x", crashing(9))], id="another Deployment's"
        ),
        pytest.param([*NEW, pod("p", "new", waiting("ErrImagePull"))], id="a registry may come back"),
        pytest.param([deployment()], id="no pods yet"),
    ],
)
def test_what_may_become_ready(objects: list[dict[str, Any]]) -> None:
    assert not any(found.symptom.hopeless for found in stuck(objects, ["shop-v2"]))


def test_another_deployment_is_not_asked_for() -> None:
    assert stuck([*NEW, pod("p", "new", crashing(9))], ["other"]) == []


def test_when_time_is_up_everything_that_is_not_ready_has_a_line() -> None:
    unready = pod("p", "new")
    unready["status"]["conditions"] = [{"type": "ContainersReady", "status": "False", "message": "unready: [s2]"}]
    quota = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    for objects, says in (
        (
            [*NEW, unready],
            "shop-v2: pod p: unready: [s2]. Look whether its probes can pass. "
            "More: kubectl -n shop describe pod p",
        ),
        (
            [deployment(conditions=[quota])],
            "shop-v2: exceeded quota. More: kubectl -n shop describe deployment shop-v2",
        ),
        ([deployment()], "shop-v2: it has no new pod. More: kubectl -n shop describe deployment shop-v2"),
    ):
        (found,) = not_ready(objects, ["shop-v2"])
        assert line("shop", found, "") == says
    assert not_ready([*NEW, pod("p", "new")], ["shop-v2"]) == []
