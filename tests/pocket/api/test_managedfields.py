from __future__ import annotations

from typing import Any

from pocket.api import managedfields as mf
from pocket.objects import Obj
from pocket.schemas import kubernetes
from tests.pocket.api.known import CATALOG, KINDS

PLACE = mf.root(kubernetes.of_kind("apps", "v1", "Deployment"))
CUSTOM = mf.root(CATALOG.struct(KINDS["VirtualService"], "v1"))


def deployment(*containers: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {**spec, "template": {"spec": {"containers": list(containers)}}},
    }


def writer(manager: str, time: str = "2026-01-01T00:00:00Z") -> mf.Writer:
    return mf.Writer(manager, "apps/v1", time)


def applied(obj: Obj, manager: str) -> list[mf.Owner]:
    fields = frozenset(mf.fields_of(PLACE, obj))
    return [mf.Owner(manager, "Apply", "", "apps/v1", "2026-01-01T00:00:00Z", fields)]


def containers(obj: Obj) -> list[Obj]:
    found: list[Obj] = obj["spec"]["template"]["spec"]["containers"]
    return found


def test_fields_of_an_object_are_its_leaves_with_list_elements_by_key() -> None:
    obj = deployment({"name": "a", "image": "x", "args": ["1", "2"], "ports": [{"containerPort": 80}]}, replicas=1)
    obj["metadata"]["finalizers"] = ["f"]
    assert mf.to_wire(frozenset(mf.fields_of(PLACE, obj))) == {
        "f:metadata": {"f:finalizers": {'v:"f"': {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"a"}': {
                            ".": {},
                            "f:name": {},
                            "f:image": {},
                            "f:args": {},
                            "f:ports": {
                                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}},
                            },
                        }
                    }
                }
            },
        },
    }


def test_selectors_are_one_field() -> None:
    obj = {"spec": {"selector": {"matchLabels": {"a": "b"}}}}
    assert set(mf.fields_of(PLACE, obj)) == {("f:spec", "f:selector")}
    service = {"spec": {"selector": {"a": "b"}}}
    assert set(mf.fields_of(mf.root(kubernetes.of_kind("", "v1", "Service")), service)) == {("f:spec", "f:selector")}


def test_lists_of_custom_resources_are_one_field() -> None:
    obj = {"metadata": {"labels": {"a": "b"}}, "spec": {"http": [{"route": []}], "sub": {"x": 1}}}
    assert set(mf.fields_of(CUSTOM, obj)) == {
        ("f:metadata", "f:labels", "f:a"),
        ("f:spec", "f:http"),
        ("f:spec", "f:sub", "f:x"),
    }


def test_the_wire_format_comes_back_as_it_was() -> None:
    fields = frozenset(mf.fields_of(PLACE, deployment({"name": "a", "image": "x"}, replicas=1)))
    assert frozenset(mf.from_wire(mf.to_wire(fields))) == fields


def test_applying_again_removes_what_the_file_no_longer_says() -> None:
    first = deployment({"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}, {"name": "b"}, replicas=3)
    second = deployment({"name": "a", "image": "y"})
    merged, owners = mf.apply(PLACE, first, second, applied(first, "kubectl"), writer("kubectl"))
    assert containers(merged) == [{"name": "a", "image": "y"}]
    assert "replicas" not in merged["spec"]
    assert [owner.fields for owner in owners] == [frozenset(mf.fields_of(PLACE, second))]


def test_what_somebody_else_owns_too_stays() -> None:
    mine = deployment({"name": "a", "image": "x"}, replicas=3)
    other = mf.Owner("scaler", "Update", "", "apps/v1", "t", frozenset({("f:spec", "f:replicas")}))
    merged, owners = mf.apply(
        PLACE, mine, deployment({"name": "a", "image": "x"}), [*applied(mine, "kubectl"), other], writer("kubectl")
    )
    assert merged["spec"]["replicas"] == 3
    assert {owner.manager for owner in owners} == {"scaler", "kubectl"}


def test_what_nobody_applied_is_left_alone() -> None:
    mine = deployment({"name": "a"})
    live = deployment({"name": "a", "imagePullPolicy": "Always"}, {"name": "sidecar"}, replicas=1)
    merged, _ = mf.apply(PLACE, live, mine, applied(mine, "kubectl"), writer("kubectl"))
    assert merged == live


def test_elements_of_others_keep_their_place() -> None:
    live = deployment({"name": "a"}, {"name": "sidecar"}, {"name": "b"})
    mine = deployment({"name": "a"}, {"name": "b"}, {"name": "c"})
    merged, _ = mf.apply(PLACE, live, mine, [], writer("kubectl"))
    assert [entry["name"] for entry in containers(merged)] == ["a", "sidecar", "b", "c"]


def test_changing_the_value_of_another_manager_conflicts() -> None:
    live = deployment({"name": "a", "image": "x"}, replicas=3)
    owners = mf.after_update(PLACE, None, live, [], writer("controller"))
    same = mf.conflicts(PLACE, live, deployment({"name": "a", "image": "x"}), owners, writer("kubectl"))
    assert same == []
    found = mf.conflicts(PLACE, live, deployment({"name": "a", "image": "y"}), owners, writer("kubectl"))
    assert [(entry.manager, entry.field) for entry in found] == [
        ("controller", '.spec.template.spec.containers[name="a"].image')
    ]


def test_applying_with_force_takes_the_field() -> None:
    live = deployment({"name": "a", "image": "x"}, replicas=3)
    owners = mf.after_update(PLACE, None, live, [], writer("controller"))
    merged, owners = mf.apply(PLACE, live, deployment({"name": "a", "image": "y"}), owners, writer("kubectl"))
    image = next(path for path in mf.fields_of(PLACE, merged) if path[-1] == "f:image")
    assert [owner.manager for owner in owners if image in owner.fields] == ["kubectl"]
    replicas = ("f:spec", "f:replicas")
    assert [owner.manager for owner in owners if replicas in owner.fields] == ["controller"]


def test_applying_the_same_again_changes_nothing_not_even_the_time() -> None:
    obj = deployment({"name": "a"})
    owners = applied(obj, "kubectl")
    assert mf.apply(PLACE, obj, obj, owners, writer("kubectl", "2030-01-01T00:00:00Z")) == (obj, owners)


def test_an_update_owns_what_it_changed_and_nothing_else() -> None:
    old = deployment({"name": "a", "image": "x"}, replicas=1)
    new = deployment({"name": "a", "image": "y"}, replicas=1)
    owners = mf.after_update(PLACE, old, new, applied(old, "kubectl"), writer("edit"))
    by_manager = {owner.manager: owner.fields for owner in owners}
    assert [path[-1] for path in by_manager["edit"]] == ["f:image"]
    assert not by_manager["edit"] & by_manager["kubectl"]


def test_an_update_that_changes_nothing_leaves_the_owners() -> None:
    obj = deployment({"name": "a"})
    owners = applied(obj, "kubectl")
    assert mf.after_update(PLACE, obj, obj, owners, writer("edit")) is owners


def test_owners_survive_being_written_into_the_object() -> None:
    obj = deployment({"name": "a"})
    owners = applied(obj, "kubectl")
    mf.set_owners(obj, owners)
    assert mf.owners_of(obj) == owners
    mf.set_owners(obj, [])
    assert "managedFields" not in obj["metadata"]
