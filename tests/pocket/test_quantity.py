from decimal import Decimal

import pytest

from pocket.quantity import divided, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("100m", Decimal("0.1")), ("256Mi", 256 * 2**20), ("1G", 10**9), ("1.5", Decimal("1.5")),
        ("1e3", 1000), (2, 2), ("0", 0),
    ],
)  # fmt: skip
def test_parse(text: str | int, value: Decimal | int) -> None:
    assert parse(text) == value


def test_division_rounds_up() -> None:
    assert divided("100m", "1") == 1
    assert divided("100m", "1m") == 100
    assert divided("256Mi", "1Mi") == 256
    assert divided("256Mi", "") == 256 * 2**20


@pytest.mark.parametrize("text", ["", "x", "1Q", "1 Mi"])
def test_nonsense(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        parse(text)
