from __future__ import annotations

from typing import Any

import pytest

from pocket.api import patch


@pytest.mark.parametrize(
    ("target", "change", "result"),
    [  # the examples of RFC 7386, appendix A, that say something of their own
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (["a"], {"a": 1}, {"a": 1}),
    ],
)
def test_merge(target: Any, change: Any, result: Any) -> None:
    assert patch.merge(target, change) == result


def test_merge_shares_nothing() -> None:
    target: dict[str, Any] = {"a": {"b": [1]}}
    patch.merge(target, {"a": {"c": 1}})["a"]["b"].append(2)
    assert target == {"a": {"b": [1]}}


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": 1}], {"foo": "bar", "baz": 1}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/0", "value": "x"}], {"foo": ["x", "a"]}),
        ({"foo": ["a"]}, [{"op": "add", "path": "/foo/-", "value": "x"}], {"foo": ["a", "x"]}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
        ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/0", "value": 9}], {"a": [9, 2]}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
        ({"a/b": {"m~n": 1}}, [{"op": "test", "path": "/a~1b/m~0n", "value": 1}], {"a/b": {"m~n": 1}}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_json_patch(document: Any, operations: Any, result: Any) -> None:
    assert patch.json_patch(document, operations) == result


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add"},
        ["add"],
        [{"op": "remove", "path": "/missing"}],
        [{"op": "replace", "path": "/missing", "value": 1}],
        [{"op": "add", "path": "/list/7", "value": 1}],
        [{"op": "add", "path": "/list/x", "value": 1}],
        [{"op": "add", "path": "/text/below", "value": 1}],
        [{"op": "add", "path": "no-slash", "value": 1}],
        [{"op": "add", "path": "/value-is-missing"}],
        [{"op": "test", "path": "/text", "value": "other"}],
        [{"op": "move", "path": "/x"}],
        [{"op": "explode", "path": "/text"}],
    ],
)
def test_json_patch_refuses(operations: Any) -> None:
    with pytest.raises(patch.PatchError):
        patch.json_patch({"list": [1], "text": "a"}, operations)
