"""Times as Kubernetes writes them. Pure but for the clock."""

from __future__ import annotations

from datetime import UTC, datetime

FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def age(stamp: str) -> float:
    """Seconds since an RFC 3339 time; 0 for one in the future (the clock was set) and for no time at all."""
    begun = parse(stamp)
    return 0.0 if begun is None else max((datetime.now(UTC) - begun).total_seconds(), 0.0)


def parse(stamp: str | None) -> datetime | None:
    """The moment; None for no time at all."""
    try:
        return datetime.fromisoformat(stamp) if stamp else None
    except ValueError:
        return None


def at(seconds: float) -> str:
    """Seconds since the epoch as text."""
    return datetime.fromtimestamp(seconds, UTC).strftime(FORMAT)
