from __future__ import annotations

from pathlib import Path

import pytest

from tests.vendors.clouds import VENDORS, Clouds, kubernetes


@pytest.fixture
def clouds(tmp_path: Path, checkout: Path) -> Clouds:
    """Nothing is installed yet."""
    return Clouds(tmp_path / "clouds", checkout)


@pytest.fixture
def vendor(clouds: Clouds, request: pytest.FixtureRequest) -> Clouds:
    """The CLIs of the vendor that the test's parameter names, and a cluster that answers."""
    clouds.name = request.node.callspec.params["name"]
    VENDORS[clouds.name](clouds)
    kubernetes(clouds)
    return clouds
