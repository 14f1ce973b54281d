from __future__ import annotations

import pytest

from pocket.admission import MeshAdmission
from pocket.kinds import strategy
from pocket.mesh.model import Snapshot
from pocket.objects import Obj


def admission() -> MeshAdmission:
    return MeshAdmission(Snapshot)


def obj(kind: str, **spec: object) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "ns"}, "spec": spec}


def test_a_cordon_of_the_only_node_says_what_it_means() -> None:
    told = strategy("Node").warnings(obj("Node", unschedulable=True))
    assert ["kubectl uncordon" in warning for warning in told] == [True]
    assert strategy("Node").warnings(obj("Node")) == []


def test_of_a_route_the_mesh_says_what_is_not_there() -> None:
    routes = obj("VirtualService", hosts=["a"], http=[{"route": [{"destination": {"host": "nowhere"}}]}])
    assert any("nowhere" in warning for warning in admission().warnings(routes))


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Namespace"])
def test_of_others_there_is_nothing_to_say(kind: str) -> None:
    assert admission().warnings(obj(kind)) == []
