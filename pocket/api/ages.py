"""Spans of time as kubectl shows them. Pure."""

from __future__ import annotations

from datetime import datetime

UNKNOWN = "<unknown>"


def duration(seconds: float) -> str:
    """A span of time as kubectl shows it: `45s`, `3m12s`, `5h`, `2d3h` (apimachinery's HumanDuration)."""
    if seconds < -1:
        return "<invalid>"
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return f"{years}y{days % 365}d" if years < 8 and days % 365 else f"{years}y"


def parse_time(text: str | None) -> datetime | None:
    """RFC 3339 to a moment; None for nothing."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def since(text: str | None, moment: datetime) -> str:
    start = parse_time(text)
    return UNKNOWN if start is None else duration((moment - start).total_seconds())
