"""Settings of a service: read from the environment once, at start, into typed values.

Every problem is collected and reported together, so that a person fixes the environment once and not once per variable.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: an HS256 key has at least the 256 bits of the hash
MAX_PORT = 65535


class ConfigError(Exception):
    """The environment does not hold what the service needs; the message names every variable and its cure."""


class Env:
    """Reads typed values out of an environment and remembers what was wrong until `check`.

    Example: `env = Env({"PORT": "80"}); env.integer("PORT", 30000, 1, 65535)` gives 80.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values
        self._problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """The value of `name`; `default` where it is unset or empty."""
        return self._values.get(name, "") or default

    def required(self, name: str, cure: str) -> str:
        """The value of `name`; a problem with its `cure` where it is unset or empty."""
        value = self.text(name)
        if not value:
            self._problems.append(f"{name} is not set: {cure}")
        return value

    def secret(self, name: str, cure: str, *, optional: bool = False) -> str:
        """A secret of at least 32 bytes."""
        value = self.text(name) if optional else self.required(name, cure)
        if value and len(value.encode()) < MIN_SECRET_BYTES:
            self._problems.append(f"{name} has fewer than {MIN_SECRET_BYTES} bytes: {cure}")
        return value

    def times(self, name: str) -> dict[str, float]:
        """A JSON object of texts and numbers; empty where unset. The value may be secret: no problem tells it."""
        try:
            found = json.loads(self.text(name, "{}"))
            return {str(text): float(number) for text, number in found.items()}
        except (AttributeError, TypeError, ValueError):
            self._problems.append(f"{name} is not a JSON object of texts and numbers")
            return {}

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of the words `allowed`, the first where it is unset."""
        value = self.text(name, allowed[0])
        if value not in allowed:
            self._problems.append(f"{name}={value!r} is none of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A decimal number from `low` to `high`, both included."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self._problems.append(f"{name}={raw!r} is not a number from {low:g} to {high:g}")
            return default
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        value = self.number(name, default, low, high)
        if value != int(value):
            self._problems.append(f"{name}={self.text(name)!r} is not a whole number")
        return int(value)

    def url(self, name: str, default: str = "") -> str:
        """An http or https URL without a trailing slash; empty where unset and without default."""
        value = self.text(name, default).rstrip("/")
        if value and not _is_http_url(value):
            self._problems.append(f"{name}={value!r} is not an http:// or https:// URL with a host")
        return value

    def check(self) -> None:
        """Raises ConfigError when any value read so far was missing or wrong."""
        if self._problems:
            raise ConfigError("cannot start: " + "; ".join(self._problems))


def drain_seconds(env: Env) -> float:
    """DRAIN_SECONDS: how long a stopping worker goes on accepting requests."""
    return env.number("DRAIN_SECONDS", 1.0, 0, 600)


def _is_http_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is not a number, or a broken IPv6 address
        return False


@dataclass(frozen=True)
class BaseConfig:
    """What every service is told."""

    max_body_bytes: int = 1024 * 1024  # larger requests are answered with 413

    @classmethod
    def base(cls, env: Env) -> BaseConfig:
        """Reads MAX_BODY_BYTES."""
        return BaseConfig(max_body_bytes=env.integer("MAX_BODY_BYTES", 1024 * 1024, 1024, 16 * 1024 * 1024))


@dataclass(frozen=True)
class AuthConfig:
    """How tokens are signed and verified."""

    secret: str
    lifetime: int = 8 * 3600  # seconds
    next_secret: str = ""  # accepted already, for the time in which not everybody signs with it
    old_secrets: Mapping[str, float] = field(default_factory=dict)  # and when each was replaced, seconds since 1970
    check_seconds: float = 45.0  # after which a remembered token's user is looked for again
    password_cost: int = 15  # scrypt's N is 2 to this power: a tenth of a second and 32 MiB for each login

    def keys(self) -> dict[str, float]:
        """Each key that is accepted, the usual one first, and until when: an old one as long as tokens of it live."""
        current = {key: math.inf for key in (self.secret, self.next_secret) if key}
        return current | {key: replaced + self.lifetime for key, replaced in self.old_secrets.items()}

    @classmethod
    def read(cls, env: Env) -> Self:
        """Reads JWT_SECRET, JWT_SECRET_NEXT, JWT_SECRETS_OLD, TOKEN_SECONDS, TOKEN_CHECK_SECONDS and PASSWORD_COST."""
        cure = "take it from the Secret c756-auth (key jwt-secret), e.g. `openssl rand -hex 32`"
        return cls(
            secret=env.secret("JWT_SECRET", cure),
            lifetime=env.integer("TOKEN_SECONDS", 8 * 3600, 1, 366 * 24 * 3600),
            next_secret=env.secret("JWT_SECRET_NEXT", cure.replace("jwt-secret", "jwt-secret-next"), optional=True),
            old_secrets=env.times("JWT_SECRETS_OLD"),
            check_seconds=env.number("TOKEN_CHECK_SECONDS", 45, 0, 3600),
            password_cost=env.integer("PASSWORD_COST", 15, 10, 17),
        )


@dataclass(frozen=True)
class UpstreamConfig:
    """Where the datastore service is and how long to wait for it, in seconds."""

    url: str = "http://cmpt756db:30002"
    connect_timeout: float = 2.0
    read_timeout: float = 10.0
    pool_size: int = 64

    @classmethod
    def read(cls, env: Env) -> Self:
        """Reads DB_URL, DB_CONNECT_TIMEOUT, DB_READ_TIMEOUT and DB_POOL_SIZE."""
        return cls(
            url=env.url("DB_URL", "http://cmpt756db:30002"),
            connect_timeout=env.number("DB_CONNECT_TIMEOUT", 2.0, 0.01, 300),
            read_timeout=env.number("DB_READ_TIMEOUT", 10.0, 0.01, 300),
            pool_size=env.integer("DB_POOL_SIZE", 64, 1, 4096),
        )


@dataclass(frozen=True)
class FrontConfig(BaseConfig):
    """Settings of a service that people call: it checks tokens and asks the datastore service."""

    auth: AuthConfig = AuthConfig(secret="")
    upstream: UpstreamConfig = UpstreamConfig()

    @classmethod
    def from_env(cls, values: Mapping[str, str] | None = None) -> Self:
        """Reads everything that s1 and s2 need; raises ConfigError."""
        env = Env(values)
        config = cls(
            max_body_bytes=BaseConfig.base(env).max_body_bytes,
            auth=AuthConfig.read(env),
            upstream=UpstreamConfig.read(env),
        )
        env.check()
        return config
