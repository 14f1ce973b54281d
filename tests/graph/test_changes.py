from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from c756.canary.cluster import _COMPONENT
from graph import canary, changes
from tests.graph.test_canary import STATE

NS = "c756ns"


def obj(name: str, spec: dict[str, Any], *times: tuple[str, str], namespace: str = NS) -> dict[str, Any]:
    """An object with the times of its managedFields: (time, subresource)."""
    fields = [{"time": time, "subresource": part} for time, part in times]
    return {"metadata": {"name": name, "namespace": namespace, "managedFields": fields}, "spec": spec}


def split(*weights: int, **more: Any) -> dict[str, Any]:
    targets = [{"destination": {"host": "s2", "subset": f"v{n}"}, "weight": w} for n, w in enumerate(weights, 1)]
    return {"hosts": ["s2.c756ns.svc.cluster.local"], "http": [{"route": targets, **more}]}


def event(name: str, message: str, namespace: str = NS, **times: str) -> dict[str, Any]:
    about = {"kind": "Deployment", "namespace": namespace, "name": name}
    return {"involvedObject": about, "message": message, **times}


AT = 1_700_000_000
LATER = "2023-11-14T22:14:00Z"  # 40 s after


def test_weights_faults_and_deployments_the_oldest_first() -> None:
    found = changes.within(
        [
            obj("s2", split(90, 10), ("2023-11-14T22:13:00Z", ""), (LATER, "")),
            obj("db", {"http": [{"fault": {"abort": {}}, "route": []}]}, ("2023-11-14T22:13:50Z", "")),
            obj("rules", {"host": "s2", "subsets": []}, ("2023-11-14T22:13:40Z", "")),
        ],
        [event("s2-v2", "Scaled up", lastTimestamp="2023-11-14T22:13:30Z")],
        [NS],
        AT,
        AT + 60,
    )
    assert [(one.at - AT, one.kind, one.text) for one in found] == [
        (10, "deployment", "Scaled up"),
        (20, "routes", "rules: traffic policy and subsets"),
        (30, "fault", "db: injects a fault"),
        (40, "weights", "s2 (s2.c756ns.svc.cluster.local): v1 90 %, v2 10 %"),
    ]
    assert found[3].as_json()["time"] == AT + 40


def test_what_is_outside_the_window_or_the_namespaces_is_left_out() -> None:
    routes = [obj("s2", split(90, 10), (LATER, "")), obj("other", split(1, 99), (LATER, ""), namespace="shop")]
    assert changes.within(routes, [], [NS], AT + 41, AT + 60) == []
    assert [one.name for one in changes.within(routes, [], ["shop"], AT, AT + 60)] == ["other"]


def test_a_status_that_a_controller_writes_is_no_change() -> None:
    assert changes.changed(obj("s2", {}, ("2023-11-14T22:13:20Z", ""), (LATER, "status"))) == AT
    assert changes.changed({"metadata": {"name": "s2", "creationTimestamp": "2023-11-14T22:13:20Z"}}) == AT
    assert changes.changed({"metadata": {"name": "s2"}}) is None


def test_the_same_thing_told_twice_counts_once() -> None:
    events = [event("s2-v2", "Scaled up", lastTimestamp=LATER), event("s2-v2", "Scaled up", eventTime=LATER)]
    assert len(changes.within([], events, [NS], AT, AT + 60)) == 1


def judged(*times: tuple[str, str], under_way: bool = False) -> dict[str, Any]:
    """A VirtualService with what was written to it: (time, field manager)."""
    made = obj("s2", split(90, 10))
    made["metadata"]["managedFields"] = [{"time": time, "manager": manager} for time, manager in times]
    if under_way:
        made["metadata"]["annotations"] = {canary.ANNOTATION: replace(STATE, began=AT + 5.7).text()}
    return made


def test_each_change_of_weights_by_a_canary_is_a_mark_and_what_it_writes_at_each_look_is_none() -> None:
    about = {"kind": "VirtualService", "namespace": NS, "name": "s2"}
    told = [
        {"involvedObject": about, "reason": reason, "message": message, "lastTimestamp": f"2023-11-14T22:13:{second}Z"}
        for reason, message, second in (
            ("CanaryStep", "step 10 %: v2 10 %, v1 90 %", 30),
            ("CanaryRolledBack", "worse: v2 fails. v1 has everything", 50),
            ("CanaryPromoted", "v2 has everything", 55),
            ("Other", "of a controller", 56),
        )
    ]
    service = judged(("2023-11-14T22:13:25Z", "kubectl-client-side-apply"), (LATER, canary.MANAGER))
    found = changes.within([service], told, [NS], AT, AT + 60)
    assert canary.MANAGER == _COMPONENT
    assert [(one.at - AT, one.kind, one.text) for one in found] == [
        (5, "weights", "s2 (s2.c756ns.svc.cluster.local): v1 90 %, v2 10 %"),
        (10, "weights", "canary step 10 %: v2 10 %, v1 90 %"),
        (30, "weights", "canary rolled back: worse: v2 fails. v1 has everything"),
        (35, "weights", "canary promoted: v2 has everything"),
    ]


@pytest.mark.parametrize(("under_way", "at"), [(True, 5), (False, 40)])
def test_shares_are_counted_since_a_canarys_step_began_not_since_its_last_look(under_way: bool, at: int) -> None:
    service = judged(("2023-11-14T22:13:21Z", "kubectl"), (LATER, canary.MANAGER), under_way=under_way)
    assert changes.changed(service) == AT + at
