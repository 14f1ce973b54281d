from __future__ import annotations

from typing import Any

import pytest

from pocket.mesh.matching import concerns, is_catch_all, route_match
from pocket.mesh.names import gateway_name
from tests.pocket.mesh.kit import NS, sidecar


@pytest.mark.parametrize(
    ("match", "port", "yes"),
    [
        ({}, 80, True),
        ({"port": 80}, 80, True),
        ({"port": 81}, 80, False),
        ({"sourceLabels": {"app": "s1"}}, 80, True),
        ({"sourceLabels": {"app": "s1", "version": "v9"}}, 80, False),
        ({"sourceNamespace": NS}, 80, True),
        ({"sourceNamespace": "other"}, 80, False),
        ({"gateways": ["mesh"], "sourceLabels": {"app": "other"}}, 80, True),
        ({"gateways": ["gw"]}, 80, False),
    ],
)
def test_whom_a_match_concerns(match: dict[str, Any], port: int, yes: bool) -> None:
    assert concerns(match, sidecar(), frozenset({"mesh"}), port, NS) is yes


def test_gateways_are_named_from_the_objects_namespace() -> None:
    assert [gateway_name(name, NS) for name in ("mesh", "gw", "./gw", "other/gw")] == [
        "mesh", "music/gw", "music/gw", "other/gw",
    ]  # fmt: skip
    assert concerns({"gateways": ["gw"]}, sidecar(), frozenset({"music/gw"}), 80, NS)


@pytest.mark.parametrize(
    ("match", "envoy"),
    [
        (None, {"prefix": "/"}),
        ({"uri": {"exact": "/a"}}, {"path": "/a"}),
        ({"uri": {"prefix": "/a"}}, {"prefix": "/a"}),
        ({"uri": {"regex": "/a.+"}}, {"safe_regex": {"regex": "/a.+"}}),
        ({"uri": {"regex": ".*"}}, {"prefix": "/"}),
        ({"uri": {"exact": "/a"}, "ignoreUriCase": True}, {"path": "/a", "case_sensitive": False}),
        (
            {"method": {"exact": "GET"}, "authority": {"prefix": "a"}, "scheme": {"regex": "https?"}},
            {
                "prefix": "/",
                "headers": [
                    {"name": ":method", "string_match": {"exact": "GET"}},
                    {"name": ":authority", "string_match": {"prefix": "a"}},
                    {"name": ":scheme", "string_match": {"safe_regex": {"regex": "https?"}}},
                ],
            },
        ),
        (
            {"headers": {"b": {"exact": "1"}, "a": {}}},
            {
                "prefix": "/",
                "headers": [{"name": "a", "present_match": True}, {"name": "b", "string_match": {"exact": "1"}}],
            },
        ),
        (
            {"withoutHeaders": {"a": {}, "b": {"exact": "1"}}},
            {
                "prefix": "/",
                "headers": [
                    {"name": "a", "present_match": True, "invert_match": True},
                    {
                        "name": "b", "string_match": {"exact": "1"},
                        "invert_match": True, "treat_missing_header_as_empty": True,
                    },
                ],
            },
        ),
        (
            {"queryParams": {"q": {"exact": "1"}, "p": {}}},
            {
                "prefix": "/",
                "query_parameters": [
                    {"name": "p", "present_match": True},
                    {"name": "q", "string_match": {"exact": "1"}},
                ],
            },
        ),
    ],
)  # fmt: skip
def test_matches_as_envoy_has_them(match: dict[str, Any] | None, envoy: dict[str, Any]) -> None:
    assert route_match(match) == envoy


def test_what_catches_all() -> None:
    assert is_catch_all({"match": route_match({"uri": {"prefix": "/"}})})
    assert not is_catch_all({"match": route_match({"uri": {"prefix": "/"}, "method": {"exact": "GET"}})})
