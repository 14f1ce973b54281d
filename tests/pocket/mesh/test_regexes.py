from __future__ import annotations

import pytest

from pocket.mesh.regexes import re2_error

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
LONG = f"/api/v[12]/(?:songs|artists|albums|playlists|users)/{UUID}"
"""More than the 100 instructions that Envoy takes unless it is told otherwise."""


@pytest.mark.parametrize(
    "pattern",
    [
        "/api/v[0-9]+/.*", "(?i)abc", "(?P<name>a+)?", "a{2,1000}", r"^\d+$", "[^/]*", LONG, "a" * 1024,
        r"a\z", r"\pL+", "[[:alpha:]]+", r"\Qa.b\E", "(?<name>a)", r"\x{41}",
    ],
)  # fmt: skip
def test_what_envoy_can_compile(pattern: str) -> None:
    assert re2_error(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(", "missing )"),
        ("*", "no argument for repetition operator"),
        ("a(?=b)", "invalid perl operator"),
        ("(?<!a)b", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        (r"a\Z", "invalid escape sequence"),
        ("(?#why)a", "invalid perl operator"),
        ("(?x)a", "invalid perl operator"),
        (r"\u0041", "invalid escape sequence"),
        (r"\N{DIGIT ONE}", "invalid escape sequence"),
        ("a" * 1025, "has 1025 bytes, and 1024 are allowed"),
        (r"\pL{40}", "instructions of it, and Envoy takes 32768"),
    ],
)
def test_what_it_cannot(pattern: str, reason: str) -> None:
    assert reason in (re2_error(pattern) or "")
