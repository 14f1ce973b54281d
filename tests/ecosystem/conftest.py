"""Fixtures of the programs' tests."""

from tests.e2e.conftest import cluster as whole
from tests.pocket.api.conftest import cluster

__all__ = ["cluster", "whole"]
