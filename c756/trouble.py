"""The one kind of error that people see: what is wrong, and the cure."""

from __future__ import annotations


class Trouble(Exception):
    """Something that cannot be done; the text says why, and on a line of its own what to do about it."""

    def __init__(self, what: str, cure: str = "") -> None:
        super().__init__(f"{what}\n{cure}" if cure else what)
