from __future__ import annotations

from servicekit.config import AuthConfig
from servicekit.password import Passwords


def test_what_is_kept_is_a_salted_scrypt_hash() -> None:
    passwords = Passwords(AuthConfig("").password_cost)
    first, second = passwords.hashed("an open secret"), passwords.hashed("an open secret")
    assert first.startswith("scrypt:32768:8:1$")
    assert first != second
    assert "secret" not in first
    assert passwords.match(first, "an open secret")
    assert not passwords.match(first, "another")
    assert not passwords.match(first, "")
    assert passwords.match(Passwords(10).hashed("an open secret"), "an open secret"), "the hash knows its own cost"
    assert not passwords.match("an open secret", "an open secret"), "no hash, no match"
