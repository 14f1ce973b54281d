from __future__ import annotations

from typing import Any

import pytest

from db.values import MAX_ATTRIBUTES, attributes, from_dynamo, item_from_dynamo, to_dynamo
from servicekit.errors import ServiceError

ROUND_TRIPS = [
    None, True, False, "", "x", "Zoë 🎵", "\x00", 0, 1, -5, 10**37, 0.5, -1.25e-99, 1.1, 1e36,
    [], [1, [None, "a"]], {}, {"a": {"b": [True]}}, {"": 1, "#k": ":v"},
]  # fmt: skip


@pytest.mark.parametrize("value", ROUND_TRIPS)
def test_json_values_come_back_as_they_were(value: Any) -> None:
    back = from_dynamo(to_dynamo(value, "x"))
    if isinstance(value, float):  # a whole one comes back as an integer: the same JSON number
        assert float(back) == value
    else:
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize("value", [10**37 + 1, -(10**38), 1e38, 1e-101, -1e-200, float("nan"), float("inf"), [1e200]])
def test_numbers_beyond_the_bounds_are_400_and_named(value: Any) -> None:
    with pytest.raises(ServiceError, match="'size'") as error:
        to_dynamo(value, "size")
    assert error.value.status == 400


def test_deep_nesting_is_400() -> None:
    value: Any = 1
    for _ in range(31):
        value = [value]
    with pytest.raises(ServiceError, match="too deeply"):
        to_dynamo(value, "x")
    assert from_dynamo(to_dynamo(value[0], "x")) == value[0]


def test_sets_and_bytes_of_others_are_shown() -> None:
    item = {"a": {"SS": ["x"]}, "b": {"NS": ["1", "1.5"]}, "c": {"B": b"\x00"}, "d": {"BS": [b"\x01"]}}
    item["e"] = {"N": "2.0"}
    assert item_from_dynamo(item) == {"a": ["x"], "b": [1, 1.5], "c": "AA==", "d": ["AQ=="], "e": 2}


@pytest.mark.parametrize("body", [{}, {"": 1}, {"x" * 256: 1}, {str(n): n for n in range(MAX_ATTRIBUTES + 1)}])
def test_impossible_attributes_are_400(body: dict[str, Any]) -> None:
    with pytest.raises(ServiceError) as error:
        attributes(body)
    assert error.value.status == 400
