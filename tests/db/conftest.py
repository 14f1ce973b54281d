from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.realservices import EMULATOR_KEY, chain

__all__ = ["chain", "key_of_the_emulator"]


@pytest.fixture(autouse=True, scope="module")
def key_of_the_emulator() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in EMULATOR_KEY.items():
            patch.setenv(name, value)
        yield
