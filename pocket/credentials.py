"""What the emulator and Prometheus ask for: made once for a pocket, readable by its owner alone.

Both listen on loopback, where every user of the machine and every page in a browser reaches them.
"""

from __future__ import annotations

import base64
import functools

from pocket import tls
from pocket.settings import Settings

_NAME = "pocket"
_ROUNDS = 4  # of bcrypt, the fewest that it takes: a password of 32 random bytes is not guessed


def emulator_key(settings: Settings) -> dict[str, str]:
    """The key that requests to the emulator are signed with, by the names under which clients of AWS look for it."""
    secret = tls.ensure_token(settings.home / "emulator.key")
    return {"AWS_ACCESS_KEY_ID": _NAME, "AWS_SECRET_ACCESS_KEY": secret}


def prometheus_url(settings: Settings) -> str:
    """Where Prometheus answers, with name and password, as programs take them from a URL."""
    return settings.prometheus_url.replace("://", f"://{_NAME}:{_password(settings)}@")


def prometheus_authorization(settings: Settings) -> str:
    """What Prometheus wants in the header `Authorization`."""
    return "Basic " + base64.b64encode(f"{_NAME}:{_password(settings)}".encode()).decode()


def prometheus_users(settings: Settings) -> dict[str, str]:
    """Whom Prometheus lets in: names with the hashes of their passwords.

    https://prometheus.io/docs/prometheus/latest/configuration/https/
    """
    import bcrypt  # only a start needs it

    return {_NAME: bcrypt.hashpw(_password(settings).encode(), bcrypt.gensalt(_ROUNDS)).decode()}


@functools.cache  # each request and each look at a pod of istio-system asks for it
def _password(settings: Settings) -> str:
    return tls.ensure_token(settings.home / "prometheus.password")
