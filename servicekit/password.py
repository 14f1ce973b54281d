"""Passwords, kept as scrypt hashes (RFC 7914) that werkzeug makes: with a salt, and the parameters in the hash.

With the usual cost a hash takes a tenth of a second and 32 MiB: one thread makes them, one after the other, while
requests go on.
"""

from __future__ import annotations

from gevent.threadpool import ThreadPool
from werkzeug.security import check_password_hash, generate_password_hash


class Passwords:
    """Makes and checks hashes; `cost` says how dear: scrypt's N is 2 to its power."""

    def __init__(self, cost: int) -> None:
        self._method = f"scrypt:{2**cost}:8:1"
        self._thread = ThreadPool(1)

    def hashed(self, password: str) -> str:
        """What is kept instead of `password`."""
        kept: str = self._thread.apply(generate_password_hash, (password, self._method))
        return kept

    def match(self, kept: str, password: str) -> bool:
        """Whether `kept` was made from `password`; nothing matches what is no hash."""
        matches: bool = self._thread.apply(check_password_hash, (kept, password))
        return matches
