from __future__ import annotations

from pocket.mesh.gatewayapi.refs import target


def test_what_a_reference_means_where_it_says_nothing() -> None:
    assert target({"name": "a"}) == ("", "Service")
    assert target({"name": "a"}, "Gateway", "g") == ("g", "Gateway")
    assert target({"name": "a", "group": "", "kind": "Service"}, "Gateway", "g") == ("", "Service")
