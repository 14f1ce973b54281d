"""Tokens: JWTs signed with HS256 (RFC 7519). s1 issues and verifies them, s2 verifies them.

A user's token ends with the user: every `check_seconds` the datastore is asked whether there still is one. That of
an operator (scope `operator`, from tools/token.sh) belongs to no user, and is for everything.
"""

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
ISSUER = AUDIENCE = "c756"  # `iss` and `aud` (RFC 7519 sections 4.1.1 and 4.1.3): the services of this application
OPERATOR = "operator"  # a word of the claim `scope` (RFC 8693 section 4.2)
# RFC 6750 section 2.1: one word, one space, one b64token; the scheme's name ignores case (RFC 9110 section 11.1).
_BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_EXTENSION = "servicekit.auth"
_REMEMBERED = 4096  # tokens; one that is remembered costs about 1 KiB

View = TypeVar("View", bound=Callable[..., Any])


class Tokens:
    """Issues tokens with one key, and verifies those of this key, the next one and the last ones.

    `find_user` raises ServiceError 404 where there is no user with this id; without it nobody asks.
    """

    def __init__(self, config: AuthConfig, find_user: Callable[[str], object] | None = None) -> None:
        self._config = config
        self._find_user = find_user
        self._keys = config.keys()
        self._verified: dict[str, tuple[float, dict[str, Any]]] = {}  # until when, and the claims

    def issue(self, user_id: str, now: float | None = None, *, operator: bool = False) -> str:
        """A token for `user_id` that is valid from `now` (seconds since 1970) for the configured lifetime."""
        start = int(time.time() if now is None else now)
        claims = {"sub": user_id, "user_id": user_id, "iat": start, "exp": start + self._config.lifetime}
        scope = {"scope": OPERATOR} if operator else {}
        return jwt.encode({"iss": ISSUER, "aud": AUDIENCE, **claims, **scope}, self._config.secret, ALGORITHM)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of `token`; raises ServiceError 401 where it is forged, expired, of nobody or no token at all.

        What was verified once is remembered: an operator's until it expires, a user's for `check_seconds`.
        """
        known = self._verified.get(token)
        if known and known[0] > time.time():
            return known[1]
        until, claims = self._decode(token)
        if self._find_user and not is_operator(claims):
            self._check_user(self._find_user, claims["sub"])
            until = min(until, time.time() + self._config.check_seconds)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = until, claims
        return claims

    def _decode(self, token: str) -> tuple[float, dict[str, Any]]:
        """The claims of `token`, and until when it is valid; raises ServiceError 401."""
        for key, end in self._keys.items():
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, [ALGORITHM], {"require": ["exp", "sub"]}, audience=AUDIENCE, issuer=ISSUER
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.ExpiredSignatureError:
                raise ServiceError(401, "the token has expired: log in again") from None
            except (jwt.InvalidTokenError, ValueError, TypeError):  # PyJWT lets these two through for odd payloads
                break
            if end <= time.time():
                raise ServiceError(401, "the token's key has been replaced: log in again")
            return min(claims["exp"], end), claims
        raise ServiceError(401, "the token is not valid")

    @staticmethod
    def _check_user(find_user: Callable[[str], object], user_id: str) -> None:
        try:
            find_user(user_id)
        except ServiceError as error:
            if error.status in (400, 404):  # what cannot be a user's id is none
                raise ServiceError(401, "the token's user does not exist any more") from None
            raise


def is_operator(claims: dict[str, Any]) -> bool:
    """Whether a token with these claims may do everything."""
    return claims.get("scope") == OPERATOR


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
        _claims()
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]


def owner_required(view: View) -> View:
    """The same for a view of one `user_id`, which is that user's and the operators': 403 for others."""

    @wraps(view)
    def checked(user_id: str) -> Any:
        claims = _claims()
        if claims["sub"] != user_id and not is_operator(claims):
            raise ServiceError(403, "a user may change and delete itself only")
        return view(user_id)

    return checked  # type: ignore[return-value]


def _claims() -> dict[str, Any]:
    tokens: Tokens = current_app.extensions[_EXTENSION]
    return tokens.verify(bearer_token(request.headers.get("Authorization")))


def install(app: Any, tokens: Tokens) -> None:
    """Tells `token_required` which tokens `app` takes."""
    app.extensions[_EXTENSION] = tokens
