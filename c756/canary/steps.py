"""When a step ends, and how: from verdicts to what is done next. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from c756.canary.terms import Kind, Verdict


class Next(StrEnum):
    """What to do after a look."""

    LOOK = "look again"
    ADVANCE = "next step"
    ROLL_BACK = "roll back"
    GIVE_UP = "give up"  # roll back as well, since nobody stays on a version that was not judged


@dataclass(frozen=True)
class Pace:
    """In seconds: a step takes at least `every`, with a look each `look`; without a verdict at most `patience`, and at
    most `blind` while there is no data at all.
    """

    every: float = 60.0
    look: float = 10.0
    patience: float = 1800.0
    blind: float = 120.0

    @property
    def stale_after(self) -> float:
        """How old the newest sample may be: Prometheus reads every 30 s where nobody changed its operator's default."""
        return max(60.0, 3 * self.look)


@dataclass
class Step:
    """One share of the traffic, as it goes on."""

    pace: Pace
    tried: int = 0  # looks that could have passed
    blind_since: float | None = None  # seconds after the step's beginning

    def after(self, verdict: Verdict, elapsed: float) -> Next:
        """What follows from this look, so many seconds after the step began."""
        self.tried += verdict.tested
        if verdict.kind is not Kind.NO_DATA:
            self.blind_since = None
        elif self.blind_since is None:
            self.blind_since = elapsed
        if verdict.kind is Kind.WORSE:
            return Next.ROLL_BACK
        if verdict.kind is Kind.EQUAL and elapsed >= self.pace.every:
            return Next.ADVANCE
        if self.blind_since is not None and elapsed - self.blind_since >= self.pace.blind:
            return Next.GIVE_UP
        if elapsed >= self.pace.patience:
            return Next.GIVE_UP
        return Next.LOOK
