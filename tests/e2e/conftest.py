"""A whole pocket for the end-to-end tests, made as a person makes it: `make up`. Afterwards nothing may be left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, copy_of_checkout, environment, free_port_base, leftovers


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("e2e")
    port_base, gateway_port = free_port_base()
    made = Cluster(
        copy_of_checkout(folder / "checkout"), environment(folder, port_base, gateway_port), port_base, gateway_port
    )
    try:
        made.run("make", "up", timeout=600)
        yield made
    finally:
        down = made.run("make", "down", check=False)
    assert down.returncode == 0, down.stdout + down.stderr
    assert leftovers(made) == []
