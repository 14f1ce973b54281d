"""What the emulator and Prometheus ask for: made once for a pocket, readable by its owner alone.

Both listen on loopback, where every user of the machine and every page in a browser reaches them.
"""

from __future__ import annotations

from pocket import tls
from pocket.settings import Settings

_NAME = "pocket"


def emulator_key(settings: Settings) -> dict[str, str]:
    """The key that requests to the emulator are signed with, by the names under which clients of AWS look for it."""
    secret = tls.ensure_token(settings.home / "emulator.key")
    return {"AWS_ACCESS_KEY_ID": _NAME, "AWS_SECRET_ACCESS_KEY": secret}
