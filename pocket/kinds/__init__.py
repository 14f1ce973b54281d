"""The kinds that pocket gives meaning to, one file each; the others are stored and served by their schema alone.

A new kind is one file here with a `STRATEGY`: it is found by itself.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping

from pocket.kinds.strategy import Strategy
from pocket.objects import Kind, Obj, kind_of


@functools.cache
def strategies() -> Mapping[str, Strategy]:
    """By kind, as the store calls it."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        strategy = getattr(importlib.import_module(f"{__name__}.{module.name}"), "STRATEGY", None)
        if isinstance(strategy, Strategy):
            found[strategy.kind] = strategy
    return found


def strategy(kind: Kind | str) -> Strategy:
    """What the kind means; nothing for most."""
    key = kind if isinstance(kind, str) else kind.key
    return strategies().get(key) or Strategy(key)


def has_meaning(kind: Kind) -> bool:
    """Does anything come of such an object on pocket, by a file here?"""
    return kind.key in strategies()


def fill_defaults(obj: Obj) -> None:
    """Give the object the values that its kind has where nothing is written. Idempotent."""
    strategy(kind_of(obj)).defaults(obj)
