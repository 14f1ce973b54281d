"""What a share that was observed says about the weight behind it."""

from __future__ import annotations

import math
from typing import NamedTuple

CONFIDENCE = 0.95
_Z = 1.959963984540054  # the two-sided 95 % point of the normal distribution


class Interval(NamedTuple):
    """Bounds of a share, from 0 to 1."""

    low: float
    high: float


def wilson(successes: float, trials: float, z: float = _Z) -> Interval:
    """The Wilson score interval of a share (E. B. Wilson, 1927): sensible for small numbers too, unlike the normal one.

    Rates times seconds need not be whole numbers, so neither need these. `trials` must be positive.
    """
    if trials <= 0:
        raise ValueError("an interval needs at least one trial")
    share = successes / trials
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # Exactly 0 and 1 at the ends, where the two terms cancel out but for rounding.
    low = 0.0 if successes <= 0 else max(0.0, (middle - spread) / scale)
    high = 1.0 if successes >= trials else min(1.0, (middle + spread) / scale)
    return Interval(low, high)


def verdict(weight: float, interval: Interval) -> str:
    """Does a configured share agree with what was observed? All between 0 and 1.

    A weight of 0 or 1 promises that there is nothing else, so that one request is enough to contradict it.
    """
    if interval.low <= weight <= interval.high:
        return "agrees"
    return "above" if interval.low > weight else "below"
