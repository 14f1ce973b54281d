from pathlib import Path

import pytest

from tests.pocket.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A pocket without API server, with the image `example.org/app:v1` built."""
    home = tmp_path / "h"
    home.mkdir()
    cluster = Cluster(home)
    cluster.build()
    return cluster
