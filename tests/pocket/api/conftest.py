"""Fixtures of the API server's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pocket.api.live import Cluster, serving


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A server of the test's own."""
    with serving(tmp_path) as cluster:
        yield cluster
