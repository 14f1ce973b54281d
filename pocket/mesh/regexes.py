"""Is a regular expression one that Envoy can compile? Envoy uses RE2 (https://github.com/google/re2/wiki/Syntax)."""

from __future__ import annotations

import re
import warnings
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

MAX_REPEAT = 1000  # RE2's bound on {n,m}

_FOREIGN = {
    "ASSERT": "look-ahead and look-behind",
    "ASSERT_NOT": "look-ahead and look-behind",
    "GROUPREF": "back references",
    "GROUPREF_EXISTS": "conditional groups",
    "GROUPREF_IGNORE": "back references",
    "ATOMIC_GROUP": "atomic groups",
    "POSSESSIVE_REPEAT": "possessive quantifiers",
}


def re2_error(pattern: str) -> str | None:
    """Why RE2 would not take a pattern, or None.

    Python's parser reads it; what Python can do and RE2 cannot is refused. A few spellings that only RE2 knows
    (`\\pL`, `\\z`, `\\Q...\\E`, `[[:alpha:]]`) are refused too: Python's forms say the same.
    """
    if "[[:" in pattern:
        return "write a class such as [[:alpha:]] out: [A-Za-z]"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        return str(error)
    return _foreign(tree)


def _foreign(node: Any) -> str | None:
    if isinstance(node, _parser.SubPattern | list | tuple):
        if isinstance(node, tuple) and node and isinstance(node[0], _constants._NamedIntConstant):
            name = node[0].name
            if name in _FOREIGN:
                return f"RE2 has no {_FOREIGN[name]}"
            if name in ("MAX_REPEAT", "MIN_REPEAT"):
                low, high, _ = node[1]
                if low > MAX_REPEAT or (high != _constants.MAXREPEAT and high > MAX_REPEAT):
                    return f"RE2 repeats at most {MAX_REPEAT} times"
        for part in node:
            if found := _foreign(part):
                return found
    return None
