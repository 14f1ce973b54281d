"""When a container that ended is started again. Pure.

The rules and figures are the kubelet's: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

from __future__ import annotations

INITIAL = 10.0  # seconds
LONGEST = 300.0  # seconds
RESET_AFTER = 600.0  # seconds


class BackOff:
    """The pauses before each start of one container: none, 10 s, 20 s, 40 s, up to 5 min."""

    def __init__(self, reset_after: float = RESET_AFTER) -> None:
        """`reset_after`: seconds that it must run for its past to be forgotten."""
        self._reset_after = reset_after
        self._next = 0.0

    def after(self, ran: float) -> float:
        """Seconds to wait after it ended, having run for `ran` seconds."""
        if ran >= self._reset_after:
            self._next = 0.0
        delay = self._next
        self._next = min(max(2 * delay, INITIAL), LONGEST)
        return delay


def starts_again(policy: str, exit_code: int) -> bool:
    """Does the pod's restartPolicy (Always, OnFailure, Never) start a container again that ended so?"""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
