from __future__ import annotations

import pytest

from pocket.mesh.regexes import re2_error


@pytest.mark.parametrize("pattern", ["/api/v[0-9]+/.*", "(?i)abc", "(?P<name>a+)?", "a{2,1000}", r"^\d+$", "[^/]*"])
def test_what_envoy_can_compile(pattern: str) -> None:
    assert re2_error(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(", "unterminated"),
        ("*", "nothing to repeat"),
        ("a(?=b)", "look-ahead"),
        ("(?<!a)b", "look-behind"),
        (r"(a)\1", "back references"),
        ("((?:(?>a)))", "atomic"),
        ("x(a*+)", "possessive"),
        ("a{1001}", "1000 times"),
        ("[[:alpha:]]", "write a class"),
    ],
)
def test_what_it_cannot(pattern: str, reason: str) -> None:
    assert reason in (re2_error(pattern) or "")
