"""Asking before something is lost."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def confirmed(question: str, env: Mapping[str, str]) -> bool:
    """Whether the answer is yes; YES=1 in the environment answers, the end of the input is a no."""
    if env.get("YES") == "1":
        return True
    print(f"{question} Type yes: ", end="", flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print()
    return answer.strip().lower() == "yes"
