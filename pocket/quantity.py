"""Kubernetes quantities: `100m`, `256Mi`, `1e3`. Pure.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?\d+\.?\d*(?:[eE][+-]?\d+)?|[+-]?\.\d+)([numkMGTPE]|[KMGTPE]i)?")


def parse(text: str | int | float) -> Decimal:
    """The number that a quantity means. Raises ValueError."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text}: not a quantity")
    return Decimal(match[1]) * _FACTORS[match[2] or ""]


def divided(text: str | int | float, divisor: str | int | float) -> int:
    """How many divisors fit, rounded up: what a resourceFieldRef gives. Raises ValueError."""
    unit = parse(divisor or "1")
    return math.ceil(parse(text) / (unit or Decimal(1)))
