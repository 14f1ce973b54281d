from __future__ import annotations

from pocket.api import selectors, watching
from pocket.api.target import Target
from pocket.objects import Obj
from pocket.store import Event
from tests.pocket.api.known import KINDS

POD = KINDS["Pod"]
TARGET = Target(POD, "v1", "default")
PICK = selectors.predicate(POD, "app=web", "")


def pod(app: str, namespace: str = "default") -> Obj:
    return {"kind": "Pod", "metadata": {"name": "p", "namespace": namespace, "labels": {"app": app}}}


def kind_of_change(event: Event, target: Target = TARGET) -> str | None:
    change = watching.select(event, target, PICK)
    return change.type if change else None


def test_what_enters_and_leaves_the_selection() -> None:
    assert kind_of_change(Event("ADDED", pod("web"), 1)) == "ADDED"
    assert kind_of_change(Event("ADDED", pod("db"), 1)) is None
    assert kind_of_change(Event("MODIFIED", pod("web"), 1, pod("web"))) == "MODIFIED"
    assert kind_of_change(Event("MODIFIED", pod("web"), 1, pod("db"))) == "ADDED"
    assert kind_of_change(Event("MODIFIED", pod("db"), 1, pod("web"))) == "DELETED"
    assert kind_of_change(Event("MODIFIED", pod("db"), 1, pod("db"))) is None
    assert kind_of_change(Event("DELETED", pod("web"), 1)) == "DELETED"
    assert kind_of_change(Event("DELETED", pod("db"), 1)) is None


def test_other_namespaces_and_kinds_are_not_its_business() -> None:
    assert kind_of_change(Event("ADDED", pod("web", "other"), 1)) is None
    everywhere = Target(POD, "v1")
    assert kind_of_change(Event("ADDED", pod("web", "other"), 1), everywhere) == "ADDED"
    assert kind_of_change(Event("ADDED", {**pod("web"), "kind": "Secret"}, 1), everywhere) is None


def test_without_a_selection_everything_passes() -> None:
    change = watching.select(Event("MODIFIED", pod("db"), 1, pod("web")), TARGET, None)
    assert change is not None
    assert change.type == "MODIFIED"
