from __future__ import annotations

from pocket.mesh.gatewayapi.conditions import conditions, with_times
from pocket.mesh.gatewayapi.refs import Problem

GOOD = {"Accepted": ("Accepted", "fine"), "Conflicted": ("NoConflicts", "none")}


def test_a_problem_turns_a_condition() -> None:
    made = conditions(3, GOOD, {"Accepted": Problem("Bad", "no"), "Conflicted": None})
    assert made == [
        {"type": "Accepted", "status": "False", "reason": "Bad", "message": "no", "observedGeneration": 3},
        {"type": "Conflicted", "status": "False", "reason": "NoConflicts", "message": "none", "observedGeneration": 3},
    ]


def test_a_time_is_that_of_the_last_change_of_status() -> None:
    good, bad = conditions(1, GOOD, {}), conditions(2, GOOD, {"Accepted": Problem("Bad", "no")})
    parent = {"parentRef": {"name": "a"}, "controllerName": "c"}
    first = with_times({"conditions": good, "parents": [{**parent, "conditions": good}]}, None, "1")
    second = with_times({"conditions": bad, "parents": [{**parent, "conditions": good}]}, first, "2")
    assert [one["lastTransitionTime"] for one in second["conditions"]] == ["2", "1"]
    assert [one["lastTransitionTime"] for one in second["parents"][0]["conditions"]] == ["1", "1"]
    assert with_times({"conditions": bad, "parents": [{**parent, "conditions": good}]}, second, "3") == second
