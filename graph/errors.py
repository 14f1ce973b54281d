"""What can go wrong, with the reason as a word that programs read and the cure as a sentence that people read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """Something a person should know: why a graph is empty, what is missing from it."""

    reason: str  # one word in camelCase, the same for all texts of one kind
    message: str  # what is the case
    cure: str  # what to do about it

    def as_json(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.message, "cure": self.cure}


class GraphError(Exception):
    """An answer that cannot be given. `status` is the HTTP status that fits."""

    def __init__(self, status: int, reason: str, message: str, cure: str) -> None:
        super().__init__(message)
        self.status = status
        self.advice = Advice(reason, message, cure)

    def __str__(self) -> str:
        return f"{self.advice.message} {self.advice.cure}".strip()


class BadParameter(GraphError):
    """A parameter that nobody knows, or a value that it cannot have."""

    def __init__(self, name: str, message: str, cure: str = "") -> None:
        super().__init__(400, "badParameter", f"{name}: {message}", cure)


class NotFound(GraphError):
    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(404, "notFound", message, cure)
