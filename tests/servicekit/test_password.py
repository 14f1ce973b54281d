from __future__ import annotations

from servicekit.password import Passwords


def test_what_is_kept_is_a_salted_scrypt_hash() -> None:
    passwords = Passwords()
    first, second = passwords.hashed("an open secret"), passwords.hashed("an open secret")
    assert first.startswith("scrypt:32768:8:1$")
    assert first != second
    assert "secret" not in first
    assert passwords.match(first, "an open secret")
    assert not passwords.match(first, "another")
    assert not passwords.match(first, "")
    assert not passwords.match("an open secret", "an open secret"), "no hash, no match"
