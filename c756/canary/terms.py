"""What is judged, and what comes of it: counts, limits, verdicts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

TESTS = 4
"""Errors, refusals, times, lost requests: each has an equal part of alpha."""


class Kind(StrEnum):
    """What can be said."""

    EQUAL = "better or equal"
    WORSE = "worse"
    MORE_DATA = "not enough data yet"
    NO_DATA = "no data"


@dataclass(frozen=True)
class Counts:
    """What one version answered. `slower[i]`: of the answers that are no failures, those above the i-th bound."""

    requests: int = 0
    failed: int = 0  # 5xx, or no answer
    refused: int = 0  # 4xx
    served: int = 0  # answers with a time: all that did not fail
    slower: tuple[int, ...] = ()
    millis: float = 0.0  # the sum of their times

    @classmethod
    def total(cls, of: Sequence[Counts]) -> Counts:
        """All of them together. Those without an answer may have no `slower`."""
        return cls(
            sum(one.requests for one in of),
            sum(one.failed for one in of),
            sum(one.refused for one in of),
            sum(one.served for one in of),
            tuple(map(sum, zip(*(one.slower for one in of if one.slower), strict=True))),
            sum(one.millis for one in of),
        )

    @property
    def mean(self) -> float:
        """Milliseconds; 0 where nothing was served."""
        return self.millis / self.served if self.served else 0.0


@dataclass(frozen=True)
class Block:
    """One interval of time. `nowhere`: requests that reached neither version (no pod was ready, say)."""

    canary: Counts = field(default_factory=Counts)
    stable: Counts = field(default_factory=Counts)
    nowhere: int = 0

    @property
    def total(self) -> int:
        return self.canary.requests + self.stable.requests + self.nowhere


@dataclass(frozen=True)
class Limits:
    """What is tolerated: `errors` as a difference of shares (0.01: one of a hundred more), `p99` as a part (0.2: a
    fifth slower; None: times do not count). `alpha`: the chance that an equal version is rolled back, all steps
    together. `cluster`: requests that the mesh sends to one version together, since they are of one person with a
    cookie; evidence to the power 1/cluster is that of as many fewer requests.
    """

    errors: float = 0.01
    p99: float | None = 0.20
    alpha: float = 0.01
    steps: int = 1
    cluster: float = 1.0

    @property
    def threshold(self) -> float:
        """The evidence that one test of one step needs."""
        return TESTS * self.steps / self.alpha


@dataclass(frozen=True)
class Links:
    """The chain from the request to the number, as it is now."""

    version: str
    deployed: bool = True
    unready_looks: int = 0  # for how many looks in a row no pod of it has been ready
    sample_age: float | None = 0.0  # seconds since the newest sample; None: there is none
    prometheus: str = ""  # why it does not answer
    cluster: str = ""  # why it does not
    stale_after: float = 60.0
    look: float = 10.0  # seconds between two looks, which is the length of a block


@dataclass(frozen=True)
class Verdict:
    """What is known, why, and, where it is too little, how many requests to the canary are missing."""

    kind: Kind
    why: str
    missing: int = 0
    wait: float = 0.0  # seconds that those take at this rate
    tested: bool = False  # this look could have ended with EQUAL: the next one is stricter
