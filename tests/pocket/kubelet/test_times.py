from datetime import UTC, datetime

import pytest

from pocket.kubelet import times


def test_times_as_text() -> None:
    assert times.at(0) == "1970-01-01T00:00:00Z"
    assert times.parse("1970-01-01T00:00:00Z") == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["", "yesterday", "2999-01-01T00:00:00Z"])
def test_no_age(stamp: str) -> None:
    assert times.age(stamp) == 0


def test_age() -> None:
    assert times.age(times.at(datetime.now(UTC).timestamp() - 100)) >= 100
