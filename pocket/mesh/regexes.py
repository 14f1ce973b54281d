"""Is a regular expression one that Envoy can compile? RE2 itself is asked (https://github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

import re2

MAX_LENGTH = 1024
"""Bytes of an expression, as Istio's validation has it."""

MAX_PROGRAM_SIZE = 32768
"""Instructions of a compiled expression: Istio tells every Envoy to refuse more (Envoy's own bound is 100)."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def re2_error(pattern: str) -> str | None:
    """Why Envoy would not take a pattern, or None."""
    length = len(pattern.encode())
    if length > MAX_LENGTH:
        return f"the expression has {length} bytes, and {MAX_LENGTH} are allowed"
    try:
        size = re2.compile(pattern, _OPTIONS).programsize
    except re2.error as error:
        said = error.args[0]
        return f"not RE2: {said.decode(errors='replace') if isinstance(said, bytes) else said}"
    if size > MAX_PROGRAM_SIZE:
        return f"RE2 makes {size} instructions of it, and Envoy takes {MAX_PROGRAM_SIZE}"
    return None
