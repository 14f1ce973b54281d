"""Fixtures of the programs' tests."""

from tests.pocket.api.conftest import cluster

__all__ = ["cluster"]
