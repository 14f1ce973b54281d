"""The revision changes with what an Envoy is started with, and with nothing else."""

from pathlib import Path

import pytest

from pocket.mesh import bootstrap
from pocket.mesh.revision import revision


@pytest.fixture
def envoy(tmp_path: Path) -> Path:
    path = tmp_path / "envoy"
    path.write_text("one")
    return path


def test_the_same_for_the_same(envoy: Path) -> None:
    assert revision(envoy) == revision(envoy)
    assert len(revision(envoy)) == 16


def test_another_program(envoy: Path) -> None:
    before = revision(envoy)
    envoy.write_text("another")
    assert revision(envoy) != before


@pytest.mark.parametrize("name", ["MAX_CONNECTIONS", "LISTENER_DRAIN_SECONDS"])
def test_another_bootstrap_or_other_arguments(envoy: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = revision(envoy)
    monkeypatch.setattr(bootstrap, name, 7)
    assert revision(envoy) != before


def test_no_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        revision(tmp_path / "envoy")
