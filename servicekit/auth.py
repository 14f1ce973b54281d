"""Tokens: JWTs signed with HS256 (RFC 7519). s1 issues and verifies them, s2 verifies them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import jwt
from flask import current_app, request

from servicekit.config import AuthConfig
from servicekit.errors import ServiceError

ALGORITHM = "HS256"
# RFC 6750 section 2.1: one word, one space, one b64token; the scheme's name ignores case (RFC 9110 section 11.1).
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_EXTENSION = "servicekit.auth"
_REMEMBERED = 4096  # tokens; one that is remembered costs about 1 KiB

View = TypeVar("View", bound=Callable[..., Any])


class Tokens:
    """Issues and verifies tokens with one key."""

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._verified: dict[str, dict[str, Any]] = {}

    def issue(self, user_id: str, now: float | None = None) -> str:
        """A token for `user_id` that is valid from `now` (seconds since 1970) for the configured lifetime."""
        start = int(time.time() if now is None else now)
        claims = {"sub": user_id, "user_id": user_id, "iat": start, "exp": start + self._config.lifetime}
        return jwt.encode(claims, self._config.secret, ALGORITHM)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of `token`; raises ServiceError 401 where it is forged, expired or no token at all.

        What was verified once is remembered until it expires. A new key means a new process, which remembers nothing.
        """
        known = self._verified.get(token)
        if known and known["exp"] > time.time():
            return known
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._config.secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub"]}
            )
        except jwt.ExpiredSignatureError:
            raise ServiceError(401, "the token has expired: log in again") from None
        except (jwt.InvalidTokenError, ValueError, TypeError):  # PyJWT lets these two through for odd payloads
            raise ServiceError(401, "the token is not valid") from None
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims


def bearer_token(header: str | None) -> str:
    """The token in an Authorization header; raises ServiceError 401.

    Example: `bearer_token("Bearer abc")` gives "abc".
    """
    if not header:
        raise ServiceError(401, "a token is required: send Authorization: Bearer TOKEN")
    match = _BEARER.fullmatch(header)
    if not match:
        raise ServiceError(401, "the Authorization header must read: Bearer TOKEN")
    return match[1]


def token_required(view: View) -> View:
    """Lets `view` run only for requests that carry a valid token of this app's `Tokens`."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        tokens: Tokens = current_app.extensions[_EXTENSION]
        tokens.verify(bearer_token(request.headers.get("Authorization")))
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]


def install(app: Any, tokens: Tokens) -> None:
    """Tells `token_required` which tokens `app` takes."""
    app.extensions[_EXTENSION] = tokens
